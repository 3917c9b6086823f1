{# Grain: one row per registration and version. #}
with source as (

    select * from {{ source('service', 'registrations') }}

),

brands as (

    select * from {{ ref('brands') }}

),

renamed as (

    select
        source.source_system,
        source.registration_id,
        source.brand_id,
        source.registered_at,
        source.account_id,
        source.card_id,
        source.contact_id,
        {{ normalise_email('source.email') }} as email,
        {{ normalise_phone('source.phone', 'brands.calling_code') }} as phone,
        source.product_id,
        source.serial_no,
        source.purchased_on,
        source.warranty_until,
        source.order_id,
        coalesce(source.updated_at, source.registered_at) as version_at,
        source._delivered_on as delivered_on,
        source._load_id as load_id
    from source
    left join brands on source.brand_id = brands.brand_id
    where {{ known_by_as_of('coalesce(source.updated_at, source.registered_at)') }}

)

select * from renamed
