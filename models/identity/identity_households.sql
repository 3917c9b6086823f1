{#
    Grain: one row per customer who lives with others, as far as records tell: they share a phone,
    an e-mail or a device without being one person. A household never merges its customers.
    Its id is a keyed code of the customer who was known first. More than household_max_customers
    are no household but people who happen to be tied, and are left out.
    All of them are found again in every build: what is shared is little.
#}
{{ config(
    materialized='table',
    pre_hook=[
        "{{ household_ties(ref('identity_identifiers'), ref('identity_edges'), "
        "ref('identity_clusters'), ref('identity_rules')) }}",
        "{{ connected_components('household_ties') }}"
    ]
) }}
-- depends_on: {{ ref('identity_edges') }}
-- depends_on: {{ ref('identity_rules') }}

with evidence as (

    select * from household_evidence

),

labels as (

    select * from component_labels

),

identifiers as (

    select * from {{ ref('identity_identifiers') }}

),

clusters as (

    select * from {{ ref('identity_clusters') }}

),

reasons as (

    select
        founder_node,
        list_sort(list(distinct evidence)) as evidence
    from evidence
    group by founder_node

),

members as (

    select
        reasons.founder_node,
        reasons.evidence,
        clusters.customer_id,
        labels.label,
        identifiers.delivered_on,
        identifiers.first_seen_at,
        count(*) over (partition by labels.label) as customer_count
    from reasons
    inner join labels on reasons.founder_node = labels.node
    inner join clusters on reasons.founder_node = clusters.node
    inner join identifiers on reasons.founder_node = identifiers.node

),

homes as (

    select
        *,
        first_value(founder_node) over (
            partition by label order by delivered_on, first_seen_at, founder_node
        ) as home_node
    from members
    where customer_count between 2 and {{ var("household_max_customers") }}

),

final as (

    select
        customer_id,
        'h' || left({{ keyed_hash("'household:' || home_node") }}, 19) as household_id,
        customer_count,
        evidence
    from homes

)

select * from final
