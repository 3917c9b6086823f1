{#
    Grain: one row per identifier, with the connected component that it is in: all that is tied to
    it, over however many records. A component holds one customer, unless it breaks a limit: then
    identity.refused_merges says where it is cut.
    A component bears the lowest number of its nodes. An increment joins the components that new
    ties lead between, solves those again in which something was taken away, and writes what became
    different.
#}
{{ config(
    unique_key='node',
    pre_hook=[
        "{{ touched_components(ref('identity_identifiers'), ref('identity_edges'), "
        "ref('identity_decisions')) }}",
        "{{ connected_components('component_ties') }}"
    ]
) }}
-- depends_on: {{ ref('identity_edges') }}

with identifiers as (

    select * from {{ ref('identity_identifiers') }}

),

rules as (

    select * from {{ ref('identity_rules') }}

),

decisions as (

    select * from {{ ref('identity_decisions') }} where link = 'cannot'

),

labels as (

    select * from component_labels

),

{% if is_incremental() -%}
members as (

    select
        identifiers.node,
        identifiers.id_type,
        identifiers.status,
        identifiers.limited_as,
        identifiers.holder,
        members.stands_for,
        members.is_to_write,
        members.standing_component,
        members.standing_breaks_a_limit
    from component_members as members
    inner join identifiers on members.node = identifiers.node

),
{%- else -%}
members as (

    select
        node,
        id_type,
        status,
        limited_as,
        holder,
        node as stands_for,
        true as is_to_write,
        cast(null as bigint) as standing_component,
        cast(null as boolean) as standing_breaks_a_limit
    from identifiers

),
{%- endif %}

labelled as (

    select
        members.node,
        members.id_type,
        members.limited_as,
        members.holder,
        case
            when members.status = 'conducting' then coalesce(labels.label, members.stands_for)
        end as component,
        members.is_to_write,
        members.standing_component,
        members.standing_breaks_a_limit
    from members
    left join labels on members.stands_for = labels.node

),

crowded as (

    select labelled.component
    from labelled
    inner join rules on labelled.id_type = rules.id_type
    where labelled.component is not null and labelled.limited_as is not null
    group by labelled.component, labelled.limited_as, rules.max_holders
    having count(distinct labelled.holder) > rules.max_holders

),

kept_apart as (

    select left_end.component
    from decisions
    inner join labelled as left_end on decisions.node_a = left_end.node
    inner join labelled as right_end on decisions.node_b = right_end.node
    where left_end.component = right_end.component

),

to_cut as (

    select component from crowded
    union
    select component from kept_apart

),

final as (

    select
        labelled.node,
        labelled.component,
        to_cut.component is not null as breaks_a_limit,
        {{ this_load() }} as load_id
    from labelled
    left join to_cut on labelled.component = to_cut.component
    where
        labelled.is_to_write
        or labelled.component is distinct from labelled.standing_component
        or labelled.standing_breaks_a_limit
        or to_cut.component is not null

)

select * from final
