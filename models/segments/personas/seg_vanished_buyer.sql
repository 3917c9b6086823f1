{#
    Grain: one row per member. Buyer who vanished: bought in stores only, of medium or high value,
    last about three months ago (75 to 105 days), still opens messages and visits, but does so
    less than in the 30 days before. Entered 75 days after the last purchase.
#}
with customers as (

    {{ segment_base() }}

),

final as (

    select
        customer_id,
        last_order_at + interval 75 day as entered_at,
        monetary_level,
        last_order_at,
        opens_30d,
        sessions_30d,
        activity_30d,
        activity_prior_30d,
        net_revenue
    from customers
    where
        is_store_only
        and monetary_level in ('medium', 'spender')
        and cast(last_order_at as date) between {{ as_of() }} - 105 and {{ as_of() }} - 75
        and opens_30d > 0
        and sessions_30d > 0
        and activity_30d < activity_prior_30d

)

select * from final
