{#
    Grain: one row per customer who visited a site: how the customer looks for things, where from,
    and where it ends. What is a habit needs visits that tell of it, and shares are shrunk towards
    everybody's; the numbers of the rules are in seeds/profile_limits.
    Searching first is searching before looking at a product, of the visits with a product.
    Sites that referred are classed by seeds/referrers, subdomains with their host.
    An attempt to buy is abandoned when a cart was left for a day or emptied; where a brand's shops
    deliver no carts, when a visit began the checkout and did not buy. The last day's counts, its
    furthest step.
    A click was accidental when a paid advertisement brought a visit of one event.
    Readers read posts and look at fewer products.
#}
with sessions as (

    select * from {{ ref('web_sessions') }} where customer_id is not null

),

searches as (

    select * from {{ ref('searches') }} where customer_id is not null and is_discontinued

),

carts as (

    select * from {{ ref('carts') }}

),

cart_brands as (

    select brand_id
    from {{ ref('carts') }}
    group by brand_id

),

habits as (

    select * from {{ ref('customer_habits') }}

),

hosts as (

    select * from {{ ref('referring_hosts') }}

),

paid_media as (

    select * from {{ ref('paid_media') }}

),

checkout_steps as (

    select * from {{ ref('checkout_steps') }}

),

limits as (

    select
        max(case when limit_name = 'behaviour_min_sessions' then value end) as min_sessions,
        max(case when limit_name = 'behaviour_prior_sessions' then value end) as prior_sessions,
        max(case when limit_name = 'search_first_from_share' then value end) as search_share,
        max(case when limit_name = 'price_seeker_from_share' then value end) as price_share,
        max(case when limit_name = 'reader_views_per_post' then value end) as views_per_post
    from {{ ref('profile_limits') }}

),

visits as (

    select
        sessions.*,
        hosts.referrer_class,
        paid_media.utm_medium is not null as is_paid
    from sessions
    left join hosts on sessions.referrer = hosts.referrer
    left join paid_media on sessions.utm_medium = paid_media.utm_medium

),

counts as (

    select
        customer_id,
        count(*) as session_count,
        count(case when product_view_count > 0 then 1 end) as looking_session_count,
        count(case when product_view_count > 0 and is_search_first then 1 end)
            as search_first_count,
        cast(sum(search_count) as bigint) as search_count,
        cast(sum(empty_search_count) as bigint) as empty_search_count,
        count(referrer) as referred_session_count,
        count(
            case when referrer_class in ('price_comparison', 'auction') then 1 end
        ) as price_session_count,
        count(case when is_paid and event_count = 1 then 1 end) as accidental_click_count,
        count(case when blog_read_count > 0 then 1 end) as reading_session_count,
        cast(sum(blog_read_count) as bigint) as blog_read_count,
        cast(sum(product_view_count) as bigint) as product_view_count
    from visits
    group by customer_id

),

everybody as (

    select
        sum(search_first_count) / nullif(sum(looking_session_count), 0) as search_first_share,
        sum(price_session_count) / nullif(sum(referred_session_count), 0) as price_share
    from counts

),

by_class as (

    select
        customer_id,
        referrer_class
    from visits
    where referrer_class is not null
    group by customer_id, referrer_class
    qualify row_number() over (
        partition by customer_id order by count(*) desc, referrer_class asc
    ) = 1

),

gone_products as (

    select
        customer_id,
        count(*) as search_count,
        arg_max(product_id, cast(searched_at as varchar) || search_id) as product_id,
        arg_max(
            coalesce(replacement_product_id, ''), cast(searched_at as varchar) || search_id
        ) as replacement_product_id
    from searches
    group by customer_id

),

attempts as (

    select
        carts.customer_id,
        carts.updated_at as ended_at,
        coalesce(checkout_steps.position, 0) as step_position,
        coalesce(carts.checkout_step, 'cart') as checkout_step,
        carts.problem
    from carts
    left join checkout_steps
        on coalesce(carts.checkout_step, 'cart') = checkout_steps.checkout_step
    where
        carts.customer_id is not null
        and carts.status <> 'ordered'
        and carts.updated_at < {{ as_of() }}
    union all
    select
        sessions.customer_id,
        sessions.ended_at,
        sessions.checkout_position as step_position,
        coalesce(checkout_steps.checkout_step, 'cart') as checkout_step,
        null as problem
    from sessions
    left join checkout_steps on sessions.checkout_position = checkout_steps.position
    where
        sessions.checkout_position is not null
        and sessions.purchase_count = 0
        and sessions.brand_id not in (select cart_brands.brand_id from cart_brands)

),

abandoned as (

    select
        attempts.*,
        checkout_steps.likely_cause,
        count(*) over (partition by attempts.customer_id) as attempt_count
    from attempts
    left join checkout_steps on attempts.checkout_step = checkout_steps.checkout_step
    qualify row_number() over (
        partition by attempts.customer_id
        order by
            cast(attempts.ended_at as date) desc,
            attempts.step_position desc,
            attempts.problem asc nulls last,
            attempts.ended_at desc,
            attempts.checkout_step asc
    ) = 1

),

shrunk as (

    select
        counts.*,
        case
            when counts.looking_session_count > 0
                then
                    (
                        counts.search_first_count
                        + limits.prior_sessions * everybody.search_first_share
                    ) / (counts.looking_session_count + limits.prior_sessions)
        end as search_first_share,
        case
            when counts.referred_session_count > 0
                then
                    (counts.price_session_count + limits.prior_sessions * everybody.price_share)
                    / (counts.referred_session_count + limits.prior_sessions)
        end as price_comparison_share
    from counts
    cross join everybody
    cross join limits

),

final as (

    select
        shrunk.customer_id,
        shrunk.session_count,
        shrunk.looking_session_count,
        shrunk.search_first_count,
        cast(round(shrunk.search_first_share, 4) as decimal(5, 4)) as search_first_share,
        coalesce(
            shrunk.looking_session_count >= limits.min_sessions
            and shrunk.search_first_share >= limits.search_share,
            false
        ) as is_search_first,
        shrunk.search_count,
        shrunk.empty_search_count,
        coalesce(gone_products.search_count, 0) as gone_product_search_count,
        gone_products.product_id as last_gone_product_id,
        nullif(gone_products.replacement_product_id, '') as last_replacement_product_id,
        by_class.referrer_class as main_referrer_class,
        shrunk.referred_session_count,
        shrunk.price_session_count,
        cast(round(shrunk.price_comparison_share, 4) as decimal(5, 4))
            as price_comparison_share,
        coalesce(
            shrunk.price_session_count >= limits.min_sessions
            and shrunk.price_comparison_share >= limits.price_share
            and habits.discount_share >= limits.price_share,
            false
        ) as is_price_seeker,
        coalesce(abandoned.attempt_count, 0) as abandoned_attempt_count,
        abandoned.ended_at as last_abandoned_at,
        abandoned.checkout_step as last_abandoned_step,
        abandoned.problem as last_abandoned_problem,
        coalesce(abandoned.problem, abandoned.likely_cause) as likely_cause,
        shrunk.accidental_click_count,
        shrunk.reading_session_count,
        shrunk.blog_read_count,
        shrunk.product_view_count,
        shrunk.reading_session_count >= limits.min_sessions
        and shrunk.product_view_count < limits.views_per_post * shrunk.blog_read_count
            as is_reader
    from shrunk
    cross join limits
    left join habits on shrunk.customer_id = habits.customer_id
    left join by_class on shrunk.customer_id = by_class.customer_id
    left join gone_products on shrunk.customer_id = gone_products.customer_id
    left join abandoned on shrunk.customer_id = abandoned.customer_id

)

select * from final
