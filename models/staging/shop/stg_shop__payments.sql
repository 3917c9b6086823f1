{# Grain: one row per attempt to pay or repayment. #}
with source as (

    select * from {{ source('shop', 'payments') }}

),

renamed as (

    select
        source_system,
        payment_id,
        brand_id,
        paid_at,
        order_id,
        method,
        status,
        currency,
        amount,
        {{ code('failure_reason') }} as failure_reason,
        _delivered_on as delivered_on,
        _load_id as load_id
    from source
    where {{ known_by_as_of('paid_at') }}

)

select * from renamed
