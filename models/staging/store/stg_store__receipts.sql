{# Grain: one row per receipt. #}
with source as (

    select * from {{ source('store', 'receipts') }}

),

renamed as (

    select
        source_system,
        receipt_id,
        brand_id,
        purchased_at,
        store_id,
        till_id,
        card_id,
        currency,
        coalesce(is_test, false) as is_test,
        _delivered_on as delivered_on,
        _load_id as load_id
    from source
    where {{ known_by_as_of('purchased_at') }}

)

select * from renamed
