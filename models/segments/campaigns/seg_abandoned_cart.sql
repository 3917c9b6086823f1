{#
    Grain: one row per member. Abandoned cart: put something into a cart within the last 7 days
    and has not ordered since.
#}
with customers as (

    {{ segment_base() }}

),

final as (

    select
        customer_id,
        last_cart_add_at as entered_at,
        last_cart_add_at,
        last_order_at,
        sessions_30d,
        order_count
    from customers
    where
        last_cart_add_at >= {{ as_of() }} - interval 7 day
        and (last_order_at is null or last_order_at < last_cart_add_at)

)

select * from final
