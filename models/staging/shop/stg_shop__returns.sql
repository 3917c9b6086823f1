{# Grain: one row per line of a return. #}
with source as (

    select * from {{ source('shop', 'returns') }}

),

renamed as (

    select
        source_system,
        return_id,
        line_no,
        brand_id,
        returned_at,
        order_id,
        account_id,
        currency,
        product_id,
        line_kind,
        quantity,
        net_amount,
        reason,
        _delivered_on as delivered_on,
        _load_id as load_id
    from source
    where {{ known_by_as_of('returned_at') }}

)

select * from renamed
