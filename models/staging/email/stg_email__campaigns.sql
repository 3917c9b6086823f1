{# Grain: one row per campaign and version. #}
with source as (

    select * from {{ source('email', 'campaigns') }}

),

renamed as (

    select
        source_system,
        campaign_id,
        brand_id,
        name,
        channel,
        started_at,
        ended_at,
        coalesce(updated_at, started_at) as version_at,
        _delivered_on as delivered_on,
        _load_id as load_id
    from source
    where {{ known_by_as_of('coalesce(updated_at, started_at)') }}

)

select * from renamed
