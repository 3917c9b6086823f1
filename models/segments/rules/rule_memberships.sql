{#
    Grain: one row per member of a segment that is a rule in force. All rules are asked in one pass
    over rule_inputs: the names of those that hold for a customer are written beside each other and
    taken apart again, which is twice as fast as a query for each rule, and three times as fast as
    a list.
#}
{{ config(materialized='table', post_hook="{{ rule_segment_views() }}") }}
-- depends_on: {{ ref('rules') }}
{%- set rules = rules_in_force() %}

with rule_inputs as (

    select * from {{ ref('rule_inputs') }}

),

members as (

    select
        customer_id,
        unnest(string_split(concat_ws(
            ','
            {%- for rule in rules %},
            case when {{ rule.expression }} then '{{ rule.segment_id }}' end
            {%- endfor %}
            {%- if not rules %},
            null
            {%- endif %}
        ), ',')) as segment_id
    from rule_inputs

),

final as (

    select
        segment_id,
        customer_id
    from members
    where segment_id <> ''

)

select * from final
