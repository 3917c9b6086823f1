{#
    Grain: one row per source record and identifier seen on it, with what it does there, and per
    decision of people that two records are one customer. Two records are one customer when a
    way leads from one to the other over rows that join: record, identifier, record, and so on.
    make explain walks it.
#}
{{ config(materialized='view') }}

with edges as (

    select * from {{ ref('identity_edges') }}

),

sightings as (

    select * from {{ ref('entity_identifier_sightings') }}

),

identifiers as (

    select * from {{ ref('identity_identifiers') }}

),

clusters as (

    select * from {{ ref('identity_clusters') }}

),

records as (

    select * from {{ ref('identity_records') }}

),

refused_merges as (

    select * from {{ ref('identity_refused_merges') }}

),

overrides as (

    select * from {{ ref('identity_overrides') }} where link = 'must'

),

hubs as (

    select
        edges.record_key,
        edges.hub_node
    from {{ ref('identity_edges') }} as edges
    semi join overrides on edges.record_key = overrides.right_record
    where edges.node = edges.hub_node

),

seen as (

    select
        edges.record_key,
        edges.node,
        case
            when edges.hub_node is null then false
            else refused_merges.node_a is null
        end as joins,
        case
            when edges.hub_node = edges.node then 'known by'
            when refused_merges.node_a is not null then 'refused'
            when edges.hub_node is not null then 'conducting'
            when sightings.last_seen_at < identifiers.conducts_since then 'expired'
            else identifiers.status
        end as standing,
        case
            when refused_merges.node_a is not null then refused_merges.reason
            when edges.hub_node is null and sightings.last_seen_at < identifiers.conducts_since
                then
                    'too long ago: it joins what was seen since '
                    || strftime(identifiers.conducts_since, '%Y-%m-%d')
            else identifiers.reason
        end as reason,
        sightings.first_seen_at,
        sightings.last_seen_at
    from edges
    inner join identifiers on edges.node = identifiers.node
    inner join sightings
        on
            edges.record_key = sightings.record_key
            and identifiers.id_type = sightings.id_type
            and identifiers.id_value = sightings.id_value
    left join refused_merges
        on
            least(edges.hub_node, edges.node) = refused_merges.node_a
            and greatest(edges.hub_node, edges.node) = refused_merges.node_b

),

decided as (

    select
        overrides.left_record as record_key,
        hubs.hub_node as node,
        true as joins,
        'decided' as standing,
        overrides.reason || ', ' || overrides.owner as reason,
        cast(overrides.decided_on as timestamp) as first_seen_at,
        cast(overrides.decided_on as timestamp) as last_seen_at
    from overrides
    inner join hubs on overrides.right_record = hubs.record_key

),

tied as (

    select * from seen
    union all
    select * from decided

),

final as (

    select
        tied.record_key,
        records.customer_id,
        tied.node,
        identifiers.id_type,
        identifiers.id_key,
        clusters.customer_id as identifier_customer_id,
        coalesce(clusters.founder_node = tied.node, false) as is_founder,
        tied.joins,
        tied.standing,
        tied.reason,
        tied.first_seen_at,
        tied.last_seen_at
    from tied
    inner join identifiers on tied.node = identifiers.node
    left join clusters on tied.node = clusters.node
    left join records on tied.record_key = records.record_key

)

select * from final
