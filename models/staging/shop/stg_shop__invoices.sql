{# Grain: one row per invoice and version. #}
with source as (

    select * from {{ source('shop', 'invoices') }}

),

renamed as (

    select
        source_system,
        invoice_id,
        brand_id,
        issued_at,
        order_id,
        account_id,
        currency,
        amount,
        due_on,
        paid_at,
        coalesce(updated_at, issued_at) as version_at,
        _delivered_on as delivered_on,
        _load_id as load_id
    from source
    where {{ known_by_as_of('coalesce(updated_at, issued_at)') }}

)

select * from renamed
