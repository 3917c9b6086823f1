{#
    Grain: one row per product of a system and version: its price and stock at any time. Catalogues
    overwrite themselves, so that the versions that were delivered are all the history there is.
#}
{{ config(unique_key=['product_key', 'version_at']) }}

with products as (

    select * from {{ ref('stg_catalog__products') }} where {{ newly_loaded() }}

),

final as (

    select
        source_system || ':' || product_id as product_key,
        version_at,
        price,
        stock,
        discontinued_at,
        load_id
    from products

)

select * from final
