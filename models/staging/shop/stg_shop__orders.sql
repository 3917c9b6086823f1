{# Grain: one row per order and version. #}
with source as (

    select * from {{ source('shop', 'orders') }}

),

brands as (

    select * from {{ ref('brands') }}

),

renamed as (

    select
        source.source_system,
        source.order_id,
        source.brand_id,
        source.ordered_at,
        source.account_id,
        {{ normalise_email('source.email') }} as email,
        {{ normalise_phone('source.phone', 'brands.calling_code') }} as phone,
        source.visitor_id,
        source.status,
        source.currency,
        source.coupon_code,
        source.is_gift_wrapped,
        source.has_gift_message,
        source.postal_code,
        source.city,
        upper(source.country) as country,
        source.recipient_name,
        source.delivery_street,
        source.delivery_postal_code,
        source.delivery_city,
        upper(source.delivery_country) as delivery_country,
        coalesce(source.is_test, false) as is_test,
        coalesce(source.updated_at, source.ordered_at) as version_at,
        source._delivered_on as delivered_on,
        source._load_id as load_id
    from source
    left join brands on source.brand_id = brands.brand_id
    where {{ known_by_as_of('coalesce(source.updated_at, source.ordered_at)') }}

)

select * from renamed
