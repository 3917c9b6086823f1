{# Grain: one row per message. #}
with source as (

    select * from {{ source('email', 'messages') }}

),

renamed as (

    select
        source_system,
        message_id,
        brand_id,
        campaign_id,
        contact_id,
        channel,
        department,
        sent_at,
        _delivered_on as delivered_on,
        _load_id as load_id
    from source
    where {{ known_by_as_of('sent_at') }}

)

select * from renamed
