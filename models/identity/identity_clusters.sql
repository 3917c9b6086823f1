{#
    Grain: one row per identifier, with the customer that it belongs to.
    A customer is a connected component of conducting identifiers, without the merges that were
    refused; the id is a keyed code of the founder, the identifier that was delivered first, then
    seen first. A merge keeps the older id, a split gives the newer part the id of its own founder
    back, and a rebuild from the same deliveries mints the same ids; that of a customer who was
    erased is never minted again. A component of devices alone is a visitor, not a customer.
    An increment takes what stands of a component that only grew as its founder, looks at the rest
    of what was touched anew, and writes what became different.
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

with rules as (

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

{% if is_incremental() -%}
touched_parts as (

    select component
    from members
    where component is not null
    group by component

),

grown as (

    select
        standing.node,
        components.component as part,
        standing.founder_node,
        standing.customer_id
    from {{ ref('identity_components') }} as components
    inner join touched_parts on components.component = touched_parts.component
    inner join {{ this }} as standing on components.node = standing.node
    where not components.{{ newly_loaded() }}

),

grown_founders as (

    select
        part,
        founder_node
    from grown
    group by part, founder_node

),
{%- endif %}

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
    inner join {{ ref('identity_identifiers') }} as identifiers on members.node = identifiers.node
    left join labels on members.node = labels.node
    where members.component is not null

),

candidates as (

    select
        part,
        node,
        tier,
        delivered_on,
        first_seen_at
    from clusters
    {%- if is_incremental() %}
    union all
    select
        grown_founders.part,
        identifiers.node,
        identifiers.tier,
        identifiers.delivered_on,
        identifiers.first_seen_at
    from grown_founders
    inner join {{ ref('identity_identifiers') }} as identifiers
        on grown_founders.founder_node = identifiers.node
    {%- endif %}

),

founders as (

    select
        part,
        node as founder_node,
        {{ minted_customer_id("node") }} as minted_id
    from candidates
    qualify row_number() over (
        -- A decision of people (tier 0) does not rename the customer that it is about.
        partition by part order by delivered_on, first_seen_at, tier = 0, tier, node
    ) = 1

),

kinds as (

    select
        clusters.part,
        bool_or(rules.is_person) as is_person
    from clusters
    inner join rules on clusters.id_type = rules.id_type
    group by clusters.part
    {%- if is_incremental() %}
    union all
    select
        part,
        bool_or(customer_id is not null) as is_person
    from grown
    group by part
    {%- endif %}

),

parts as (

    select
        founders.part,
        founders.founder_node,
        case
            when bool_or(kinds.is_person)
                then coalesce(min(erased.successor_id), founders.minted_id)
        end as customer_id
    from founders
    inner join kinds on founders.part = kinds.part
    left join erased on founders.minted_id = erased.customer_id
    group by founders.part, founders.founder_node, founders.minted_id

),

nodes as (

    select
        members.node,
        clusters.part
    from members
    left join clusters on members.node = clusters.node
    {%- if is_incremental() %}
    union all
    select
        node,
        part
    from grown
    {%- endif %}

),

arrived as (

    select
        nodes.node,
        parts.founder_node,
        parts.customer_id,
        cast([] as varchar[]) as former_customer_ids,
        {{ this_load() }} as load_id
    from nodes
    left join parts on nodes.part = parts.part

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
