{#
    Grain: one row per identifier, with the customer that it belongs to.
    A customer is a connected component of conducting identifiers; the id is a keyed code of the
    founder, the identifier that was delivered first, then seen first. A merge keeps the older id,
    a split gives the newer part the id of its own founder back, and a rebuild from the same
    deliveries mints the same ids. A component of cookies alone is a visitor, not a customer.
    An increment solves the components again that were touched and writes what became different.
#}
{{ config(
    unique_key='node',
    pre_hook=[
        "{{ touched_components(ref('identity_identifiers'), ref('identity_edges')) }}",
        "{{ connected_components('component_edges') }}"
    ]
) }}
-- depends_on: {{ ref('identity_edges') }}

with identifiers as (

    select * from {{ ref('identity_identifiers') }}

),

members as (

    select * from component_members

),

labels as (

    select * from component_labels

),

components as (

    select
        identifiers.*,
        coalesce(labels.label, identifiers.node) as component
    from identifiers
    semi join members on identifiers.node = members.node
    left join labels on identifiers.node = labels.node
    where identifiers.status = 'conducting'

),

founders as (

    select
        component,
        node as founder_node,
        id_key as founder_key
    from components
    qualify row_number() over (
        partition by component order by delivered_on, first_seen_at, tier, id_type, id_value
    ) = 1

),

kinds as (

    select
        component,
        bool_or(id_type <> 'cookie') as is_person
    from components
    group by component

),

arrived as (

    select
        members.node,
        founders.founder_node,
        case
            when kinds.is_person
                then 'c' || left({{ keyed_hash("'customer:' || founders.founder_key") }}, 19)
        end as customer_id,
        cast([] as varchar[]) as former_customer_ids,
        {{ this_load() }} as load_id
    from members
    left join components on members.node = components.node
    left join founders on components.component = founders.component
    left join kinds on components.component = kinds.component

),

standing as (

    {{ standing_rows('arrived') }}

),

final as (

    select
        arrived.node,
        arrived.founder_node,
        arrived.customer_id,
        case
            when standing.customer_id <> coalesce(arrived.customer_id, '')
                then list_distinct(list_append(standing.former_customer_ids, standing.customer_id))
            else coalesce(standing.former_customer_ids, arrived.former_customer_ids)
        end as former_customer_ids,
        arrived.load_id
    from arrived
    left join standing on arrived.node = standing.node
    where
        standing.node is null
        or arrived.founder_node is distinct from standing.founder_node
        or arrived.customer_id is distinct from standing.customer_id

)

select * from final
