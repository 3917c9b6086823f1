{#
    Grain: one row per customer and field of the golden record (pii.customers): where its value
    comes from and which criterion chose it, never the value itself.
#}
{{ config(materialized='view') }}

with golden as (

    select * from {{ ref('pii_customer_values') }} where is_golden

),

final as (

    select
        customer_id,
        field,
        method,
        source_system,
        source_entity,
        decided_by,
        observed_at,
        seen_count,
        candidate_count,
        is_conflict,
        expires_on
    from golden

)

select * from final
