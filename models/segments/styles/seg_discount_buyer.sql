{#
    Grain: one row per member. Discount buyer: most of what is spent goes to products with a
    discount or on clearance.
#}
{{ config(meta={
    'title': 'Discount buyer',
    'kind': 'style',
    'owner': 'crm',
    'channels': ['email', 'sms'],
    'suggested_action': 'Send offers and clearance; never the full price first'
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
        habits.bargain_share,
        habits.discount_share,
        habits.clearance_share
    from customers
    left join habits on customers.customer_id = habits.customer_id

),

final as (

    select
        customer_id,
        last_order_at as entered_at,
        order_count,
        bargain_share,
        discount_share,
        clearance_share
    from evidence
    where
        order_count >= {{ segment_limit('discount_buyer', 'min_orders') }}
        and bargain_share >= {{ segment_limit('discount_buyer', 'min_bargain_share') }}

)

select * from final
