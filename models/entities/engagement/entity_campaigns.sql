{# Grain: one row per campaign of a system, its latest version. #}
{{ config(unique_key='campaign_key') }}

with campaigns as (

    select * from {{ ref('stg_email__campaigns') }} where {{ newly_loaded() }}

),

arrived as (

    select
        source_system || ':' || campaign_id as campaign_key,
        source_system,
        campaign_id,
        brand_id,
        name,
        channel,
        started_at,
        version_at,
        ended_at,
        load_id
    from campaigns

),

latest as (

    {{ latest_version('arrived', ['campaign_key']) }}

)

select * from latest
