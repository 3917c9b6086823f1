{# Grain: one row per invoice, in the reporting currency. #}
{{ config(materialized='view') }}

with invoices as (

    select * from {{ ref('entity_invoices') }}

),

records as (

    select * from {{ ref('identity_records') }}

),

orders as (

    select * from {{ ref('orders') }}

),

rates as (

    select * from {{ ref('entity_exchange_rates') }}

),

final as (

    select
        invoices.invoice_key as invoice_id,
        coalesce(records.customer_id, orders.customer_id) as customer_id,
        invoices.order_key as order_id,
        invoices.brand_id,
        invoices.issued_at,
        case
            when rates.rate is null then invoices.currency
            else '{{ var("reporting_currency") }}'
        end as currency,
        cast(invoices.amount * coalesce(rates.rate, 1) as decimal(18, 4)) as amount,
        invoices.due_on,
        invoices.paid_at,
        invoices.paid_at is null and coalesce(invoices.due_on < {{ as_of() }}, false)
            as is_overdue
    from invoices
    left join records on invoices.record_key = records.record_key
    left join orders on invoices.order_key = orders.order_id
    left join rates
        on
            invoices.currency = rates.currency
            and invoices.issued_at >= rates.valid_from
            and invoices.issued_at < rates.valid_until

)

select * from final
