{#
    Grain: one row per source record and identifier seen on it. The strongest conducting
    identifier of the record is the hub that the others are tied to: a star of k - 1 edges, never
    k squared. What does not conduct, or was seen too long ago, is tied to nothing,
    and a test record joins nobody.
    An increment writes only the rows whose hub is another than before.
#}
{{ config(unique_key=['record_key', 'node']) }}

with sightings as (

    select * from {{ ref('entity_identifier_sightings') }}

),

identifiers as (

    select * from {{ ref('identity_identifiers') }}

),

tests as (

    select record_key from {{ ref('entity_profiles') }} where is_test

),

{% if is_incremental() -%}
judged_again as (

    select * from identifiers where {{ newly_loaded() }}

),

touched_records as (

    select record_key from sightings where {{ newly_loaded() }}
    union
    select record_key from {{ ref('entity_profiles') }} where {{ newly_loaded() }}
    union
    select sightings.record_key
    from sightings
    semi join judged_again
        on
            sightings.id_type = judged_again.id_type
            and sightings.id_value = judged_again.id_value

),

touched_sightings as (

    select sightings.*
    from sightings
    semi join touched_records on sightings.record_key = touched_records.record_key

),
{%- else -%}
touched_sightings as (

    select * from sightings

),
{%- endif %}

seen as (

    select
        touched_sightings.record_key,
        identifiers.node,
        identifiers.tier,
        identifiers.status = 'conducting'
        and tests.record_key is null
        and coalesce(touched_sightings.last_seen_at >= identifiers.conducts_since, true)
            as conducts
    from touched_sightings
    inner join identifiers
        on
            touched_sightings.id_type = identifiers.id_type
            and touched_sightings.id_value = identifiers.id_value
    left join tests on touched_sightings.record_key = tests.record_key

),

arrived as (

    select
        record_key,
        node,
        case
            when conducts
                then first_value(node) over (
                    partition by record_key order by conducts desc, tier asc, node asc
                )
        end as hub_node,
        {{ this_load() }} as load_id
    from seen

),

standing as (

    {{ standing_rows('arrived') }}

),

final as (

    select arrived.*
    from arrived
    left join standing
        on arrived.record_key = standing.record_key and arrived.node = standing.node
    where
        standing.record_key is null
        or arrived.hub_node is distinct from standing.hub_node

)

select * from final
