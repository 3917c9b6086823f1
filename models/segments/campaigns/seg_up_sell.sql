{#
    Grain: one row per member. Up-sell: has bought at least twice, never from the highest price
    shelf, looks at its products all the same, and does not live on discounts.
#}
{{ config(meta={
    'title': 'Up-sell',
    'kind': 'campaign',
    'owner': 'crm',
    'channels': ['email', 'web_push'],
    'suggested_action': 'Show what the dearer product does better'
}) }}

with customers as (

    {{ segment_base() }}

),

high_shelf as (

    select * from {{ ref('customer_preferences') }}
    where dimension = 'price_shelf' and value = 'high'

),

habits as (

    select * from {{ ref('customer_habits') }}

),

evidence as (

    select
        customers.customer_id,
        customers.order_count,
        coalesce(high_shelf.view_count, 0) as high_shelf_view_count,
        coalesce(high_shelf.purchase_count, 0) as high_shelf_purchase_count,
        high_shelf.last_at as last_interest_at,
        habits.discount_share,
        habits.median_order_amount,
        customers.main_category
    from customers
    left join high_shelf on customers.customer_id = high_shelf.customer_id
    left join habits on customers.customer_id = habits.customer_id

),

final as (

    select
        customer_id,
        last_interest_at as entered_at,
        order_count,
        high_shelf_view_count,
        high_shelf_purchase_count,
        discount_share,
        median_order_amount,
        main_category
    from evidence
    where
        order_count >= {{ segment_limit('up_sell', 'min_orders') }}
        and high_shelf_view_count >= {{ segment_limit('up_sell', 'min_views') }}
        and high_shelf_purchase_count = 0
        and discount_share <= {{ segment_limit('up_sell', 'max_discount_share') }}

)

select * from final
