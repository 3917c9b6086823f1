{#
    Grain: one row per member. New buyer: opened an account within 30 days, has placed exactly one
    order of one product, and takes no newsletter. Asks for a welcome that explains itself.
#}
with customers as (

    {{ segment_base() }}

),

final as (

    select
        customer_id,
        first_order_at as entered_at,
        account_created_at,
        first_order_at,
        order_count,
        first_order_item_count,
        is_subscribed,
        has_email_consent,
        net_revenue
    from customers
    where
        account_created_at >= {{ as_of() }} - interval 30 day
        and order_count = 1
        and first_order_line_count = 1
        and first_order_item_count = 1
        and not is_subscribed
        and not has_email_consent

)

select * from final
