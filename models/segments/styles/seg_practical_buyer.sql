{#
    Grain: one row per member. Practical buyer: buys what is needed. Much is bought again or
    several at a time, much stands on the middle shelf, little is stylish, and most is paid in
    full.
#}
{{ config(meta={
    'title': 'Practical buyer',
    'kind': 'style',
    'owner': 'crm',
    'channels': ['email'],
    'suggested_action': 'Remind of what is used up; offer packs and spare parts'
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
        habits.needs_share,
        habits.middle_shelf_share,
        habits.style_share,
        habits.full_price_share
    from customers
    left join habits on customers.customer_id = habits.customer_id

),

final as (

    select
        customer_id,
        last_order_at as entered_at,
        order_count,
        needs_share,
        middle_shelf_share,
        style_share,
        full_price_share
    from evidence
    where
        order_count >= {{ segment_limit('practical_buyer', 'min_orders') }}
        and needs_share >= {{ segment_limit('practical_buyer', 'min_needs_share') }}
        and middle_shelf_share >= {{ segment_limit('practical_buyer', 'min_middle_shelf_share') }}
        and style_share <= {{ segment_limit('practical_buyer', 'max_style_share') }}
        and full_price_share >= {{ segment_limit('practical_buyer', 'min_full_price_share') }}

)

select * from final
