{#
    Grain: one row per customer and channel on which a message was sent to the customer in the last
    365 days, the as-of day and the 364 before it. A message is answered when it was clicked,
    replied to or redeemed, or when it was the last that was opened or clicked in the days before
    an order. Rates are shrunk towards those of everybody on the channel: two answers to two
    messages say less than forty to a hundred.
    The best channel has the highest rate among those that were answered and are not to skip. To
    skip is what was complained about or unsubscribed from, where the last message bounced, and
    what is ignored: opened or answered clearly less often than it would be by others. The numbers
    of the rules are in seeds/profile_limits.
#}
with messages as (

    select * from {{ ref('messages') }}
    where customer_id is not null and sent_at >= {{ as_of() }} - interval 364 day

),

opened_messages as (

    -- Not the CTE messages: DuckDB writes a CTE that is read twice out in full.
    select * from {{ ref('messages') }}
    where
        customer_id is not null
        and sent_at >= {{ as_of() }} - interval 364 day
        and (first_opened_at is not null or first_clicked_at is not null)

),

orders as (

    select * from {{ ref('orders') }}
    where
        is_counted
        and customer_id is not null
        and ordered_at >= {{ as_of() }} - interval 364 day

),

limits as (

    select
        to_days(
            cast(max(case when limit_name = 'conversion_days' then value end) as integer)
        ) as conversion_window,
        max(case when limit_name = 'channel_prior_messages' then value end) as prior_messages,
        max(case when limit_name = 'channel_ignored_expected' then value end) as least_expected,
        max(case when limit_name = 'channel_ignored_deviations' then value end) as deviations
    from {{ ref('profile_limits') }}

),

touches as (

    select
        message_id,
        customer_id,
        unnest([first_opened_at, last_opened_at, first_clicked_at, last_clicked_at])
            as touched_at
    from opened_messages

),

last_touches as (

    select
        orders.order_id,
        touches.message_id
    from orders
    cross join limits
    inner join touches
        on
            orders.customer_id = touches.customer_id
            and orders.ordered_at >= touches.touched_at
            and orders.ordered_at < touches.touched_at + limits.conversion_window
    qualify row_number() over (
        partition by orders.order_id order by touches.touched_at desc, touches.message_id asc
    ) = 1

),

conversions as (

    select
        message_id,
        count(*) as conversion_count
    from last_touches
    group by message_id

),

outcomes as (

    select
        messages.*,
        coalesce(conversions.conversion_count, 0) as conversion_count,
        messages.first_clicked_at is not null
        or messages.replied_at is not null
        or messages.first_redeemed_at is not null
        or conversions.message_id is not null as is_answered
    from messages
    left join conversions on messages.message_id = conversions.message_id

),

counts as (

    select
        customer_id,
        channel,
        count(*) as message_count,
        count(first_opened_at) as open_count,
        count(first_clicked_at) as click_count,
        count(replied_at) as reply_count,
        cast(sum(conversion_count) as bigint) as conversion_count,
        count(case when is_answered then 1 end) as answer_count,
        count(case when is_answered or first_opened_at is not null then 1 end)
            as reaction_count,
        max(sent_at) as last_sent_at,
        count(complained_at) > 0 as has_complained,
        count(unsubscribed_at) > 0 as has_unsubscribed,
        max(case when bounced_at is not null then sent_at end) = max(sent_at) as is_bounced
    from outcomes
    group by customer_id, channel

),

rated as (

    select
        *,
        sum(open_count) over everybody / sum(message_count) over everybody as open_rate_of_all,
        sum(answer_count) over everybody / sum(message_count) over everybody
            as answer_rate_of_all,
        sum(reaction_count) over everybody / sum(message_count) over everybody
            as reaction_rate_of_all
    from counts
    window everybody as (partition by channel)

),

judged as (

    select
        rated.*,
        (rated.open_count + limits.prior_messages * rated.open_rate_of_all)
        / (rated.message_count + limits.prior_messages) as open_rate,
        (rated.answer_count + limits.prior_messages * rated.answer_rate_of_all)
        / (rated.message_count + limits.prior_messages) as answer_rate,
        case
            when rated.has_complained then 'complained'
            when rated.has_unsubscribed then 'unsubscribed'
            when rated.is_bounced then 'bounced'
            when
                rated.message_count * rated.reaction_rate_of_all >= limits.least_expected
                and rated.message_count * rated.reaction_rate_of_all - rated.reaction_count
                >= limits.deviations * sqrt(
                    rated.message_count * rated.reaction_rate_of_all
                    * (1 - rated.reaction_rate_of_all)
                )
                then 'ignored'
        end as skip_reason
    from rated
    cross join limits

),

rounded as (

    select
        *,
        cast(round(open_rate, 4) as decimal(5, 4)) as shown_open_rate,
        cast(round(answer_rate, 4) as decimal(5, 4)) as shown_answer_rate
    from judged

),

ranked as (

    select
        *,
        row_number() over (
            partition by customer_id
            order by
                skip_reason is null desc,
                answer_count > 0 desc,
                shown_answer_rate desc,
                shown_open_rate desc,
                message_count desc,
                channel asc
        ) as channel_rank
    from rounded

),

final as (

    select
        customer_id,
        channel,
        message_count,
        open_count,
        click_count,
        reply_count,
        conversion_count,
        answer_count,
        shown_open_rate as open_rate,
        shown_answer_rate as answer_rate,
        channel_rank,
        channel_rank = 1 and skip_reason is null and answer_count > 0 as is_best,
        skip_reason is not null as is_to_skip,
        skip_reason,
        last_sent_at
    from ranked

)

select * from final
