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
        size,
        price,
        cost,
        stock,
        created_at as listed_at,
        discontinued_at,
        source_system || ':' || replacement_product_id as replacement_product_id,
        source_system || ':' || accessory_of_product_id as accessory_of_product_id,
        is_premium,
        is_gift,
        warranty_months,
        service_life_months
    from products

)

select * from final
