{#
    Grain: one row per product and span of time with one price and one stock, as the versions of
    the catalogue that were delivered tell.
#}
{{ config(materialized='view') }}

with versions as (

    select * from {{ ref('entity_product_versions') }}

),

spans as (

    select
        product_key as product_id,
        version_at as valid_from,
        lead(version_at) over product as valid_until,
        price,
        price - lag(price) over product as price_change,
        stock,
        coalesce(stock <= 0, false) as is_sold_out
    from versions
    window product as (partition by product_key order by version_at)

)

select * from spans
