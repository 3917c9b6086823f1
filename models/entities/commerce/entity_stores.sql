{# Grain: one row per store of a system, its latest version. #}
{{ config(unique_key='store_key') }}

with stores as (

    select * from {{ ref('stg_store__stores') }} where {{ newly_loaded() }}

),

arrived as (

    select
        source_system || ':' || store_id as store_key,
        source_system,
        store_id,
        brand_id,
        name,
        opened_at,
        version_at,
        closed_at,
        postal_code,
        city,
        country,
        latitude,
        longitude,
        load_id
    from stores

),

latest as (

    {{ latest_version('arrived', ['store_key']) }}

)

select * from latest
