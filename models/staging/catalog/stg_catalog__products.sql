{# Grain: one row per product and version. #}
with source as (

    select * from {{ source('catalog', 'products') }}

),

renamed as (

    select
        source_system,
        product_id,
        brand_id,
        name,
        created_at,
        category_path,
        product_brand,
        colour,
        size,
        price,
        cost,
        stock,
        discontinued_at,
        replacement_product_id,
        accessory_of_product_id,
        coalesce(is_premium, false) as is_premium,
        coalesce(is_gift, false) as is_gift,
        warranty_months,
        service_life_months,
        coalesce(updated_at, created_at) as version_at,
        _delivered_on as delivered_on,
        _load_id as load_id
    from source
    where {{ known_by_as_of('coalesce(updated_at, created_at)') }}

)

select * from renamed
