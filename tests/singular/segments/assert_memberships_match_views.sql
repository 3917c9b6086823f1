{#
    segments.memberships holds the members of every segment view, with the moment that they
    entered, and nobody who asked to be forgotten. A failing row is a segment with the number of
    members that only the view or only memberships has, or that should be forgotten.
    The segments are taken from the project itself: one that memberships.sql does not list fails.
#}
{{ config(meta={'dagster': {'ref': {'name': 'memberships'}}}) }}

{%- set views = [] -%}
{%- if execute -%}
    {%- for node in graph.nodes.values() | sort(attribute='alias') -%}
        {%- if node.resource_type == 'model' and node.name.startswith('seg_') -%}
            {%- do views.append(node) -%}
        {%- endif -%}
    {%- endfor -%}
{%- endif %}

with memberships as (

    select * from {{ ref('memberships') }}

),

forgotten as (

    select customer_id from {{ ref('customers') }} where erasure_requested_at is not null

),

members_of_views as (

    {%- for view in views %}
    select
        '{{ view.alias }}' as segment_id,
        customer_id,
        entered_at
    from {{ view.relation_name }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}

),

members_of_list as (

    select
        segment_id,
        customer_id,
        entered_at
    from memberships
    where not regexp_matches(segment_id, '^(lifecycle|rfm)_')

),

differences as (

    select
        segment_id,
        'only in the view' as problem
    from (select * from members_of_views except select * from members_of_list)
    union all
    select
        segment_id,
        'only in memberships' as problem
    from (select * from members_of_list except select * from members_of_views)
    union all
    select
        memberships.segment_id,
        'asked to be forgotten' as problem
    from memberships
    semi join forgotten on memberships.customer_id = forgotten.customer_id

)

select
    segment_id,
    problem,
    count(*) as member_count
from differences
group by segment_id, problem
