{#
    Grain: one row per member. Price seeker: comes from price comparisons and buys with a
    discount, by the limits of seeds/profile_limits.
#}
{{ config(meta={
    'title': 'Price seekers',
    'kind': 'campaign',
    'owner': 'crm',
    'channels': ['email', 'social'],
    'suggested_action': 'Show the total price with delivery, and price guarantees'
}) }}

with customers as (

    {{ segment_base() }}

),

behaviour as (

    select * from {{ ref('customer_behaviour') }}

),

habits as (

    select * from {{ ref('customer_habits') }}

),

evidence as (

    select
        customers.customer_id,
        customers.last_order_at,
        coalesce(behaviour.is_price_seeker, false) as is_price_seeker,
        behaviour.price_session_count,
        behaviour.price_comparison_share,
        habits.discount_share
    from customers
    left join behaviour on customers.customer_id = behaviour.customer_id
    left join habits on customers.customer_id = habits.customer_id

),

final as (

    select
        customer_id,
        last_order_at as entered_at,
        is_price_seeker,
        price_session_count,
        price_comparison_share,
        discount_share
    from evidence
    where is_price_seeker

)

select * from final
