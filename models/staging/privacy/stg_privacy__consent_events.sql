{# Grain: one row per consent event. #}
with source as (

    select * from {{ source('privacy', 'consent_events') }}

),

brands as (

    select * from {{ ref('brands') }}

),

renamed as (

    select
        source.source_system,
        source.event_id,
        source.brand_id,
        source.occurred_at,
        source.purpose,
        source.channel,
        source.decision,
        source.account_id,
        source.card_id,
        source.contact_id,
        {{ normalise_email('source.email') }} as email,
        {{ normalise_phone('source.phone', 'brands.calling_code') }} as phone,
        source.text_version,
        source._delivered_on as delivered_on,
        source._load_id as load_id
    from source
    left join brands on source.brand_id = brands.brand_id
    where {{ known_by_as_of('source.occurred_at') }}

)

select * from renamed
