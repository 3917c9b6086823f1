{#
    Grain: one row per member. Sunset: takes the newsletter, got at least six messages in 90
    days, and has neither opened one, visited nor bought since. Asking is kinder than to be
    blocked. Entered with the last thing that the customer did.
#}
{{ config(meta={
    'title': 'Sunset',
    'kind': 'campaign',
    'owner': 'crm',
    'channels': ['email'],
    'suggested_action': 'Offer to unsubscribe or to hear less often'
}) }}

with customers as (

    {{ segment_base() }}

),

evidence as (

    select
        customer_id,
        first_seen_at,
        last_order_at,
        is_subscribed or has_email_consent as is_addressed,
        messages_90d,
        least(
            coalesce({{ days_since('last_opened_at') }}, 9999),
            coalesce({{ days_since('last_visited_at') }}, 9999),
            coalesce({{ days_since('last_order_at') }}, 9999)
        ) as silent_days
    from customers

),

final as (

    select
        customer_id,
        coalesce(last_order_at, first_seen_at) as entered_at,
        is_addressed,
        messages_90d,
        silent_days,
        last_order_at
    from evidence
    where
        is_addressed
        and messages_90d >= {{ segment_limit('sunset', 'min_messages') }}
        and silent_days >= {{ segment_limit('sunset', 'min_silent_days') }}

)

select * from final
