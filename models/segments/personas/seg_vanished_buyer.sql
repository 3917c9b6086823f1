{#
    Grain: one row per member. Buyer who vanished: bought in stores only, of medium or high
    value, last about three months ago (75 to 105 days), still opens messages and visits, but
    does so less than in the 30 days before. Entered when the last purchase was 75 days ago.
#}
{{ config(meta={
    'title': 'Buyer who vanished',
    'kind': 'persona',
    'owner': 'crm',
    'channels': ['email', 'sms'],
    'suggested_action': 'Invite back to the usual store with a personal offer'
}) }}

with customers as (

    {{ segment_base() }}

),

evidence as (

    select
        customer_id,
        last_order_at,
        last_order_at + to_days(
            cast({{ segment_limit('vanished_buyer', 'min_order_days') }} as integer)
        ) as vanished_at,
        {{ days_since('last_order_at') }} as days_since_order,
        coalesce(is_store_only, false) as is_store_only,
        monetary_level,
        opens_30d,
        sessions_30d,
        activity_30d,
        activity_prior_30d,
        net_revenue
    from customers

),

final as (

    select
        customer_id,
        vanished_at as entered_at,
        is_store_only,
        monetary_level,
        last_order_at,
        days_since_order,
        opens_30d,
        sessions_30d,
        activity_30d,
        activity_prior_30d,
        net_revenue
    from evidence
    where
        is_store_only
        and monetary_level in ('medium', 'spender')
        and days_since_order >= {{ segment_limit('vanished_buyer', 'min_order_days') }}
        and days_since_order <= {{ segment_limit('vanished_buyer', 'max_order_days') }}
        and opens_30d > 0
        and sessions_30d > 0
        and activity_30d < activity_prior_30d

)

select * from final
