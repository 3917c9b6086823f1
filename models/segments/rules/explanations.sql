{#
    Grain: one row per segment, customer and condition of the segment, also for customers who are
    not in: who passes all of them is a member. For rules they are what was compiled, for models
    what the `where` of their last step asks (orchestration/segments/explanations.py).
    Ask for one customer or one segment: all of it is every condition of everybody.
#}
{{ config(materialized='view') }}
-- depends_on: {{ ref('lifecycle_stages') }}, {{ ref('rfm_segments') }}, {{ ref('rules') }}
{%- for segment in segment_models() -%}
    {%- do ref('seg_' ~ segment) -%}
{%- endfor -%}
{%- set rules = rules_in_force() %}
{%- set names = rules | map(attribute='segment_id') | list %}
{%- set known = explained_segments() %}

with customers as (

    {{ segment_base() }}

),

lifecycle as (

    select * from {{ ref('customer_lifecycle') }}

),

rule_inputs as (

    select * from {{ ref('rule_inputs') }}

),

stages as (

    select unnest(cast({{ known.stages or '[]' }} as varchar[])) as stage

),

rfm_segments as (

    select unnest(cast({{ known.rfm_segments or '[]' }} as varchar[])) as rfm_segment

),

rules as (

    select unnest(cast({{ names }} as varchar[])) as segment_id

),

asked as (

    select
        rules.segment_id,
        rule_inputs.customer_id,
        unnest(
            case rules.segment_id
                when '' then {{ condition_list([]) }}
                {%- for rule in rules %}
                when '{{ rule.segment_id }}' then {{ condition_list(rule.conditions) }}
                {%- endfor %}
            end
        ) as told
    from rule_inputs
    cross join rules
    {%- for segment in known.models %}
    union all
    select * from (
        {{ segment.steps }}
        select
            '{{ segment.segment_id }}' as segment_id,
            customer_id,
            unnest({{ condition_list(segment.conditions) }}) as told
        from {{ segment.source }}
    ) as {{ segment.segment_id }}
    {%- endfor %}

),

final as (

    select
        asked.segment_id,
        asked.customer_id,
        asked.told.condition_number,
        asked.told.condition,
        asked.told.value,
        asked.told.threshold,
        asked.told.passed
    from asked
    union all
    select
        'lifecycle_' || stages.stage as segment_id,
        customers.customer_id,
        1 as condition_number,
        'lifecycle_stage = ''' || stages.stage || '''' as condition,
        lifecycle.stage as value,
        stages.stage as threshold,
        coalesce(lifecycle.stage = stages.stage, false) as passed
    -- DuckDB keeps the view as text, in which a cross join before a left join is another question.
    from customers
    left join lifecycle on customers.customer_id = lifecycle.customer_id
    cross join stages
    union all
    select
        'rfm_' || rfm_segments.rfm_segment as segment_id,
        customers.customer_id,
        1 as condition_number,
        'rfm_segment = ''' || rfm_segments.rfm_segment || '''' as condition,
        customers.rfm_segment as value,
        rfm_segments.rfm_segment as threshold,
        coalesce(customers.rfm_segment = rfm_segments.rfm_segment, false) as passed
    from customers
    cross join rfm_segments

)

select * from final
