{# Grain: one row per order line. #}
with source as (

    select * from {{ source('shop', 'order_lines') }}

),

renamed as (

    select
        source_system,
        order_id,
        line_no,
        product_id,
        line_kind,
        quantity,
        discount_amount,
        net_amount,
        _delivered_on as delivered_on,
        _load_id as load_id
    from source
    where {{ known_by_as_of() }}

)

select * from renamed
