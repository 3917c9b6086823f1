{#
    Grain: one row per pair of identifiers that a source record holds together, lower node first.
    Per record the strongest identifier is the hub of a star: k - 1 edges, never k squared.
    A test record joins nobody.
#}
with sightings as (

    select * from {{ ref('entity_identifier_sightings') }}

),

tests as (

    select record_key from {{ ref('entity_profiles') }} where is_test

),

conducting as (

    select * from {{ ref('identity_identifiers') }} where status = 'conducting'

),

record_nodes as (

    select
        sightings.record_key,
        conducting.node,
        first_value(conducting.node) over (
            partition by sightings.record_key order by conducting.tier, conducting.node
        ) as hub
    from sightings
    inner join conducting
        on sightings.id_type = conducting.id_type and sightings.id_value = conducting.id_value
    anti join tests on sightings.record_key = tests.record_key

),

edges as (

    select
        least(hub, node) as node_a,
        greatest(hub, node) as node_b,
        count(*) as record_count
    from record_nodes
    where hub <> node
    group by least(hub, node), greatest(hub, node)

)

select * from edges
