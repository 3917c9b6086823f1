{#
    Grain: one row per member. Premium buyer: at least half of what is spent goes to premium
    products or the highest shelf, in two orders or more, the last one within a year.
#}
{{ config(meta={
    'title': 'Premium buyers',
    'kind': 'campaign',
    'owner': 'crm',
    'channels': ['email', 'phone'],
    'suggested_action': 'Offer advice in person and limited editions, no discounts'
}) }}

with customers as (

    {{ segment_base() }}

),

habits as (

    select * from {{ ref('customer_habits') }}

),

evidence as (

    select
        customers.customer_id,
        customers.last_order_at,
        customers.order_count,
        {{ days_since('customers.last_order_at') }} as days_since_order,
        habits.premium_share,
        habits.median_order_amount,
        customers.net_revenue
    from customers
    left join habits on customers.customer_id = habits.customer_id

),

final as (

    select
        customer_id,
        last_order_at as entered_at,
        order_count,
        days_since_order,
        premium_share,
        median_order_amount,
        net_revenue
    from evidence
    where
        order_count >= {{ segment_limit('premium_buyers', 'min_orders') }}
        and premium_share >= {{ segment_limit('premium_buyers', 'min_premium_share') }}
        and days_since_order <= {{ segment_limit('premium_buyers', 'max_days_since_order') }}

)

select * from final
