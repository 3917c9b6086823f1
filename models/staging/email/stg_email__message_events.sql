{# Grain: one row per event. #}
with source as (

    select * from {{ source('email', 'message_events') }}

),

renamed as (

    select
        source_system,
        event_id,
        message_id,
        event_type,
        occurred_at,
        detail,
        _delivered_on as delivered_on,
        _load_id as load_id
    from source
    where {{ known_by_as_of('occurred_at') }}

)

select * from renamed
