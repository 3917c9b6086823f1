{#
    The SQL of a segment of those who stopped for one main reason (seeds/inactivity_reasons):
    all of them are told apart by the same evidence, so that the rule stands once. They entered
    with the stage that they are in.
    Args: reason, the reason as the seed names it.
#}
{% macro reactivation(reason) -%}
with customers as (

    {{ segment_base() }}

),

lifecycle as (

    select * from {{ ref('customer_lifecycle') }}

),

reasons as (

    select * from {{ ref('customer_inactivity_reasons') }} where reason_rank = 1

),

evidence as (

    select
        customers.customer_id,
        lifecycle.stage,
        lifecycle.stage_since,
        lifecycle.days_since_order,
        reasons.reason as main_reason,
        reasons.evidence_count,
        reasons.last_evidence_at,
        reasons.evidence
    from customers
    left join lifecycle on customers.customer_id = lifecycle.customer_id
    left join reasons on customers.customer_id = reasons.customer_id

),

final as (

    select
        customer_id,
        stage_since as entered_at,
        stage,
        days_since_order,
        main_reason,
        evidence_count,
        last_evidence_at,
        evidence
    from evidence
    where main_reason = '{{ reason }}'

)

select * from final
{%- endmacro %}
