{#
    Grain: one row per member. Abandoned checkout: began to check out, left within the last 7
    days, and has not ordered since. The step tells the likely cause (seeds/checkout_steps), a
    problem that the shop reported tells it better.
#}
{{ config(meta={
    'title': 'Abandoned checkout',
    'kind': 'campaign',
    'owner': 'crm',
    'channels': ['email', 'web_push', 'phone'],
    'suggested_action': 'Take away the likely cause: delivery, payment, account or price'
}) }}

with customers as (

    {{ segment_base() }}

),

behaviour as (

    select * from {{ ref('customer_behaviour') }}

),

evidence as (

    select
        customers.customer_id,
        customers.last_order_at,
        behaviour.last_abandoned_at,
        {{ days_since('behaviour.last_abandoned_at') }} as days_since_abandoned,
        behaviour.last_abandoned_step,
        behaviour.last_abandoned_problem,
        behaviour.likely_cause,
        coalesce(customers.last_order_at >= behaviour.last_abandoned_at, false)
            as has_ordered_since,
        behaviour.abandoned_attempt_count
    from customers
    left join behaviour on customers.customer_id = behaviour.customer_id

),

final as (

    select
        customer_id,
        last_abandoned_at as entered_at,
        days_since_abandoned,
        last_abandoned_step,
        last_abandoned_problem,
        likely_cause,
        has_ordered_since,
        abandoned_attempt_count
    from evidence
    where
        days_since_abandoned <= {{ segment_limit('abandoned_checkout', 'max_days') }}
        and last_abandoned_step <> 'cart'
        and not has_ordered_since

)

select * from final
