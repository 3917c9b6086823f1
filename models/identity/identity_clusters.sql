{#
    Grain: one row per identifier, with the customer that it belongs to.
    A customer is a connected component of conducting identifiers, without the merges that were
    refused; the id is a keyed code of the founder, the identifier that was delivered first, then
    seen first. A merge keeps the older id, a split gives the newer part the id of its own founder
    back, and a rebuild from the same deliveries mints the same ids; that of a customer who was
    erased is never minted again. A component of devices alone is a visitor, not a customer.
    An increment looks at the components that were touched and writes what became different.
#}
{{ config(
    unique_key='node',
    pre_hook=[
        "{{ ties_left(ref('identity_components'), ref('identity_edges'), "
        "ref('identity_decisions'), ref('identity_refused_merges')) }}",
        "{{ connected_components('ties_left') }}"
    ]
) }}
-- depends_on: {{ ref('identity_edges') }}
-- depends_on: {{ ref('identity_decisions') }}
-- depends_on: {{ ref('identity_refused_merges') }}

with identifiers as (

    select * from {{ ref('identity_identifiers') }}

),

rules as (

    select * from {{ ref('identity_rules') }}

),

members as (

    select * from {{ ref('identity_components') }} where {{ newly_loaded() }}

),

labels as (

    select * from component_labels

),

erased as (

    select * from {{ source('registry', 'erased_customers') }}

),

clusters as (

    select
        identifiers.node,
        identifiers.id_type,
        identifiers.tier,
        identifiers.delivered_on,
        identifiers.first_seen_at,
        case
            when members.breaks_a_limit then coalesce(labels.label, members.node)
            else members.component
        end as part
    from members
    inner join identifiers on members.node = identifiers.node
    left join labels on members.node = labels.node
    where members.component is not null

),

founders as (

    select
        part,
        node as founder_node,
        {{ minted_customer_id("node") }} as minted_id
    from clusters
    qualify row_number() over (
        partition by part order by delivered_on, first_seen_at, tier, node
    ) = 1

),

kinds as (

    select
        clusters.part,
        bool_or(rules.is_person) as is_person
    from clusters
    inner join rules on clusters.id_type = rules.id_type
    group by clusters.part

),

arrived as (

    select
        members.node,
        founders.founder_node,
        case
            when kinds.is_person
                then coalesce(erased.successor_id, founders.minted_id)
        end as customer_id,
        cast([] as varchar[]) as former_customer_ids,
        {{ this_load() }} as load_id
    from members
    left join clusters on members.node = clusters.node
    left join founders on clusters.part = founders.part
    left join kinds on clusters.part = kinds.part
    left join erased on founders.minted_id = erased.customer_id

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
