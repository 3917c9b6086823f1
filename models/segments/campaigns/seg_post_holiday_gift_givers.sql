{#
    Grain: one row per member. Gift givers after a holiday: bought a present in the days before
    an occasion for presents that is over since at most 30 days. A coupon for the recipient wins
    a customer whom nobody knows yet.
#}
{{ config(meta={
    'title': 'Gift givers after a holiday',
    'kind': 'campaign',
    'owner': 'crm',
    'channels': ['email'],
    'suggested_action': 'Send a coupon that the buyer hands on to the recipient'
}) }}

with customers as (

    {{ segment_base() }}

),

season_orders as (

    {{ season_orders(segment_limit('post_holiday_gift_givers', 'max_days')) }}

),

evidence as (

    select
        customers.customer_id,
        season_orders.occasion,
        season_orders.occasion_ended_on,
        cast(season_orders.last_gift_on as timestamp) as last_bought_at,
        coalesce(season_orders.gift_order_count, 0) as gift_order_count,
        coalesce(season_orders.self_order_count, 0) as self_order_count
    from customers
    left join season_orders on customers.customer_id = season_orders.customer_id

),

final as (

    select
        customer_id,
        last_bought_at as entered_at,
        occasion,
        occasion_ended_on,
        gift_order_count,
        self_order_count
    from evidence
    where gift_order_count > 0

)

select * from final
