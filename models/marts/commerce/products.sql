{# Grain: one row per product. #}
{{ config(materialized='view') }}

with products as (

    select * from {{ ref('entity_products') }}

),

final as (

    select
        product_key as product_id,
        brand_id,
        name,
        category,
        category_path,
        product_brand,
        colour,
        price,
        cost,
        stock,
        created_at as listed_at,
        discontinued_at,
        source_system || ':' || replacement_product_id as replacement_product_id
    from products

)

select * from final
