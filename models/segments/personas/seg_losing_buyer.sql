{#
    Grain: one row per member. Buyer you are losing: casual frequency, medium monetary value,
    mostly Home and Garden, fewer orders in the last 180 days than in the 180 before, and
    searches instead of browsing: at least three searches in 90 days and more than views.
#}
with customers as (

    {{ segment_base() }}

),

final as (

    select
        customer_id,
        last_order_at as entered_at,
        frequency_level,
        monetary_level,
        main_category,
        orders_180d,
        orders_prior_180d,
        searches_90d,
        views_90d,
        last_order_at
    from customers
    where
        frequency_level = 'casual'
        and monetary_level = 'medium'
        and main_category = 'Home and Garden'
        and orders_180d < orders_prior_180d
        and searches_90d >= 3
        and searches_90d > views_90d

)

select * from final
