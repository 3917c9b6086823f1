{# Grain: one row per attempt to pay an order, or repayment, in the reporting currency. #}
{{ config(materialized='view') }}

with payments as (

    select * from {{ ref('entity_payments') }}

),

orders as (

    select * from {{ ref('orders') }}

),

rates as (

    select * from {{ ref('entity_exchange_rates') }}

),

final as (

    select
        payments.payment_key as payment_id,
        payments.order_key as order_id,
        orders.customer_id,
        payments.brand_id,
        payments.paid_at,
        payments.method,
        payments.status,
        case
            when rates.rate is null then payments.currency
            else '{{ var("reporting_currency") }}'
        end as currency,
        cast(payments.amount * coalesce(rates.rate, 1) as decimal(18, 4)) as amount,
        payments.failure_reason,
        greatest(payments.load_id, orders.load_id) as load_id
    from payments
    left join orders on payments.order_key = orders.order_id
    left join rates
        on
            payments.currency = rates.currency
            and payments.paid_at >= rates.valid_from
            and payments.paid_at < rates.valid_until

)

select * from final
