{#
    Grain: one row per member. Stylish buyer: most of what is spent goes to premium products,
    the highest shelf or the new season, at the full price. Three orders tell a style; of less
    nobody knows.
#}
{{ config(meta={
    'title': 'Stylish buyer',
    'kind': 'style',
    'owner': 'crm',
    'channels': ['email', 'app_push'],
    'suggested_action': 'Show the new season and the premium collection, without discounts'
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
        habits.style_share,
        habits.full_price_share,
        habits.premium_share,
        habits.new_season_share
    from customers
    left join habits on customers.customer_id = habits.customer_id

),

final as (

    select
        customer_id,
        last_order_at as entered_at,
        order_count,
        style_share,
        full_price_share,
        premium_share,
        new_season_share
    from evidence
    where
        order_count >= {{ segment_limit('stylish_buyer', 'min_orders') }}
        and style_share >= {{ segment_limit('stylish_buyer', 'min_style_share') }}
        and full_price_share >= {{ segment_limit('stylish_buyer', 'min_full_price_share') }}

)

select * from final
