{# Grain: one row per case of the customer service. #}
{{ config(materialized='view') }}

with cases as (

    select * from {{ ref('entity_cases') }}

),

records as (

    select * from {{ ref('identity_records') }}

),

final as (

    select
        cases.case_key as case_id,
        records.customer_id,
        cases.brand_id,
        cases.opened_at,
        cases.closed_at,
        cases.kind,
        cases.channel,
        cases.topic,
        cases.priority,
        cases.status,
        cases.status <> 'closed' as is_open,
        cases.resolution,
        cases.satisfaction,
        coalesce(cases.order_key, cases.receipt_key) as order_id,
        cases.product_key as product_id,
        greatest(cases.load_id, records.load_id) as load_id
    from cases
    left join records on cases.record_key = records.record_key

)

select * from final
