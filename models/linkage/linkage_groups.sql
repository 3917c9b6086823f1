{#
    Grain: one row per customer that is linked to others. A group is a connected component of
    links, and bears the id of its oldest customer, by the order that makes a founder in
    identity.clusters: delivered first, then seen first.
#}
{{ config(
    pre_hook=[
        "{{ link_ties(ref('linkage_scored_pairs'), ref('identity_clusters')) }}",
        "{{ connected_components('link_ties') }}"
    ]
) }}
-- depends_on: {{ ref('linkage_scored_pairs') }}

with labels as (

    select * from component_labels

),

clusters as (

    select * from {{ ref('identity_clusters') }}

),

identifiers as (

    select * from {{ ref('identity_identifiers') }}

),

members as (

    select
        clusters.customer_id,
        labels.label,
        identifiers.delivered_on,
        identifiers.first_seen_at,
        identifiers.tier,
        identifiers.node
    from labels
    inner join clusters on labels.node = clusters.node
    inner join identifiers on labels.node = identifiers.node

),

final as (

    select
        customer_id,
        first_value(customer_id) over (
            partition by label order by delivered_on, first_seen_at, tier = 0, tier, node
        ) as customer_id_linked,
        count(*) over (partition by label) as customer_count
    from members

)

select * from final
