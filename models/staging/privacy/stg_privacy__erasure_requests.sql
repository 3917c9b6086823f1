{# Grain: one row per request. #}
with source as (

    select * from {{ source('privacy', 'erasure_requests') }}

),

renamed as (

    select
        source_system,
        request_id,
        requested_at,
        account_id,
        card_id,
        {{ normalise_email('email') }} as email,
        {{ normalise_phone('phone', 'null') }} as phone,
        _delivered_on as delivered_on,
        _load_id as load_id
    from source
    where {{ known_by_as_of('requested_at') }}

)

select * from renamed
