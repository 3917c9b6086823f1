{#
    Grain: one row per segment in force, with or without members. A segment that is a model tells
    of itself in the meta of its config; what it does not tell is said by its kind.
#}
{{ config(materialized='table') }}

with kinds as (

    select * from {{ ref('segment_kinds') }}

),

stages as (

    select * from {{ ref('lifecycle_stages') }}

),

rfm_segments as (

    select rfm_segment
    from {{ ref('rfm_segments') }}
    group by rfm_segment

),

rules as (

    select * from {{ ref('rules') }} where status = 'in_force'

),

segments as (

    select
        'lifecycle_' || stage as segment_id,
        title,
        'lifecycle' as kind,
        cast(null as varchar) as owner,
        cast(null as varchar) as channels,
        cast(null as varchar) as suggested_action,
        cast(null as double) as largest_daily_change,
        cast(null as varchar) as rule,
        cast(null as date) as valid_from,
        cast(null as date) as valid_until
    from stages
    union all
    select
        'rfm_' || rfm_segment as segment_id,
        'RFM: ' || replace(rfm_segment, '_', ' ') as title,
        'rfm' as kind,
        cast(null as varchar) as owner,
        cast(null as varchar) as channels,
        cast(null as varchar) as suggested_action,
        cast(null as double) as largest_daily_change,
        null as rule,
        null as valid_from,
        null as valid_until
    from rfm_segments
    {%- for segment in described_segments() %}
    union all
    select
        '{{ segment.segment_id }}' as segment_id,
        '{{ segment.title }}' as title,
        '{{ segment.kind }}' as kind,
        '{{ segment.owner }}' as owner,
        '{{ segment.channels }}' as channels,
        '{{ segment.suggested_action }}' as suggested_action,
        cast({{ segment.largest_daily_change }} as double) as largest_daily_change,
        null as rule,
        null as valid_from,
        null as valid_until
    {%- endfor %}
    union all
    select
        segment_id,
        title,
        'rule' as kind,
        owner,
        channels,
        suggested_action,
        null as largest_daily_change,
        rule,
        cast(valid_from as date) as valid_from,
        cast(valid_until as date) as valid_until
    from rules

),

final as (

    select
        segments.segment_id,
        segments.title,
        segments.kind,
        coalesce(segments.owner, kinds.owner) as owner,
        string_split(coalesce(segments.channels, kinds.channels), ' ') as channels,
        segments.suggested_action,
        segments.rule,
        segments.valid_from,
        segments.valid_until,
        coalesce(segments.largest_daily_change, kinds.largest_daily_change)
            as largest_daily_change,
        kinds.smallest_size
    from segments
    left join kinds on segments.kind = kinds.kind

)

select * from final
