{#
    Grain: one row per product with what it tells of its buyers: category, maker, colour, price
    shelf, whether it is premium or a gift. The shelf is where its list price stands among those of
    the same category and brand, by the mid-rank: equal prices share a shelf, and a single product
    stands in the middle. An increment writes what became different, so that customers are computed
    again for it alone.
#}
{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key='product_id',
    on_schema_change='fail'
) }}

with products as (

    select * from {{ ref('products') }}

),

shelves as (

    select
        price_shelf,
        from_share,
        lead(from_share) over (order by from_share) as below_share,
        row_number() over (order by from_share desc) as places_from_top
    from {{ ref('price_shelves') }}

),

ranked as (

    select
        product_id,
        {{ mid_rank('price', 'brand_id, category') }} as price_share
    from products
    where price is not null and category is not null

),

arrived as (

    select
        products.product_id,
        products.category,
        products.product_brand,
        shelves.price_shelf,
        products.colour,
        coalesce(products.is_premium, false) or coalesce(shelves.places_from_top = 1, false)
            as is_premium,
        coalesce(products.is_gift, false) as is_gift,
        {{ this_load() }} as load_id
    from products
    left join ranked on products.product_id = ranked.product_id
    left join shelves
        on
            ranked.price_share >= shelves.from_share
            and (ranked.price_share < shelves.below_share or shelves.below_share is null)

),

standing as (

    {{ standing_rows('arrived') }}

),

final as (

    select arrived.*
    from arrived
    left join standing on arrived.product_id = standing.product_id
    where
        standing.product_id is null
        or arrived.category is distinct from standing.category
        or arrived.product_brand is distinct from standing.product_brand
        or arrived.price_shelf is distinct from standing.price_shelf
        or arrived.colour is distinct from standing.colour
        or arrived.is_premium <> standing.is_premium
        or arrived.is_gift <> standing.is_gift

)

select * from final
