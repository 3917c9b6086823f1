{#
    Grain: one row per pair of tied identifiers that may not join, since the two sides together
    would hold more accounts, cards, e-mails or phones than a customer may (max_holders in
    seeds/identity_rules), or since a person decided so (seeds/identity_overrides).
    The ties of a component that breaks a limit are taken in order: the stronger type first, then
    more records, then the more recent one. What is refused depends on nothing else, so that the
    same records end in the same customers however they arrived.
    All of them are decided again in every build: they are few.
#}
{{ config(
    materialized='table',
    pre_hook=[
        "{{ limits_to_keep(ref('identity_components'), ref('identity_identifiers'), "
        "ref('identity_links'), ref('identity_edges')) }}",
        "{{ refused_edges('cut_links', 'cut_limits', 'cut_apart', 'cut_joined') }}"
    ]
) }}
-- depends_on: {{ ref('identity_components') }}
-- depends_on: {{ ref('identity_identifiers') }}
-- depends_on: {{ ref('identity_links') }}
-- depends_on: {{ ref('identity_edges') }}

with refused as (

    select * from refused_edges

),

links as (

    select * from cut_links

),

final as (

    select
        refused.node_a,
        refused.node_b,
        refused.rule,
        refused.most,
        refused.held_a,
        refused.held_b,
        links.record_count
    from refused
    inner join links on refused.node_a = links.node_a and refused.node_b = links.node_b

)

select * from final
