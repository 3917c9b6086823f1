{#
    Grain: one row per customer who was sent a message or visited a site in the last 90 days.
    Opens and clicks count once a message, by their first time. A window of 30 days is the as-of
    day and the 29 before it.
#}
with messages as (

    select * from {{ ref('messages') }}
    where
        customer_id is not null
        and greatest(sent_at, last_opened_at, last_clicked_at) >= {{ as_of() }} - interval 89 day

),

sessions as (

    select * from {{ ref('web_sessions') }}
    where customer_id is not null and started_at >= {{ as_of() }} - interval 89 day

),

contacts as (

    select
        customer_id,
        cast(sent_at >= {{ as_of() }} - interval 89 day as integer) as sent,
        cast(first_opened_at >= {{ as_of() }} - interval 29 day as integer) as opens_30d,
        cast(first_clicked_at >= {{ as_of() }} - interval 29 day as integer) as clicks_30d,
        cast(
            first_opened_at >= {{ as_of() }} - interval 59 day
            and first_opened_at < {{ as_of() }} - interval 29 day as integer
        ) as opens_prior_30d,
        cast(
            first_clicked_at >= {{ as_of() }} - interval 59 day
            and first_clicked_at < {{ as_of() }} - interval 29 day as integer
        ) as clicks_prior_30d,
        0 as sessions_30d,
        0 as sessions_prior_30d,
        0 as searches_90d,
        0 as views_90d,
        last_opened_at,
        cast(null as timestamp) as last_visited_at,
        cast(null as timestamp) as last_cart_add_at
    from messages
    union all
    select
        customer_id,
        0 as sent,
        0 as opens_30d,
        0 as clicks_30d,
        0 as opens_prior_30d,
        0 as clicks_prior_30d,
        cast(started_at >= {{ as_of() }} - interval 29 day as integer) as sessions_30d,
        cast(
            started_at >= {{ as_of() }} - interval 59 day
            and started_at < {{ as_of() }} - interval 29 day as integer
        ) as sessions_prior_30d,
        search_count as searches_90d,
        page_view_count + product_view_count + blog_read_count as views_90d,
        null as last_opened_at,
        ended_at as last_visited_at,
        last_cart_add_at
    from sessions

),

final as (

    select
        customer_id,
        cast(sum(sent) as bigint) as messages_90d,
        cast(coalesce(sum(opens_30d), 0) as bigint) as opens_30d,
        cast(coalesce(sum(clicks_30d), 0) as bigint) as clicks_30d,
        cast(sum(sessions_30d) as bigint) as sessions_30d,
        cast(
            coalesce(sum(opens_30d), 0) + coalesce(sum(clicks_30d), 0) + sum(sessions_30d)
            as bigint
        ) as activity_30d,
        cast(
            coalesce(sum(opens_prior_30d), 0) + coalesce(sum(clicks_prior_30d), 0)
            + sum(sessions_prior_30d) as bigint
        ) as activity_prior_30d,
        cast(sum(searches_90d) as bigint) as searches_90d,
        cast(sum(views_90d) as bigint) as views_90d,
        max(last_opened_at) as last_opened_at,
        max(last_visited_at) as last_visited_at,
        max(last_cart_add_at) as last_cart_add_at
    from contacts
    group by customer_id

)

select * from final
