{#
    Grain: one row per source record that holds an identifier, with the customer of its hub, the
    strongest conducting identifier; NULL when it has none, as a guest's order at a kiosk has.
    An increment writes only the records whose customer is another than before.
#}
{{ config(unique_key='record_key') }}

with sightings as (

    select * from {{ ref('entity_identifier_sightings') }}

),

edges as (

    select * from {{ ref('identity_edges') }}

),

identifiers as (

    select * from {{ ref('identity_identifiers') }}

),

clusters as (

    select * from {{ ref('identity_clusters') }}

),

{% if is_incremental() -%}
solved_again as (

    select * from clusters where {{ newly_loaded() }}

),

touched_records as (

    select record_key from edges where {{ newly_loaded() }}
    union
    select edges.record_key
    from edges
    semi join solved_again on edges.hub_node = solved_again.node

),

touched_edges as (

    select edges.*
    from edges
    semi join touched_records on edges.record_key = touched_records.record_key

),
{%- else -%}
touched_edges as (

    select * from edges

),
{%- endif %}

hubs as (

    select
        record_key,
        max(hub_node) as hub_node
    from touched_edges
    group by record_key

),

names as (

    select
        sightings.record_key,
        min(sightings.source_system) as source_system,
        min(sightings.source_entity) as source_entity,
        min(sightings.source_record_id) as source_record_id
    from sightings
    semi join hubs on sightings.record_key = hubs.record_key
    group by sightings.record_key

),

arrived as (

    select
        names.record_key,
        names.source_system,
        names.source_entity,
        names.source_record_id,
        clusters.customer_id,
        case when clusters.customer_id is not null then identifiers.id_type end as attached_by,
        {{ this_load() }} as load_id
    from names
    inner join hubs on names.record_key = hubs.record_key
    left join clusters on hubs.hub_node = clusters.node
    left join identifiers on hubs.hub_node = identifiers.node

),

standing as (

    {{ standing_rows('arrived') }}

),

final as (

    select arrived.*
    from arrived
    left join standing on arrived.record_key = standing.record_key
    where
        standing.record_key is null
        or arrived.customer_id is distinct from standing.customer_id
        or arrived.attached_by is distinct from standing.attached_by

)

select * from final
