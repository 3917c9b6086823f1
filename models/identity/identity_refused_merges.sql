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
        "ref('identity_edges'), ref('identity_decisions'), ref('identity_rules')) }}",
        "{{ refused_edges('cut_ties', 'cut_limits', 'cut_apart', 'cut_joined') }}"
    ]
) }}
-- depends_on: {{ ref('identity_components') }}
-- depends_on: {{ ref('identity_identifiers') }}
-- depends_on: {{ ref('identity_edges') }}
-- depends_on: {{ ref('identity_decisions') }}
-- depends_on: {{ ref('identity_rules') }}

with refused as (

    select * from refused_edges

),

ties as (

    select * from cut_ties

),

final as (

    select
        refused.node_a,
        refused.node_b,
        refused.rule,
        refused.most,
        refused.held_a,
        refused.held_b,
        ties.record_count,
        case
            when refused.rule = 'kept apart' then 'a person keeps them apart'
            else
                refused.rule || ': ' || refused.held_a || ' and ' || refused.held_b
                || ', at most ' || refused.most
        end as reason
    from refused
    inner join ties on refused.node_a = ties.node_a and refused.node_b = ties.node_b

)

select * from final
