{#
    Grain: one row per web session: the events of one visitor on the sites of one brand with no
    gap longer than session_gap_minutes. An increment makes sessions of the events that arrived,
    then joins them with the visitors' standing sessions wherever no such gap is left between:
    the same sessions as if all events had arrived at once, late ones included.
#}
{{ config(unique_key=['source_system', 'brand_id', 'visitor_id']) }}

with web_events as (

    select * from {{ ref('stg_web__web_events') }} where {{ newly_loaded() }}

),

checkout_steps as (

    select * from {{ ref('checkout_steps') }}

),

systems as (

    select * from {{ ref('systems') }}

),

starts as (

    select
        web_events.*,
        case
            when web_events.event_type = 'checkout_step'
                then coalesce(checkout_steps.position, 0)
        end as checkout_position,
        coalesce(
            web_events.occurred_at > lag(web_events.occurred_at) over visitor
            + interval {{ var('session_gap_minutes') }} minute,
            true
        ) as is_start
    from web_events
    left join checkout_steps on web_events.checkout_step = checkout_steps.checkout_step
    window visitor as (
        partition by web_events.source_system, web_events.brand_id, web_events.visitor_id
        order by web_events.occurred_at, web_events.event_id
    )

),

numbered as (

    select
        *,
        count(case when is_start then 1 end) over (
            partition by source_system, brand_id, visitor_id
            order by occurred_at, event_id
            rows between unbounded preceding and current row
        ) as session_number
    from starts

),

arrived as (

    select
        source_system,
        brand_id,
        visitor_id,
        min(occurred_at) as started_at,
        max(occurred_at) as ended_at,
        max(case when is_start then event_id end) as entry_event_id,
        max(case when is_start then site end) as site,
        max(case when is_start then url end) as entry_url,
        max(case when is_start then referrer end) as referrer,
        max(case when is_start then utm_source end) as utm_source,
        max(case when is_start then utm_medium end) as utm_medium,
        max(case when is_start then utm_campaign end) as utm_campaign,
        max(case when is_start then device_type end) as device_type,
        max(case when is_start then country end) as country,
        max(account_id) as account_id,
        count(*) as event_count,
        count(case when event_type = 'page_view' then 1 end) as page_view_count,
        count(case when event_type = 'product_view' then 1 end) as product_view_count,
        count(case when event_type = 'search' then 1 end) as search_count,
        count(case when event_type = 'search' and result_count = 0 then 1 end)
            as empty_search_count,
        count(case when event_type = 'cart_add' then 1 end) as cart_add_count,
        count(case when event_type = 'checkout_step' then 1 end) as checkout_step_count,
        count(case when event_type = 'blog_read' then 1 end) as blog_read_count,
        count(case when event_type = 'download' then 1 end) as download_count,
        count(case when event_type in ('form', 'quiz', 'contest') then 1 end) as form_count,
        count(case when event_type = 'wishlist_add' then 1 end) as wishlist_add_count,
        count(case when event_type = 'purchase' then 1 end) as purchase_count,
        max(case when event_type = 'cart_add' then occurred_at end) as last_cart_add_at,
        max(checkout_position) as checkout_position,
        min(case when event_type = 'search' then occurred_at end) as first_search_at,
        min(case when event_type = 'product_view' then occurred_at end) as first_view_at,
        max(load_id) as load_id
    from numbered
    group by source_system, brand_id, visitor_id, session_number

)

{%- if is_incremental() %},

standing as (

    select * exclude (session_id, record_key) from {{ this }}

),

joining as (

    select * from arrived
    union all
    select standing.*
    from standing
    semi join arrived
        on
            standing.source_system = arrived.source_system
            and standing.brand_id = arrived.brand_id
            and standing.visitor_id = arrived.visitor_id

),

joining_starts as (

    select
        *,
        coalesce(
            started_at > max(ended_at) over (
                partition by source_system, brand_id, visitor_id
                order by started_at, entry_event_id
                rows between unbounded preceding and 1 preceding
            ) + interval {{ var('session_gap_minutes') }} minute,
            true
        ) as is_start
    from joining

),

joining_numbered as (

    select
        *,
        count(case when is_start then 1 end) over (
            partition by source_system, brand_id, visitor_id
            order by started_at, entry_event_id
            rows between unbounded preceding and current row
        ) as session_number
    from joining_starts

),

sessions as (

    select
        source_system,
        brand_id,
        visitor_id,
        min(started_at) as started_at,
        max(ended_at) as ended_at,
        max(case when is_start then entry_event_id end) as entry_event_id,
        max(case when is_start then site end) as site,
        max(case when is_start then entry_url end) as entry_url,
        max(case when is_start then referrer end) as referrer,
        max(case when is_start then utm_source end) as utm_source,
        max(case when is_start then utm_medium end) as utm_medium,
        max(case when is_start then utm_campaign end) as utm_campaign,
        max(case when is_start then device_type end) as device_type,
        max(case when is_start then country end) as country,
        max(account_id) as account_id,
        cast(sum(event_count) as bigint) as event_count,
        cast(sum(page_view_count) as bigint) as page_view_count,
        cast(sum(product_view_count) as bigint) as product_view_count,
        cast(sum(search_count) as bigint) as search_count,
        cast(sum(empty_search_count) as bigint) as empty_search_count,
        cast(sum(cart_add_count) as bigint) as cart_add_count,
        cast(sum(checkout_step_count) as bigint) as checkout_step_count,
        cast(sum(blog_read_count) as bigint) as blog_read_count,
        cast(sum(download_count) as bigint) as download_count,
        cast(sum(form_count) as bigint) as form_count,
        cast(sum(wishlist_add_count) as bigint) as wishlist_add_count,
        cast(sum(purchase_count) as bigint) as purchase_count,
        max(last_cart_add_at) as last_cart_add_at,
        max(checkout_position) as checkout_position,
        min(first_search_at) as first_search_at,
        min(first_view_at) as first_view_at,
        max(load_id) as load_id
    from joining_numbered
    group by source_system, brand_id, visitor_id, session_number

)
{%- else %},

sessions as (

    select * from arrived

)
{%- endif %},

keyed as (

    select
        md5(
            sessions.source_system || ':' || sessions.brand_id || ':' || sessions.visitor_id
            || ':' || cast(sessions.started_at as varchar)
        ) as session_id,
        coalesce(systems.account_system, sessions.source_system)
        || ':accounts:' || sessions.account_id as record_key,
        sessions.*
    from sessions
    left join systems on sessions.source_system = systems.source_system

)

select * from keyed
