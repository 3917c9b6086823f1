{# Grain: one row per cart and version. #}
with source as (

    select * from {{ source('shop', 'carts') }}

),

brands as (

    select * from {{ ref('brands') }}

),

renamed as (

    select
        source.source_system,
        source.cart_id,
        source.brand_id,
        source.created_at,
        source.account_id,
        source.card_id,
        source.contact_id,
        {{ normalise_email('source.email') }} as email,
        {{ normalise_phone('source.phone', 'brands.calling_code') }} as phone,
        source.visitor_id,
        source.status,
        source.order_id,
        source.checkout_step,
        source.problem,
        source.currency,
        coalesce(source.updated_at, source.created_at) as version_at,
        source._delivered_on as delivered_on,
        source._load_id as load_id
    from source
    left join brands on source.brand_id = brands.brand_id
    where {{ known_by_as_of('coalesce(source.updated_at, source.created_at)') }}

)

select * from renamed
