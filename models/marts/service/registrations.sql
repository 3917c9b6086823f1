{# Grain: one row per product that its owner registered. #}
{{ config(materialized='view') }}

with registrations as (

    select * from {{ ref('entity_registrations') }}

),

records as (

    select * from {{ ref('identity_records') }}

),

final as (

    select
        registrations.registration_key as registration_id,
        records.customer_id,
        registrations.brand_id,
        registrations.registered_at,
        registrations.product_key as product_id,
        registrations.purchased_on,
        registrations.warranty_until,
        registrations.order_key as order_id,
        greatest(registrations.load_id, records.load_id) as load_id
    from registrations
    left join records on registrations.record_key = records.record_key

)

select * from final
