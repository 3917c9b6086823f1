{#
    Grain: one row per member. High-value buyer: a woman in a city of at least 500,000 people who
    regularly spends at least 400 in the reporting currency: three orders or more in the last 365
    days, none of them below 400.
#}
with customers as (

    {{ segment_base() }}

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
    from customers
    where
        gender = 'female'
        and home_city_population >= 500000
        and orders_365d >= 3
        and smallest_order_365d >= 400

)

select * from final
