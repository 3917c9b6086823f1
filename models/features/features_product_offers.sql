{#
    Grain: one row per product of the catalogue, with what decides whether and to whom it can be
    offered. A stock that nobody tells counts as in stock. What lasts a year or longer is bought
    again when its life is over, what has a warranty and no known life never, all else at any time,
    as in marts.owned_products.
#}
with products as (

    select * from {{ ref('products') }}

),

traits as (

    select * from {{ ref('product_traits') }}

),

price_shelves as (

    select * from {{ ref('price_shelves') }}

),

final as (

    select
        products.product_id,
        products.brand_id,
        products.name,
        products.category,
        products.price,
        price_shelves.position as shelf_position,
        coalesce(products.stock > 0, true) as is_in_stock,
        products.discontinued_at is not null as is_discontinued,
        products.replacement_product_id,
        case
            when products.service_life_months >= 12
                then cast(round(products.service_life_months * 365.25 / 12) as integer)
            when products.service_life_months is not null or products.warranty_months is null
                then 0
        end as rebuy_after_days
    from products
    left join traits on products.product_id = traits.product_id
    left join price_shelves on traits.price_shelf = price_shelves.price_shelf

)

select * from final
