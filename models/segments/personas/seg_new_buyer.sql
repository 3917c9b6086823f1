{#
    Grain: one row per member. New buyer: opened an account within 30 days, has placed exactly
    one order of one product, and takes no newsletter. Asks for a welcome that explains itself.
#}
{{ config(meta={
    'title': 'New buyer',
    'kind': 'persona',
    'owner': 'crm',
    'channels': ['web_push', 'phone'],
    'suggested_action': 'Explain what the account gives and ask for the newsletter'
}) }}

with customers as (

    {{ segment_base() }}

),

evidence as (

    select
        customer_id,
        first_order_at,
        account_created_at,
        {{ days_since('account_created_at') }} as account_age_days,
        order_count,
        first_order_line_count,
        first_order_item_count,
        is_subscribed,
        has_email_consent,
        net_revenue
    from customers

),

final as (

    select
        customer_id,
        first_order_at as entered_at,
        account_created_at,
        account_age_days,
        first_order_at,
        order_count,
        first_order_line_count,
        first_order_item_count,
        is_subscribed,
        has_email_consent,
        net_revenue
    from evidence
    where
        account_age_days <= {{ segment_limit('new_buyer', 'max_account_days') }}
        and order_count = 1
        and first_order_line_count = 1
        and first_order_item_count = 1
        and not is_subscribed
        and not has_email_consent

)

select * from final
