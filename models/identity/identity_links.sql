{#
    Grain: one row per record and pair of identifiers that it ties: its hub with each other
    conducting one; and one per decision that two records are one customer (seeds/
    identity_overrides), which ties the hubs of both.
#}
{{ config(materialized='view') }}

with edges as (

    select * from {{ ref('identity_edges') }} where hub_node is not null

),

overrides as (

    select * from {{ ref('identity_overrides') }} where link = 'must'

),

final as (

    select
        hub_node as node_a,
        node as node_b,
        record_key,
        false as is_manual
    from edges
    where hub_node <> node
    union all
    select
        left_edges.hub_node as node_a,
        right_edges.hub_node as node_b,
        cast(null as varchar) as record_key,
        true as is_manual
    from overrides
    inner join edges as left_edges on overrides.left_record = left_edges.record_key
    inner join edges as right_edges on overrides.right_record = right_edges.record_key
    where
        left_edges.hub_node = left_edges.node
        and right_edges.hub_node = right_edges.node
        and left_edges.hub_node <> right_edges.hub_node

)

select * from final
