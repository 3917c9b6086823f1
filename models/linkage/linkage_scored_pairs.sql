{#
    Grain: one row per pair of customers that the linkage model found worth a look. A pair that
    weighs enough is linked under the rules of identity: nobody holds more accounts, cards, e-mails
    or phones than one customer may (seeds/identity_rules), and who is kept apart stays apart, also
    over others. The heavier links are taken first.
    A person who decides about a pair names record_a and record_b in seeds/identity_overrides.
#}
{{ config(
    pre_hook=[
        "{{ links_to_judge(ref('linkage_predictions'), ref('identity_identifiers'), "
        "ref('identity_clusters'), ref('identity_decisions'), ref('identity_refused_merges'), "
        "ref('identity_rules')) }}",
        "{{ refused_edges('link_edges', 'link_limits', 'link_apart', 'link_joined') }}"
    ]
) }}
-- depends_on: {{ ref('identity_identifiers') }}
-- depends_on: {{ ref('identity_clusters') }}
-- depends_on: {{ ref('identity_decisions') }}
-- depends_on: {{ ref('identity_refused_merges') }}
-- depends_on: {{ ref('identity_rules') }}

with predictions as (

    select * from {{ ref('linkage_predictions') }}

),

pairs as (

    select * from link_pairs

),

apart as (

    select * from link_apart

),

refused as (

    select * from refused_edges

),

customers as (

    select id_a as customer_id from predictions
    union
    select id_b as customer_id from predictions

),

known_by as (

    select
        records.customer_id,
        min(records.record_key) as record_key
    from {{ ref('identity_records') }} as records
    semi join customers on records.customer_id = customers.customer_id
    group by records.customer_id

),

final as (

    select
        predictions.id_a as customer_id_a,
        predictions.id_b as customer_id_b,
        predictions.match_weight,
        predictions.match_probability,
        predictions.link_weight,
        case
            when apart.rule is not null or refused.rule is not null then 'refused'
            else predictions.decision
        end as decision,
        coalesce(apart.rule, refused.rule, predictions.reason) as reason,
        refused.most,
        refused.held_a,
        refused.held_b,
        predictions.evidence,
        known_a.record_key as record_a,
        known_b.record_key as record_b,
        predictions.model_version
    from predictions
    inner join pairs on predictions.id_a = pairs.id_a and predictions.id_b = pairs.id_b
    inner join known_by as known_a on predictions.id_a = known_a.customer_id
    inner join known_by as known_b on predictions.id_b = known_b.customer_id
    left join apart
        on
            least(pairs.node_a, pairs.node_b) = apart.node_a
            and greatest(pairs.node_a, pairs.node_b) = apart.node_b
    left join refused on pairs.node_a = refused.node_a and pairs.node_b = refused.node_b

)

select * from final
