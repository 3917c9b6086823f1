{# Grain: one row per product of a system, its latest version. #}
{{ config(unique_key='product_key') }}

with products as (

    select * from {{ ref('stg_catalog__products') }} where {{ newly_loaded() }}

),

arrived as (

    select
        source_system || ':' || product_id as product_key,
        source_system,
        product_id,
        brand_id,
        name,
        created_at,
        version_at,
        category_path,
        split_part(category_path, ' > ', 1) as category,
        product_brand,
        colour,
        size,
        price,
        cost,
        stock,
        discontinued_at,
        replacement_product_id,
        accessory_of_product_id,
        is_premium,
        is_gift,
        warranty_months,
        service_life_months,
        load_id
    from products

),

latest as (

    {{ latest_version('arrived', ['product_key']) }}

)

select * from latest
