{#
    Grain: one row per customer and brand with which the customer has anything: an order, a return,
    a session, a message, a record (account, card, contact) or a consent.
    A contact is each of these; active is what the customer did alone: bought, gave back, visited,
    opened or clicked. The level of activity is the first of seeds/brand_activity_levels one of
    whose limits holds: enough orders within 365 days, or active within so many days; who was
    ever active is dormant otherwise. A day is one of UTC, a window of 90 days is the as-of day
    and the 89 before it.
#}
with orders as (

    select * from {{ ref('orders') }} where customer_id is not null and not is_test

),

lines as (

    select * from {{ ref('entity_sales_lines') }} where line_kind = 'merchandise'

),

products as (

    select * from {{ ref('entity_products') }}

),

returns as (

    select * from {{ ref('returns') }} where customer_id is not null and is_counted

),

sessions as (

    select * from {{ ref('web_sessions') }} where customer_id is not null

),

messages as (

    select * from {{ ref('messages') }} where customer_id is not null

),

consents as (

    select * from {{ ref('consent_history') }}

),

profiles as (

    select * from {{ ref('entity_profiles') }} where not is_test

),

records as (

    select * from {{ ref('identity_records') }} where customer_id is not null

),

rfm as (

    select * from {{ ref('customer_rfm') }} where brand_id is not null

),

limits as (

    select
        max(case when activity_level = 'strong' then min_orders_365d end) as strong_orders,
        max(case when activity_level = 'strong' then max_days_since_active end) as strong_days,
        max(case when activity_level = 'weak' then min_orders_365d end) as weak_orders,
        max(case when activity_level = 'weak' then max_days_since_active end) as weak_days
    from {{ ref('brand_activity_levels') }}

),

by_category as (

    select
        orders.customer_id,
        orders.brand_id,
        products.category,
        sum(lines.quantity) as item_count
    from lines
    inner join orders on lines.document_key = orders.order_id
    inner join products on lines.product_key = products.product_key
    where orders.is_counted and products.category is not null
    group by orders.customer_id, orders.brand_id, products.category

),

categories as (

    select * from by_category
    qualify row_number() over (
        partition by customer_id, brand_id order by item_count desc, category asc
    ) = 1

),

by_orders as (

    select
        customer_id,
        brand_id,
        min(ordered_at) as first_at,
        max(ordered_at) as last_at,
        min(case when is_counted then ordered_at end) as first_order_at,
        max(case when is_counted then ordered_at end) as last_order_at,
        count(case when is_counted then 1 end) as order_count,
        count(case when is_counted and ordered_on > {{ as_of() }} - 365 then 1 end)
            as orders_365d,
        avg(case when is_counted then net_amount end) as average_order_amount,
        sum(net_amount) as net_revenue
    from orders
    group by customer_id, brand_id

),

by_returns as (

    select
        customer_id,
        brand_id,
        min(returned_at) as first_at,
        max(returned_at) as last_at,
        sum(case when order_id is null then net_amount end) as net_revenue
    from returns
    group by customer_id, brand_id

),

by_sessions as (

    select
        customer_id,
        brand_id,
        min(started_at) as first_at,
        max(ended_at) as last_at,
        count(case when started_at >= {{ as_of() }} - interval 89 day then 1 end)
            as sessions_90d
    from sessions
    group by customer_id, brand_id

),

by_messages as (

    select
        customer_id,
        brand_id,
        min(sent_at) as first_at,
        max(greatest(sent_at, last_opened_at, last_clicked_at)) as last_at,
        max(greatest(last_opened_at, last_clicked_at)) as last_active_at,
        count(case when first_opened_at >= {{ as_of() }} - interval 89 day then 1 end)
            as opens_90d,
        count(case when first_clicked_at >= {{ as_of() }} - interval 89 day then 1 end)
            as clicks_90d
    from messages
    group by customer_id, brand_id

),

by_records as (

    select
        records.customer_id,
        profiles.brand_id,
        min(profiles.created_at) as first_at,
        max(profiles.created_at) as last_at,
        bool_or(coalesce(profiles.is_subscribed, false)) as is_subscribed
    from profiles
    inner join records on profiles.record_key = records.record_key
    group by records.customer_id, profiles.brand_id

),

by_consents as (

    select
        customer_id,
        brand_id,
        min(valid_from) as first_at,
        max(confirmed_at) as last_at,
        bool_or(
            valid_until is null and is_granted and purpose = 'marketing' and channel = 'email'
        ) as has_email_consent
    from consents
    group by customer_id, brand_id

),

contacts as (

    select
        customer_id,
        brand_id,
        first_at,
        last_at,
        last_at as last_active_at
    from by_orders
    union all
    select
        customer_id,
        brand_id,
        first_at,
        last_at,
        last_at as last_active_at
    from by_returns
    union all
    select
        customer_id,
        brand_id,
        first_at,
        last_at,
        last_at as last_active_at
    from by_sessions
    union all
    select
        customer_id,
        brand_id,
        first_at,
        last_at,
        last_active_at
    from by_messages
    union all
    select
        customer_id,
        brand_id,
        first_at,
        last_at,
        null as last_active_at
    from by_records
    union all
    select
        customer_id,
        brand_id,
        first_at,
        last_at,
        null as last_active_at
    from by_consents

),

by_brand as (

    select
        customer_id,
        brand_id,
        min(first_at) as first_contact_at,
        max(last_at) as last_contact_at,
        max(last_active_at) as last_active_at
    from contacts
    group by customer_id, brand_id

),

measured as (

    select
        by_brand.*,
        date_diff('day', cast(by_brand.last_active_at as date), {{ as_of() }})
            as days_since_active,
        by_orders.first_order_at,
        by_orders.last_order_at,
        coalesce(by_orders.order_count, 0) as order_count,
        coalesce(by_orders.orders_365d, 0) as orders_365d,
        by_orders.average_order_amount,
        coalesce(by_orders.net_revenue, 0) + coalesce(by_returns.net_revenue, 0)
            as net_revenue,
        coalesce(by_sessions.sessions_90d, 0) as sessions_90d,
        coalesce(by_messages.opens_90d, 0) as opens_90d,
        coalesce(by_messages.clicks_90d, 0) as clicks_90d,
        coalesce(by_records.is_subscribed, false) as is_subscribed,
        coalesce(by_consents.has_email_consent, false) as has_email_consent
    from by_brand
    left join by_orders
        on
            by_brand.customer_id = by_orders.customer_id
            and by_brand.brand_id = by_orders.brand_id
    left join by_returns
        on
            by_brand.customer_id = by_returns.customer_id
            and by_brand.brand_id = by_returns.brand_id
    left join by_sessions
        on
            by_brand.customer_id = by_sessions.customer_id
            and by_brand.brand_id = by_sessions.brand_id
    left join by_messages
        on
            by_brand.customer_id = by_messages.customer_id
            and by_brand.brand_id = by_messages.brand_id
    left join by_records
        on
            by_brand.customer_id = by_records.customer_id
            and by_brand.brand_id = by_records.brand_id
    left join by_consents
        on
            by_brand.customer_id = by_consents.customer_id
            and by_brand.brand_id = by_consents.brand_id

),

shared as (

    select
        *,
        sum(net_revenue) over (partition by customer_id) as customer_revenue
    from measured

),

final as (

    select
        shared.customer_id,
        shared.brand_id,
        shared.first_contact_at,
        shared.last_contact_at,
        shared.last_active_at,
        case
            when
                shared.orders_365d >= limits.strong_orders
                or shared.days_since_active <= limits.strong_days
                then 'strong'
            when
                shared.orders_365d >= limits.weak_orders
                or shared.days_since_active <= limits.weak_days
                then 'weak'
            when shared.last_active_at is not null then 'dormant'
            else 'none'
        end as activity_level,
        shared.first_order_at,
        shared.last_order_at,
        shared.order_count,
        shared.orders_365d,
        cast(shared.net_revenue as decimal(18, 4)) as net_revenue,
        case
            when shared.customer_revenue > 0
                then round(shared.net_revenue / shared.customer_revenue, 4)
        end as revenue_share,
        cast(shared.average_order_amount as decimal(18, 4)) as average_order_amount,
        categories.category as main_category,
        shared.sessions_90d,
        shared.opens_90d,
        shared.clicks_90d,
        rfm.r_score,
        rfm.f_score,
        rfm.m_score,
        coalesce(rfm.rfm_segment, 'prospect') as rfm_segment,
        shared.is_subscribed,
        shared.has_email_consent
    from shared
    cross join limits
    left join categories
        on
            shared.customer_id = categories.customer_id
            and shared.brand_id = categories.brand_id
    left join rfm
        on shared.customer_id = rfm.customer_id and shared.brand_id = rfm.brand_id

)

select * from final
