{#
    Grain: one row per identifier, with the connected component that it is in: all that is tied to
    it, over however many records. A component holds one customer, unless it breaks a limit: then
    identity.refused_merges says where it is cut.
    An increment solves the components again that were touched, and writes all of each.
#}
{{ config(
    unique_key='node',
    pre_hook=[
        "{{ touched_components(ref('identity_identifiers'), ref('identity_edges'), "
        "ref('identity_links')) }}",
        "{{ connected_components('component_links') }}"
    ]
) }}
-- depends_on: {{ ref('identity_edges') }}
-- depends_on: {{ ref('identity_links') }}

with identifiers as (

    select * from {{ ref('identity_identifiers') }}

),

rules as (

    select * from {{ ref('identity_rules') }}

),

overrides as (

    select * from {{ ref('identity_overrides') }} where link = 'cannot'

),

edges as (

    select * from {{ ref('identity_edges') }} where node = hub_node

),

members as (

    select * from component_members

),

labels as (

    select * from component_labels

),

labelled as (

    select
        members.node,
        identifiers.id_type,
        identifiers.id_value,
        identifiers.holder,
        case
            when identifiers.status = 'conducting' then coalesce(labels.label, members.node)
        end as component
    from members
    left join identifiers on members.node = identifiers.node
    left join labels on members.node = labels.node

),

crowded as (

    select labelled.component
    from labelled
    inner join rules on labelled.id_type = rules.id_type
    where labelled.component is not null and rules.max_holders is not null
    group by
        labelled.component,
        labelled.id_type,
        case when rules.own_entity is not null then split_part(labelled.id_value, ':', 1) end,
        rules.max_holders
    having count(distinct labelled.holder) > rules.max_holders

),

kept_apart as (

    select left_end.component
    from overrides
    inner join edges as left_edges on overrides.left_record = left_edges.record_key
    inner join edges as right_edges on overrides.right_record = right_edges.record_key
    inner join labelled as left_end on left_edges.node = left_end.node
    inner join labelled as right_end on right_edges.node = right_end.node
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

)

select * from final
