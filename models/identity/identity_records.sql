{#
    Grain: one row per source record that holds an identifier, with the customer of its strongest
    conducting identifier; NULL when it has none, as a guest's order at a kiosk has.
#}
with sightings as (

    select * from {{ ref('entity_identifier_sightings') }}

),

identifiers as (

    select * from {{ ref('identity_identifiers') }}

),

clusters as (

    select * from {{ ref('identity_clusters') }}

),

candidates as (

    select
        sightings.record_key,
        sightings.source_system,
        sightings.source_entity,
        sightings.source_record_id,
        clusters.customer_id,
        identifiers.id_type,
        identifiers.tier,
        identifiers.node
    from sightings
    left join identifiers
        on sightings.id_type = identifiers.id_type and sightings.id_value = identifiers.id_value
    left join clusters on identifiers.node = clusters.node

),

strongest as (

    select
        record_key,
        source_system,
        source_entity,
        source_record_id,
        customer_id,
        case when customer_id is not null then id_type end as attached_by
    from candidates
    qualify row_number() over (
        partition by record_key
        order by customer_id is null, tier nulls last, node nulls last
    ) = 1

)

select * from strongest
