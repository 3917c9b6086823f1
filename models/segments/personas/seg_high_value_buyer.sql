{#
    Grain: one row per member. High-value buyer: a woman in a city of at least 500,000 people
    who regularly spends at least 400 in the reporting currency: three orders or more in the
    last 365 days, none of them below 400.
#}
{{ config(meta={
    'title': 'High-value buyer',
    'kind': 'persona',
    'owner': 'crm',
    'channels': ['email', 'phone'],
    'suggested_action': 'Offer personal advice and the premium collection first'
}) }}

with customers as (

    {{ segment_base() }}

),

evidence as (

    select
        customer_id,
        last_order_at,
        gender,
        home_city_population,
        orders_365d,
        smallest_order_365d,
        average_order_amount,
        net_revenue
    from customers

),

final as (

    select
        customer_id,
        last_order_at as entered_at,
        gender,
        home_city_population,
        orders_365d,
        smallest_order_365d,
        average_order_amount,
        net_revenue
    from evidence
    where
        gender = 'female'
        and home_city_population >= {{ segment_limit('high_value_buyer', 'min_city_population') }}
        and orders_365d >= {{ segment_limit('high_value_buyer', 'min_orders') }}
        and smallest_order_365d >= {{ segment_limit('high_value_buyer', 'min_order_amount') }}

)

select * from final
