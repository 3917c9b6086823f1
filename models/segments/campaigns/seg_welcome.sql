{#
    Grain: one row per member. Welcome: known for at most two weeks, and one order at most.
#}
{{ config(meta={
    'title': 'Welcome',
    'kind': 'campaign',
    'owner': 'crm',
    'channels': ['email', 'app_push'],
    'suggested_action': 'Introduce the brand and lead to the first or second purchase'
}) }}

with customers as (

    {{ segment_base() }}

),

evidence as (

    select
        customer_id,
        first_seen_at,
        {{ days_since('first_seen_at') }} as days_known,
        order_count,
        is_subscribed,
        has_email_consent
    from customers

),

final as (

    select
        customer_id,
        first_seen_at as entered_at,
        days_known,
        order_count,
        is_subscribed,
        has_email_consent
    from evidence
    where
        days_known <= {{ segment_limit('welcome', 'max_days_known') }}
        and order_count <= {{ segment_limit('welcome', 'max_orders') }}

)

select * from final
