{#
    The seeds of messages, texts, journeys and campaigns fit each other. A failing row is a row of a
    seed with what is wrong: a segment that does not exist; a message that is for no segment and no
    step, or for both; steps that do not count 1, 2, 3, or a first one that waits; texts of
    no message and no place on the site, or without one for everybody; an occasion or brand that
    nobody knows.
#}
{{ config(meta={'dagster': {'ref': {'name': 'message_candidates'}}}) }}

-- depends_on: {{ ref('message_candidates') }}
with segments as (

    select segment_id from {{ ref('catalog') }}

),

named_segments as (

    select
        'message ' || message_id as seed_row,
        segment_id
    from {{ ref('message_catalog') }}
    union all
    select
        'text ' || text_key as seed_row,
        segment_id
    from {{ ref('content_variants') }}
    union all
    select
        'journey ' || journey_id as seed_row,
        unnest([segment_id, exit_segment_id]) as segment_id
    from {{ ref('journeys') }}
    union all
    select
        'step ' || step_number || ' of ' || journey_id as seed_row,
        condition_segment_id as segment_id
    from {{ ref('journey_steps') }}
    union all
    select
        'campaign ' || campaign as seed_row,
        segment_id
    from {{ ref('campaign_plan') }}

),

steps as (

    select
        *,
        row_number() over (partition by journey_id order by step_number) as place
    from {{ ref('journey_steps') }}

),

texts as (

    select
        content_id,
        bool_or(segment_id is null) as is_for_everybody
    from {{ ref('content_variants') }}
    group by content_id

)

select
    named_segments.seed_row,
    'no segment ' || named_segments.segment_id as problem
from named_segments
anti join segments on named_segments.segment_id = segments.segment_id
where named_segments.segment_id is not null
union all
select
    'message ' || message_catalog.message_id as seed_row,
    'is for a segment or a step of a journey, for one of them' as problem
from {{ ref('message_catalog') }} as message_catalog
left join {{ ref('journey_steps') }} as journey_steps
    on message_catalog.message_id = journey_steps.message_id
where (message_catalog.segment_id is null) = (journey_steps.message_id is null)
union all
select
    'step ' || step_number || ' of ' || journey_id as seed_row,
    'steps count 1, 2, 3, and the first has no delay' as problem
from steps
where step_number <> place or (step_number = 1 and delay_days <> 0)
union all
select
    'text of ' || texts.content_id as seed_row,
    'is of a message or a place site_..., and has one for everybody' as problem
from texts
left join {{ ref('message_catalog') }} as message_catalog
    on texts.content_id = message_catalog.message_id
where
    not texts.is_for_everybody
    or (message_catalog.message_id is null and left(texts.content_id, 5) <> 'site_')
union all
select
    'campaign ' || campaign_plan.campaign as seed_row,
    'names a brand and, if any, an occasion that are known' as problem
from {{ ref('campaign_plan') }} as campaign_plan
left join {{ ref('brands') }} as brands on campaign_plan.brand_id = brands.brand_id
left join {{ ref('occasion_days') }} as occasion_days
    on campaign_plan.occasion = occasion_days.occasion and brands.country = occasion_days.country
where
    brands.brand_id is null
    or (campaign_plan.occasion is not null and occasion_days.occasion is null)
