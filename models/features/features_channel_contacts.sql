{#
    Grain: one row per customer and channel on which messages were sent in the last 365 days: how
    many, and after how many of them the customer bought within the days of conversion. That says
    who buys, not what the message did.
    A message whose days are not over does not count. The counts of before know only messages
    whose days had ended when the first lots between channels were drawn: what those lots judge
    must not have been learnt from them.
#}
with messages as (

    select * from {{ ref('messages') }}
    where customer_id is not null and department <> 'service'

),

orders as (

    select * from {{ ref('orders') }} where is_counted and customer_id is not null

),

limits as (

    select
        to_days(
            cast(max(case when limit_name = 'conversion_days' then value end) as integer)
        ) as conversion_window
    from {{ ref('profile_limits') }}

),

explorations as (

    select min(exposed_at) as first_exposed_at
    from {{ ref('features_channel_explorations') }}

),

contacts as (

    select
        messages.message_id,
        messages.customer_id,
        messages.channel,
        messages.sent_at,
        messages.sent_at + limits.conversion_window as counted_until,
        messages.sent_at + limits.conversion_window <= explorations.first_exposed_at as is_before
    from messages
    cross join limits
    cross join explorations
    where
        messages.sent_at >= {{ as_of() }} - interval 364 day
        and messages.sent_at + limits.conversion_window < {{ as_of() }} + interval 1 day

),

followed as (

    select contacts.message_id
    from contacts
    semi join orders
        on
            contacts.customer_id = orders.customer_id
            and contacts.sent_at <= orders.ordered_at
            and contacts.counted_until > orders.ordered_at

),

final as (

    select
        contacts.customer_id,
        contacts.channel,
        count(*) as sent_count,
        count(followed.message_id) as bought_count,
        count(case when contacts.is_before then 1 end) as sent_before_count,
        count(case when contacts.is_before then followed.message_id end) as bought_before_count
    from contacts
    left join followed on contacts.message_id = followed.message_id
    group by contacts.customer_id, contacts.channel

)

select * from final
