{#
    Grain: one row per pair of hubs that people decided about, by records that are known by them
    (seeds/identity_overrides). Records of one hub cannot be kept apart, and a pair that is both
    joined and kept apart fails the test of the grain.
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

hubs as (

    select edges.*
    from {{ ref('identity_edges') }} as edges
    semi join decided on edges.record_key = decided.record_key
    where edges.node = edges.hub_node

),

final as (

    select
        overrides.link,
        left_hubs.node as node_a,
        right_hubs.node as node_b
    from overrides
    inner join hubs as left_hubs on overrides.left_record = left_hubs.record_key
    inner join hubs as right_hubs on overrides.right_record = right_hubs.record_key
    where left_hubs.node <> right_hubs.node
    group by overrides.link, left_hubs.node, right_hubs.node

)

select * from final
