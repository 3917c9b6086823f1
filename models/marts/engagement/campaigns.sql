{# Grain: one row per campaign. #}
{{ config(materialized='view') }}

with campaigns as (

    select * from {{ ref('entity_campaigns') }}

),

final as (

    select
        campaign_key as campaign_id,
        brand_id,
        name,
        channel,
        started_at,
        ended_at
    from campaigns

)

select * from final
