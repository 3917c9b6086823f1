{# Grain: one row per review or post. #}
with source as (

    select * from {{ source('service', 'reviews') }}

),

brands as (

    select * from {{ ref('brands') }}

),

renamed as (

    select
        source.source_system,
        source.review_id,
        source.brand_id,
        source.reviewed_at,
        source.account_id,
        source.card_id,
        source.contact_id,
        {{ normalise_email('source.email') }} as email,
        {{ normalise_phone('source.phone', 'brands.calling_code') }} as phone,
        source.kind,
        source.platform,
        source.product_id,
        source.order_id,
        source.rating,
        source.text,
        source._delivered_on as delivered_on,
        source._load_id as load_id
    from source
    left join brands on source.brand_id = brands.brand_id
    where {{ known_by_as_of('source.reviewed_at') }}

)

select * from renamed
