{# Grain: one row per referral. #}
with source as (

    select * from {{ source('service', 'referrals') }}

),

brands as (

    select * from {{ ref('brands') }}

),

renamed as (

    select
        source.source_system,
        source.referral_id,
        source.brand_id,
        source.referred_at,
        source.account_id,
        source.card_id,
        source.contact_id,
        {{ normalise_email('source.email') }} as email,
        {{ normalise_phone('source.phone', 'brands.calling_code') }} as phone,
        {{ normalise_email('source.friend_email') }} as friend_email,
        source.friend_account_id,
        source.order_id,
        source._delivered_on as delivered_on,
        source._load_id as load_id
    from source
    left join brands on source.brand_id = brands.brand_id
    where {{ known_by_as_of('source.referred_at') }}

)

select * from renamed
