{#
    Grain: one row per customer who may be in a segment. All that the rules in force ask of a
    customer, and nothing else: columns of customer_360, measures, other segments. So customer_360
    and each source of measures are read once, however many rules there are.
    Its columns follow the rules; therefore it has no contract.
#}
{{ config(materialized='table', contract={'enforced': false}) }}
{# Its loops have no round when the style is checked, which then counts their lines wrongly. #}
-- noqa: disable=LT02
-- depends_on: {{ ref('rules') }}, {{ ref('customers') }}, {{ ref('customer_lifecycle') }}
{%- for segment in segment_models() -%}
    {%- do ref('seg_' ~ segment) -%}
{%- endfor -%}
{%- set sources = measure_sources() -%}
{%- set columns = ['customer_id'] -%}
{%- set measures = {} -%}
{%- set segments = [] -%}
{%- for rule in rules_in_force() -%}
    {%- for column in rule.used_columns if column not in columns -%}
        {%- do columns.append(column) -%}
    {%- endfor -%}
    {%- for measure in rule.measures -%}
        {%- do measures.update({measure.name: measure}) -%}
    {%- endfor -%}
    {%- for segment in rule.asked_segments if segment not in segments -%}
        {%- do segments.append(segment) -%}
    {%- endfor -%}
{%- endfor -%}
{%- set measures = measures.values() | sort(attribute='name') -%}
{%- set used_sources = measures | map(attribute='source') | unique | list %}

with customers as (

    select {{ columns | join(', ') }}
    from {{ ref('customer_360') }}
    where erasure_requested_at is null

),
{%- for source in used_sources %}

{{ source }} as (

    {{ sources[source] }}

),
{%- set own = measures | selectattr('source', 'equalto', source) | list %}
{%- if source == 'order_lines' %}

-- An order counts once, however many of its lines are meant.
order_parts as (

    select
        customer_id,
        order_id,
        ordered_at,
        ordered_on
        {%- for measure in own %},
        {{ measure.step }} as {{ measure.name }}
        {%- endfor %}
    from order_lines
    group by customer_id, order_id, ordered_at, ordered_on

),
{%- endif %}

measures_of_{{ source }} as (

    select
        customer_id
        {%- for measure in own %},
        {{ measure.aggregate }} as {{ measure.name }}
        {%- endfor %}
    from {{ 'order_parts' if source == 'order_lines' else source }}
    group by customer_id

),
{%- endfor %}

members as (

    select
        cast(null as varchar) as segment_id,
        cast(null as varchar) as customer_id
    where false
    {%- for segment in segments | sort %}
    {%- set kind, _, name = segment.partition('_') %}
    union all
    select
        '{{ segment }}' as segment_id,
        customer_id
    from {{ {
        'lifecycle': ref('customer_lifecycle') ~ " where stage = '" ~ name ~ "'",
        'rfm': ref('customers') ~ " where rfm_segment = '" ~ name ~ "'"
    }[kind] or ref('seg_' ~ segment) }}
    {%- endfor %}

),

segment_lists as (

    select
        customer_id,
        list(segment_id order by segment_id) as segment_ids
    from members
    group by customer_id

),

final as (

    select
        customers.*
        {%- for measure in measures %},
        coalesce(
            measures_of_{{ measure.source }}.{{ measure.name }}, {{ measure.default or 'null' }}
        ) as {{ measure.name }}
        {%- endfor %},
        coalesce(segment_lists.segment_ids, cast([] as varchar[])) as segment_ids
    from customers
    {%- for source in used_sources %}
    left join
        measures_of_{{ source }}
        on customers.customer_id = measures_of_{{ source }}.customer_id
    {%- endfor %}
    left join segment_lists on customers.customer_id = segment_lists.customer_id

)

select * from final
