{# Grain: one row per store. #}
{{ config(materialized='view') }}

with stores as (

    select * from {{ ref('entity_stores') }}

),

final as (

    select
        store_key as store_id,
        brand_id,
        name,
        postal_code,
        city,
        country,
        latitude,
        longitude,
        opened_at,
        closed_at
    from stores

)

select * from final
