{#
    Grain: one row per interaction with a customer: whatever a department did or the customer did,
    from the first trace on, ordered by customer and time, so that the story of one customer is
    read from a few blocks of the table. What is nobody's is left out.
    An increment writes the interactions that something was delivered for and those of records that
    moved. One that is nobody's any more, a cart that was ordered after all, a case that was opened
    again are written without a customer and removed at the end, as are a session that a late event
    made part of another and a consent that changed nothing after all.
#}
{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key='interaction_id',
    on_schema_change='fail',
    post_hook=[
        "delete from {{ this }} where customer_id is null",
        "delete from {{ this }} as written where interaction = 'session' and not exists ("
        ~ "select 1 from {{ ref('entity_web_sessions') }} as standing "
        ~ "where standing.session_id = written.subject_id)",
        "delete from {{ this }} as written where starts_with(interaction, 'consent_') and not "
        ~ "exists (select 1 from {{ ref('consent_history') }} as standing "
        ~ "where standing.event_id = written.subject_id and standing.purpose = written.detail "
        ~ "and standing.customer_id = written.customer_id)"
    ]
) }}

with orders as (

    select * from {{ ref('orders') }} where {{ newly_loaded() }}

),

returns as (

    select * from {{ ref('returns') }} where {{ newly_loaded() }}

),

payments as (

    select * from {{ ref('payments') }} where {{ newly_loaded() }}

),

carts as (

    select * from {{ ref('carts') }} where {{ newly_loaded() }}

),

messages as (

    select * from {{ ref('messages') }} where {{ newly_loaded() }}

),

campaigns as (

    select * from {{ ref('campaigns') }}

),

sessions as (

    select * from {{ ref('web_sessions') }} where {{ newly_loaded() }}

),

cases as (

    select * from {{ ref('cases') }} where {{ newly_loaded() }}

),

notes as (

    select * from {{ ref('notes') }} where {{ newly_loaded() }}

),

registrations as (

    select * from {{ ref('registrations') }} where {{ newly_loaded() }}

),

reviews as (

    select * from {{ ref('reviews') }} where {{ newly_loaded() }}

),

referrals as (

    select * from {{ ref('referrals') }} where {{ newly_loaded() }}

),

answers as (

    select * from {{ ref('declared_answers') }} where {{ newly_loaded() }}

),

consents as (

    select * from {{ ref('consent_history') }} where {{ newly_loaded() }}

),

records as (

    select * from {{ ref('identity_records') }}

),

profiles as (

    select
        profiles.record_key,
        case when not profiles.is_test then records.customer_id end as customer_id,
        profiles.brand_id,
        profiles.source_entity,
        profiles.created_at,
        greatest(profiles.load_id, records.load_id) as load_id
    from {{ ref('entity_profiles') }} as profiles
    inner join records on profiles.record_key = records.record_key

),

outcomes as (

    select
        messages.message_id,
        messages.customer_id,
        messages.brand_id,
        messages.department,
        messages.channel,
        messages.campaign_id,
        campaigns.name as campaign_name,
        messages.load_id,
        unnest([
            { 'interaction': 'message_sent', 'happened_at': messages.sent_at },
            { 'interaction': 'message_opened', 'happened_at': messages.first_opened_at },
            { 'interaction': 'message_clicked', 'happened_at': messages.first_clicked_at },
            { 'interaction': 'message_bounced', 'happened_at': messages.bounced_at },
            { 'interaction': 'message_complained', 'happened_at': messages.complained_at },
            { 'interaction': 'message_unsubscribed', 'happened_at': messages.unsubscribed_at },
            { 'interaction': 'message_replied', 'happened_at': messages.replied_at },
            { 'interaction': 'coupon_redeemed', 'happened_at': messages.first_redeemed_at }
        ]) as outcome
    from messages
    left join campaigns on messages.campaign_id = campaigns.campaign_id

),

decisions as (

    -- One decision may be about several channels.
    select
        event_id,
        customer_id,
        brand_id,
        purpose,
        is_granted,
        min(valid_from) as decided_at,
        case when count(*) > 1 then 'all' else min(channel) end as channel,
        max(load_id) as load_id
    from consents
    group by event_id, customer_id, brand_id, purpose, is_granted

),

happenings as (

    select
        outcomes.message_id,
        outcomes.customer_id,
        outcomes.brand_id,
        outcomes.department,
        outcomes.channel,
        outcomes.campaign_id,
        outcomes.campaign_name,
        outcomes.outcome.interaction,
        outcomes.outcome.happened_at,
        outcomes.load_id
    from outcomes
    where outcomes.outcome.happened_at is not null

),

interactions as (

    select
        'order:' || order_id as interaction_id,
        customer_id,
        ordered_at as happened_at,
        case when channel = 'store' then 'store' else 'shop' end as department,
        case when channel = 'store' then 'store' else 'web' end as channel,
        case when channel = 'store' then 'receipt' else 'order' end as interaction,
        brand_id,
        order_id as subject_id,
        status as detail,
        net_amount as amount,
        load_id
    from orders
    union all
    select
        'return:' || return_id as interaction_id,
        customer_id,
        returned_at as happened_at,
        'shop' as department,
        'web' as channel,
        'return' as interaction,
        brand_id,
        order_id as subject_id,
        null as detail,
        net_amount as amount,
        load_id
    from returns
    union all
    select
        'payment:' || payment_id as interaction_id,
        customer_id,
        paid_at as happened_at,
        'shop' as department,
        'web' as channel,
        'payment_' || status as interaction,
        brand_id,
        order_id as subject_id,
        coalesce(failure_reason, method) as detail,
        amount,
        load_id
    from payments
    union all
    select
        'cart:' || cart_id as interaction_id,
        case when status = 'open' then customer_id end as customer_id,
        updated_at as happened_at,
        'shop' as department,
        'web' as channel,
        'cart_left' as interaction,
        brand_id,
        cart_id as subject_id,
        coalesce(problem, checkout_step) as detail,
        amount,
        load_id
    from carts
    union all
    select
        interaction || ':' || message_id as interaction_id,
        customer_id,
        happened_at,
        department,
        channel,
        interaction,
        brand_id,
        campaign_id as subject_id,
        campaign_name as detail,
        null as amount,
        load_id
    from happenings
    union all
    select
        'session:' || session_id as interaction_id,
        customer_id,
        started_at as happened_at,
        'web' as department,
        'web' as channel,
        'session' as interaction,
        brand_id,
        session_id as subject_id,
        case
            when purchase_count > 0 then 'bought'
            when checkout_step_count > 0 then 'began to check out'
            when cart_add_count > 0 then 'filled a cart'
            when empty_search_count > 0 then 'found nothing'
            when search_count > 0 then 'searched'
            when product_view_count > 0 then 'looked at products'
            when blog_read_count > 0 then 'read'
            else 'looked around'
        end as detail,
        null as amount,
        load_id
    from sessions
    union all
    select
        'case_opened:' || case_id as interaction_id,
        customer_id,
        opened_at as happened_at,
        'service' as department,
        coalesce(channel, 'form') as channel,
        'case_opened' as interaction,
        brand_id,
        case_id as subject_id,
        concat_ws(', ', kind, topic) as detail,
        null as amount,
        load_id
    from cases
    union all
    select
        'case_closed:' || case_id as interaction_id,
        case when closed_at is not null then customer_id end as customer_id,
        coalesce(closed_at, opened_at) as happened_at,
        'service' as department,
        coalesce(channel, 'form') as channel,
        'case_closed' as interaction,
        brand_id,
        case_id as subject_id,
        resolution as detail,
        null as amount,
        load_id
    from cases
    union all
    select
        'note:' || note_id as interaction_id,
        customer_id,
        noted_at as happened_at,
        department,
        case when department = 'store' then 'store' else 'phone' end as channel,
        'note' as interaction,
        brand_id,
        case_id as subject_id,
        concat_ws(', ', action, effect) as detail,
        null as amount,
        load_id
    from notes
    union all
    select
        'registration:' || registration_id as interaction_id,
        customer_id,
        registered_at as happened_at,
        'service' as department,
        'form' as channel,
        'registration' as interaction,
        brand_id,
        product_id as subject_id,
        null as detail,
        null as amount,
        load_id
    from registrations
    union all
    select
        'review:' || review_id as interaction_id,
        customer_id,
        reviewed_at as happened_at,
        'service' as department,
        coalesce(platform, 'web') as channel,
        kind as interaction,
        brand_id,
        product_id as subject_id,
        cast(rating as varchar) as detail,
        null as amount,
        load_id
    from reviews
    union all
    select
        'referral:' || referral_id as interaction_id,
        customer_id,
        referred_at as happened_at,
        'marketing' as department,
        'web' as channel,
        'referral' as interaction,
        brand_id,
        friend_customer_id as subject_id,
        null as detail,
        null as amount,
        load_id
    from referrals
    union all
    select
        'answer:' || answer_id as interaction_id,
        customer_id,
        answered_at as happened_at,
        'marketing' as department,
        coalesce(form, 'form') as channel,
        'answer' as interaction,
        brand_id,
        question as subject_id,
        answer as detail,
        null as amount,
        load_id
    from answers
    union all
    select
        'consent:' || event_id || ':' || purpose as interaction_id,
        customer_id,
        decided_at as happened_at,
        'marketing' as department,
        channel,
        case when is_granted then 'consent_granted' else 'consent_withdrawn' end as interaction,
        brand_id,
        event_id as subject_id,
        purpose as detail,
        null as amount,
        load_id
    from decisions
    union all
    select
        'profile:' || record_key as interaction_id,
        customer_id,
        created_at as happened_at,
        case source_entity
            when 'loyalty_cards' then 'store'
            when 'contacts' then 'marketing'
            else 'shop'
        end as department,
        case source_entity
            when 'loyalty_cards' then 'store'
            when 'contacts' then 'email'
            else 'web'
        end as channel,
        case source_entity
            when 'accounts' then 'account_opened'
            when 'loyalty_cards' then 'card_issued'
            else 'contact_made'
        end as interaction,
        brand_id,
        record_key as subject_id,
        null as detail,
        null as amount,
        load_id
    from profiles
    where {{ newly_loaded() }}

),

final as (

    select
        interaction_id,
        customer_id,
        happened_at,
        department,
        channel,
        interaction,
        brand_id,
        subject_id,
        detail,
        cast(amount as decimal(18, 4)) as amount,
        load_id
    from interactions
    {%- if not is_incremental() %}
    where customer_id is not null
    {%- endif %}

)

select * from final
order by customer_id, happened_at, interaction_id
