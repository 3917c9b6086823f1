{#
    Grain: one row per pair of nodes that people decided about by records, in
    seeds/identity_overrides. Records that must be one join whom each is known by, its strongest
    identifier; those that cannot be are kept apart themselves, whatever both hold. A test record
    is nobody's, whatever was decided.
    All of them are looked up in every build: they are few.
#}
{{ config(materialized='table') }}

with overrides as (

    select * from {{ ref('identity_overrides') }}

),

decided as (

    select left_record as record_key from overrides
    union
    select right_record as record_key from overrides

),

held as (

    select
        edges.record_key,
        edges.node,
        identifiers.tier
    from {{ ref('identity_edges') }} as edges
    inner join {{ ref('identity_identifiers') }} as identifiers on edges.node = identifiers.node
    semi join decided on edges.record_key = decided.record_key
    where edges.hub_node is not null

),

ends as (

    select
        record_key,
        first(node order by tier = 0 asc, tier asc, node asc) as known_by,
        first(node order by tier asc, node asc) as itself
    from held
    group by record_key

),

final as (

    select
        overrides.link,
        case overrides.link when 'must' then left_ends.known_by else left_ends.itself end as node_a,
        case overrides.link when 'must' then right_ends.known_by else right_ends.itself end
            as node_b
    from overrides
    inner join ends as left_ends on overrides.left_record = left_ends.record_key
    inner join ends as right_ends on overrides.right_record = right_ends.record_key
    where left_ends.known_by <> right_ends.known_by or overrides.link = 'cannot'
    group by all

)

select * from final
