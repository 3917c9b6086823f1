{#
    Grain: one row per member. Loyalty candidate: has no loyalty card, but at least three orders
    in 365 days, the last one within 120.
#}
{{ config(meta={
    'title': 'Candidates for the loyalty programme',
    'kind': 'campaign',
    'owner': 'crm',
    'channels': ['email', 'sms'],
    'suggested_action': 'Invite to the programme and show what the orders would have earned'
}) }}

with customers as (

    {{ segment_base() }}

),

evidence as (

    select
        customer_id,
        last_order_at,
        has_card,
        orders_365d,
        {{ days_since('last_order_at') }} as days_since_order,
        net_revenue,
        main_brand_id
    from customers

),

final as (

    select
        customer_id,
        last_order_at as entered_at,
        has_card,
        orders_365d,
        days_since_order,
        net_revenue,
        main_brand_id
    from evidence
    where
        not has_card
        and orders_365d >= {{ segment_limit('loyalty_candidates', 'min_orders') }}
        and days_since_order <= {{ segment_limit('loyalty_candidates', 'max_days_since_order') }}

)

select * from final
