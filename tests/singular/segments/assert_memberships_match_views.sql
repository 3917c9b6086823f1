{#
    segments.memberships holds the members of every segment view, only segments of the catalogue,
    and nobody who asked to be forgotten. A failing row is a segment with the number of members in
    memberships that is wrong, and what is wrong with it.
#}
{{ config(meta={'dagster': {'ref': {'name': 'memberships'}}}) }}

with memberships as (

    select
        memberships.segment_id,
        count(*) as member_count,
        count(*) filter (where customers.erasure_requested_at is not null) as forgotten_count
    from {{ ref('memberships') }} as memberships
    left join {{ ref('customers') }} as customers
        on memberships.customer_id = customers.customer_id
    group by memberships.segment_id

),

views as (

    {%- for segment in segment_models() %}
    select
        '{{ segment }}' as segment_id,
        count(*) as member_count
    from {{ ref('seg_' ~ segment) }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}

)

select
    views.segment_id,
    'the view has other members' as problem,
    coalesce(memberships.member_count, 0) as member_count
from views
left join memberships on views.segment_id = memberships.segment_id
where views.member_count <> coalesce(memberships.member_count, 0)
union all
select
    segment_id,
    'not in the catalogue' as problem,
    member_count
from memberships
anti join {{ ref('catalog') }} as segments on memberships.segment_id = segments.segment_id
union all
select
    segment_id,
    'asked to be forgotten' as problem,
    forgotten_count as member_count
from memberships
where forgotten_count > 0
