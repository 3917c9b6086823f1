{# Grain: one row per line of a cart. #}
with source as (

    select * from {{ source('shop', 'cart_lines') }}

),

renamed as (

    select
        source_system,
        cart_id,
        line_no,
        added_at,
        product_id,
        quantity,
        unit_price,
        _delivered_on as delivered_on,
        _load_id as load_id
    from source
    where {{ known_by_as_of('added_at') }}

)

select * from renamed
