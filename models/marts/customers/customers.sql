{#
    Grain: one row per customer: a person known by an account, a card, a contact, an e-mail
    address or a phone number. Measures of purchases count orders that are counted
    (marts.orders). Personal data are not here but in pii.customers.
#}
with identifiers as (

    select * from {{ ref('customer_identifiers') }}

),

orders as (

    select * from {{ ref('orders') }} where is_counted and customer_id is not null

),

revenue as (

    select
        customer_id,
        sum(net_amount) as net_revenue
    from {{ ref('orders') }}
    where customer_id is not null
    group by customer_id

),

returns as (

    select * from {{ ref('returns') }}
    where is_counted and customer_id is not null and order_id is null

),

categories as (

    select * from {{ ref('customer_categories') }} where category_rank = 1

),

profiles as (

    select * from {{ ref('entity_profiles') }} where not is_test

),

records as (

    select * from {{ ref('identity_records') }} where customer_id is not null

),

personal as (

    select * from {{ ref('pii_customers') }}

),

cities as (

    select * from {{ ref('cities') }}

),

mailbox_providers as (

    select * from {{ ref('mailbox_providers') }}

),

name_days as (

    select
        name,
        country
    from {{ ref('name_days') }}
    where {{ next_birthday("cast('2000-' || month_day as date)") }} < {{ as_of() }} + 7
    group by name, country

),

consents as (

    select * from {{ ref('consents') }}

),

erasure_requests as (

    select * from {{ ref('entity_erasure_requests') }}

),

identity as (

    select * from {{ ref('identity_identifiers') }}

),

clusters as (

    select * from {{ ref('identity_clusters') }} where customer_id is not null

),

engagement as (

    select * from {{ ref('customer_engagement') }}

),

lifecycle as (

    select * from {{ ref('customer_lifecycle') }}

),

links as (

    select * from {{ ref('customer_links') }}

),

rfm as (

    select * from {{ ref('customer_rfm') }} where brand_id is null

),

known as (

    select
        customer_id,
        min(first_seen_at) as first_seen_at,
        count(*) as identifier_count,
        bool_or(id_type = 'card') as has_card
    from identifiers
    group by customer_id

),

purchases as (

    select
        customer_id,
        min(ordered_at) as first_order_at,
        max(ordered_at) as last_order_at,
        count(*) as order_count,
        avg(net_amount) as average_order_amount,
        count(distinct brand_id) as brand_count,
        bool_and(channel = 'store') as is_store_only,
        sum(case when ordered_on > {{ as_of() }} - 365 then 1 else 0 end) as orders_365d,
        min(case when ordered_on > {{ as_of() }} - 365 then net_amount end)
            as smallest_order_365d,
        sum(case when ordered_on > {{ as_of() }} - 180 then 1 else 0 end) as orders_180d,
        sum(
            case
                when
                    ordered_on > {{ as_of() }} - 360 and ordered_on <= {{ as_of() }} - 180
                    then 1
                else 0
            end
        ) as orders_prior_180d,
        max(case when order_number = 1 then merchandise_line_count end)
            as first_order_line_count,
        max(case when order_number = 1 then item_count end) as first_order_item_count
    from orders
    group by customer_id

),

brand_orders as (

    select
        customer_id,
        brand_id,
        count(*) as order_count,
        max(ordered_at) as last_order_at
    from orders
    group by customer_id, brand_id

),

main_brands as (

    select
        customer_id,
        brand_id as main_brand_id
    from brand_orders
    qualify row_number() over (
        partition by customer_id order by order_count desc, last_order_at desc, brand_id asc
    ) = 1

),

unlinked_returns as (

    select
        customer_id,
        sum(net_amount) as net_amount
    from returns
    group by customer_id

),

held_records as (

    select
        records.customer_id,
        min(case when profiles.source_entity = 'accounts' then profiles.created_at end)
            as account_created_at,
        bool_or(coalesce(profiles.is_subscribed, false)) as is_subscribed
    from profiles
    inner join records on profiles.record_key = records.record_key
    group by records.customer_id

),

email_consents as (

    select
        customer_id,
        bool_or(is_granted) as has_email_consent
    from consents
    where purpose = 'marketing' and channel = 'email'
    group by customer_id

),

erasures as (

    select
        clusters.customer_id,
        min(erasure_requests.requested_at) as erasure_requested_at
    from erasure_requests
    inner join identity
        on
            erasure_requests.id_type = identity.id_type
            and erasure_requests.id_value = identity.id_value
    inner join clusters on identity.node = clusters.node
    group by clusters.customer_id

),

attributes as (

    select
        personal.customer_id,
        personal.gender,
        personal.country,
        cities.population as home_city_population,
        {{ next_birthday('personal.birth_date') }} < {{ as_of() }} + 7
            as has_birthday_within_7_days,
        name_days.name is not null as has_name_day_within_7_days,
        case
            when personal.email is not null
                then coalesce(mailbox_providers.mailbox_provider, 'other')
        end as mailbox_provider
    from personal
    left join cities
        on
            personal.country = cities.country
            and {{ plain_text('personal.city') }} = {{ plain_text('cities.city') }}
    left join name_days
        on
            personal.country = name_days.country
            and split_part({{ plain_text('personal.first_name') }}, ' ', 1) = name_days.name
    left join mailbox_providers
        on split_part(personal.email, '@', 2) = mailbox_providers.domain

),

final as (

    select
        known.customer_id,
        coalesce(links.customer_id_linked, known.customer_id) as customer_id_linked,
        known.first_seen_at,
        held_records.account_created_at,
        known.has_card,
        coalesce(held_records.is_subscribed, false) as is_subscribed,
        coalesce(email_consents.has_email_consent, false) as has_email_consent,
        erasures.erasure_requested_at,
        attributes.gender,
        attributes.country,
        attributes.home_city_population,
        coalesce(attributes.has_birthday_within_7_days, false) as has_birthday_within_7_days,
        coalesce(attributes.has_name_day_within_7_days, false) as has_name_day_within_7_days,
        attributes.mailbox_provider,
        purchases.first_order_at,
        purchases.last_order_at,
        coalesce(purchases.order_count, 0) as order_count,
        cast(
            coalesce(revenue.net_revenue, 0) + coalesce(unlinked_returns.net_amount, 0)
            as decimal(18, 4)
        ) as net_revenue,
        cast(purchases.average_order_amount as decimal(18, 4)) as average_order_amount,
        cast(coalesce(purchases.orders_365d, 0) as bigint) as orders_365d,
        purchases.smallest_order_365d,
        cast(coalesce(purchases.orders_180d, 0) as bigint) as orders_180d,
        cast(coalesce(purchases.orders_prior_180d, 0) as bigint) as orders_prior_180d,
        purchases.first_order_line_count,
        purchases.first_order_item_count,
        coalesce(purchases.brand_count, 0) as brand_count,
        main_brands.main_brand_id,
        purchases.is_store_only,
        categories.category as main_category,
        coalesce(engagement.messages_90d, 0) as messages_90d,
        coalesce(engagement.opens_30d, 0) as opens_30d,
        coalesce(engagement.sessions_30d, 0) as sessions_30d,
        coalesce(engagement.activity_30d, 0) as activity_30d,
        coalesce(engagement.activity_prior_30d, 0) as activity_prior_30d,
        coalesce(engagement.searches_90d, 0) as searches_90d,
        coalesce(engagement.views_90d, 0) as views_90d,
        engagement.last_opened_at,
        engagement.last_visited_at,
        engagement.last_cart_add_at,
        lifecycle.stage as lifecycle_stage,
        coalesce(rfm.rfm_segment, 'prospect') as rfm_segment,
        rfm.frequency_level,
        rfm.monetary_level,
        known.identifier_count
    from known
    left join held_records on known.customer_id = held_records.customer_id
    left join email_consents on known.customer_id = email_consents.customer_id
    left join erasures on known.customer_id = erasures.customer_id
    left join attributes on known.customer_id = attributes.customer_id
    left join purchases on known.customer_id = purchases.customer_id
    left join revenue on known.customer_id = revenue.customer_id
    left join unlinked_returns on known.customer_id = unlinked_returns.customer_id
    left join main_brands on known.customer_id = main_brands.customer_id
    left join categories on known.customer_id = categories.customer_id
    left join engagement on known.customer_id = engagement.customer_id
    left join lifecycle on known.customer_id = lifecycle.customer_id
    left join rfm on known.customer_id = rfm.customer_id
    left join links on known.customer_id = links.customer_id

)

select * from final
