{# Grain: one row per attempt to pay an order, or repayment. #}
{{ config(unique_key='payment_key') }}

with payments as (

    select * from {{ ref('stg_shop__payments') }} where {{ newly_loaded() }}

),

systems as (

    select * from {{ ref('systems') }}

),

final as (

    select
        payments.source_system || ':' || payments.payment_id as payment_key,
        coalesce(systems.account_system, payments.source_system)
        || ':orders:' || payments.order_id as order_key,
        payments.brand_id,
        payments.paid_at,
        payments.method,
        payments.status,
        upper(payments.currency) as currency,
        payments.amount,
        payments.failure_reason,
        payments.load_id
    from payments
    left join systems on payments.source_system = systems.source_system

)

select * from final
