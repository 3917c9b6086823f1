{#
    Grain: one row per member. Abandoned cart: put something into a cart within the last 7 days,
    has not ordered since and has not begun to check out; that is another segment.
#}
{{ config(meta={
    'title': 'Abandoned cart',
    'kind': 'campaign',
    'owner': 'crm',
    'channels': ['email', 'web_push', 'app_push'],
    'suggested_action': 'Remind of the cart and show similar products'
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
        customers.last_cart_add_at,
        {{ days_since('customers.last_cart_add_at') }} as days_since_cart,
        customers.last_order_at,
        coalesce(customers.last_order_at >= customers.last_cart_add_at, false)
            as has_ordered_since,
        coalesce(
            behaviour.last_abandoned_at >= customers.last_cart_add_at
            and behaviour.last_abandoned_step <> 'cart',
            false
        ) as has_begun_checkout,
        customers.sessions_30d,
        customers.order_count
    from customers
    left join behaviour on customers.customer_id = behaviour.customer_id

),

final as (

    select
        customer_id,
        last_cart_add_at as entered_at,
        last_cart_add_at,
        days_since_cart,
        last_order_at,
        has_ordered_since,
        has_begun_checkout,
        sessions_30d,
        order_count
    from evidence
    where
        days_since_cart <= {{ segment_limit('abandoned_cart', 'max_days') }}
        and not has_ordered_since
        and not has_begun_checkout

)

select * from final
