{#
    Grain: one row per customer, kind of interaction and its source: a message, session, order,
    return, review, registration, referral or answer. Everything that customers do and that can be
    scored; a new kind is one arm here and one row in seeds/scoring_points. What happens to a
    message counts once, when it first does; what happens in a session counts when it began.
#}
{{ config(materialized='view') }}

with messages as (

    select * from {{ ref('messages') }}
    where
        customer_id is not null
        and coalesce(
            first_opened_at, first_clicked_at, replied_at, complained_at, unsubscribed_at,
            first_redeemed_at
        ) is not null

),

sessions as (

    select * from {{ ref('web_sessions') }} where customer_id is not null

),

orders as (

    select * from {{ ref('orders') }} where customer_id is not null and is_counted

),

returns as (

    select * from {{ ref('returns') }} where customer_id is not null and is_counted

),

reviews as (

    select * from {{ ref('reviews') }} where customer_id is not null

),

registrations as (

    select * from {{ ref('registrations') }} where customer_id is not null

),

referrals as (

    select * from {{ ref('referrals') }} where customer_id is not null

),

declared_answers as (

    select * from {{ ref('declared_answers') }} where customer_id is not null

),

message_outcomes as (

    -- The lists are unnested side by side, the times in the order of their kinds.
    select
        customer_id,
        brand_id,
        message_id,
        unnest([
            'message_opened', 'message_clicked', 'message_replied',
            'message_complained', 'message_unsubscribed', 'coupon_redeemed'
        ]) as interaction,
        unnest([
            first_opened_at, first_clicked_at, replied_at,
            complained_at, unsubscribed_at, first_redeemed_at
        ]) as happened_at
    from messages

),

session_parts as (

    select
        customer_id,
        brand_id,
        session_id,
        started_at,
        unnest([
            'session', 'product_view', 'search', 'blog_read',
            'download', 'form', 'wishlist_add', 'cart_add', 'checkout_step'
        ]) as interaction,
        unnest([
            1, product_view_count, search_count, blog_read_count,
            download_count, form_count, wishlist_add_count, cart_add_count, checkout_step_count
        ]) as interaction_count
    from sessions

),

final as (

    select
        customer_id,
        brand_id,
        interaction,
        message_id as source_id,
        happened_at,
        cast(1 as bigint) as interaction_count
    from message_outcomes
    where happened_at is not null
    union all
    select
        customer_id,
        brand_id,
        interaction,
        session_id as source_id,
        started_at as happened_at,
        interaction_count
    from session_parts
    where interaction_count > 0
    union all
    select
        customer_id,
        brand_id,
        case when channel = 'store' then 'receipt' else 'order' end as interaction,
        order_id as source_id,
        ordered_at as happened_at,
        1 as interaction_count
    from orders
    union all
    select
        customer_id,
        brand_id,
        'return' as interaction,
        return_id as source_id,
        returned_at as happened_at,
        1 as interaction_count
    from returns
    union all
    select
        customer_id,
        brand_id,
        kind as interaction,
        review_id as source_id,
        reviewed_at as happened_at,
        1 as interaction_count
    from reviews
    union all
    select
        customer_id,
        brand_id,
        'registration' as interaction,
        registration_id as source_id,
        registered_at as happened_at,
        1 as interaction_count
    from registrations
    union all
    select
        customer_id,
        brand_id,
        'referral' as interaction,
        referral_id as source_id,
        referred_at as happened_at,
        1 as interaction_count
    from referrals
    union all
    select
        customer_id,
        brand_id,
        'answer' as interaction,
        answer_id as source_id,
        answered_at as happened_at,
        1 as interaction_count
    from declared_answers

)

select * from final
