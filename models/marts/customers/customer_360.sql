{#
    Grain: one row per customer: what the other marts know of the customer, beside each other. It
    decides nothing of its own; each column is described where it is made. Personal data are in
    pii.customers.
#}
{{ config(materialized='view') }}

with customers as (

    select * from {{ ref('customers') }}

),

lifecycle as (

    select * from {{ ref('customer_lifecycle') }}

),

inactivity as (

    select * from {{ ref('customer_inactivity_reasons') }} where reason_rank = 1

),

rfm as (

    select * from {{ ref('customer_rfm') }} where brand_id is null

),

scores as (

    select * from {{ ref('customer_scores') }}

),

brands as (

    select * from {{ ref('customer_brand_groups') }}

),

habits as (

    select * from {{ ref('customer_habits') }}

),

behaviour as (

    select * from {{ ref('customer_behaviour') }}

),

intents as (

    select * from {{ ref('customer_intents') }}

),

places as (

    select * from {{ ref('customer_places') }}

),

times as (

    select * from {{ ref('customer_contact_times') }}

),

service as (

    select * from {{ ref('customer_service') }}

),

completeness as (

    select * from {{ ref('customer_completeness') }}

),

pressure as (

    -- The earliest day on which any channel is free; the counts are of all channels.
    select
        customer_id,
        max(case when channel is null then sent_7d end) as sent_7d,
        max(case when channel is null then sent_30d end) as sent_30d,
        min(case when channel is not null then next_allowed_on end) as next_allowed_on
    from {{ ref('contact_pressure') }}
    group by customer_id

),

tastes as (

    select
        customer_id,
        max(case when dimension = 'category' then value end) as favourite_category,
        max(case when dimension = 'product_brand' then value end) as favourite_product_brand,
        max(case when dimension = 'price_shelf' then value end) as favourite_price_shelf,
        max(case when dimension = 'colour' then value end) as favourite_colour
    from {{ ref('customer_preferences') }}
    where preference_rank = 1
    group by customer_id

),

channels as (

    select
        customer_id,
        max(case when is_best then channel end) as best_channel,
        list(channel order by channel) filter (where is_to_skip) as channels_to_skip
    from {{ ref('customer_channels') }}
    group by customer_id

),

belongings as (

    select
        customer_id,
        count(*) as owned_product_count,
        count(case when is_in_warranty then 1 end) as in_warranty_count,
        count(case when successor_product_id is not null then 1 end) as succeeded_count
    from {{ ref('owned_products') }}
    group by customer_id

),

channel_choices as (

    select * from {{ ref('channel_choices') }}

),

recommendations as (

    select
        customer_id,
        list(product_id order by place) as product_ids
    from {{ ref('product_recommendations') }}
    where list = 'discover'
    group by customer_id

),

predictions as (

    select * from {{ ref('customer_predictions') }} where brand_id is null

),

final as (

    select
        customers.customer_id,
        customers.customer_id_linked,
        customers.first_seen_at,
        customers.account_created_at,
        customers.has_card,
        customers.is_subscribed,
        customers.has_email_consent,
        customers.erasure_requested_at,
        customers.gender,
        customers.has_birthday_within_7_days,
        customers.has_name_day_within_7_days,
        customers.mailbox_provider,
        customers.first_order_at,
        customers.last_order_at,
        customers.order_count,
        customers.net_revenue,
        customers.average_order_amount,
        customers.orders_365d,
        customers.orders_180d,
        customers.orders_prior_180d,
        customers.first_order_line_count,
        customers.first_order_item_count,
        customers.smallest_order_365d,
        customers.main_brand_id,
        customers.brand_count,
        customers.is_store_only,
        customers.main_category,
        customers.messages_90d,
        customers.opens_30d,
        customers.sessions_30d,
        customers.activity_30d,
        customers.activity_prior_30d,
        customers.searches_90d,
        customers.views_90d,
        customers.last_opened_at,
        customers.last_visited_at,
        customers.last_cart_add_at,
        lifecycle.stage as lifecycle_stage,
        lifecycle.stage_since,
        lifecycle.previous_stage,
        lifecycle.potential_type,
        lifecycle.mautic_stage,
        lifecycle.reason as stage_reason,
        lifecycle.days_since_order,
        lifecycle.expected_gap_days,
        lifecycle.expected_next_order_on,
        lifecycle.next_stage,
        lifecycle.next_stage_on,
        lifecycle.is_seasonal,
        inactivity.reason as inactivity_reason,
        inactivity.evidence_count as inactivity_evidence_count,
        inactivity.evidence as inactivity_evidence,
        rfm.r_score,
        rfm.f_score,
        rfm.m_score,
        rfm.rfm_cell,
        rfm.rfm_segment,
        rfm.recency_level,
        rfm.frequency_level,
        rfm.monetary_level,
        rfm.rfm_segment_sm,
        rfm.rfm_segment_fixed,
        rfm.previous_segment as previous_rfm_segment,
        scores.engagement_score,
        scores.engagement_trend,
        scores.commerce_score,
        scores.commerce_trend,
        scores.total_score,
        scores.total_change_7d,
        scores.total_change_30d,
        scores.total_trend,
        scores.top_reasons,
        brands.activity_group as brand_activity_group,
        brands.strong_brand_id,
        brands.target_brand_id,
        brands.target_reason,
        habits.discount_share,
        habits.premium_share,
        habits.clearance_share,
        habits.median_order_amount,
        habits.median_gap_days,
        habits.regularity,
        habits.returned_amount_share,
        behaviour.is_search_first,
        behaviour.search_first_share,
        behaviour.empty_search_count,
        behaviour.last_gone_product_id as last_searched_gone_product_id,
        behaviour.last_replacement_product_id as its_replacement_product_id,
        behaviour.main_referrer_class,
        behaviour.is_price_seeker,
        behaviour.last_abandoned_step,
        behaviour.last_abandoned_at,
        behaviour.likely_cause as likely_cause_of_abandoning,
        behaviour.accidental_click_count,
        behaviour.is_reader,
        intents.gift_share,
        intents.is_gift_only,
        intents.last_gift_on,
        intents.last_gift_occasion,
        intents.is_occasion_only,
        intents.only_occasion,
        intents.last_season_on,
        places.country,
        places.home_city,
        places.city_population as home_city_population,
        places.city_size as home_city_size,
        places.time_zone,
        places.nearest_store_id,
        places.nearest_store_km,
        places.is_in_reach,
        places.usual_store_id,
        places.moved_on,
        places.has_moved_away,
        times.best_hour,
        times.best_weekday,
        service.last_contact_at,
        service.last_contact_department,
        service.last_contact_channel,
        service.last_contact,
        service.open_case_count,
        service.open_case_since,
        service.open_case_topic,
        service.complaint_count,
        service.last_satisfaction,
        completeness.completeness,
        completeness.next_question,
        pressure.sent_7d,
        pressure.sent_30d,
        pressure.next_allowed_on as next_contact_allowed_on,
        tastes.favourite_category,
        tastes.favourite_product_brand,
        tastes.favourite_price_shelf,
        tastes.favourite_colour,
        channels.best_channel,
        channels.channels_to_skip,
        belongings.owned_product_count,
        belongings.in_warranty_count,
        belongings.succeeded_count,
        predictions.predicted_on,
        predictions.purchase_chance_30d,
        predictions.purchase_chance_90d,
        predictions.churn_risk,
        predictions.at_risk_on,
        predictions.next_purchase_on,
        predictions.expected_orders_365d,
        predictions.expected_amount_365d,
        recommendations.product_ids as recommended_product_ids,
        channel_choices.best_channel as selling_channel,
        channel_choices.channel_evidence
    from customers
    left join lifecycle on customers.customer_id = lifecycle.customer_id
    left join inactivity on customers.customer_id = inactivity.customer_id
    left join rfm on customers.customer_id = rfm.customer_id
    left join scores on customers.customer_id = scores.customer_id
    left join brands on customers.customer_id = brands.customer_id
    left join habits on customers.customer_id = habits.customer_id
    left join behaviour on customers.customer_id = behaviour.customer_id
    left join intents on customers.customer_id = intents.customer_id
    left join places on customers.customer_id = places.customer_id
    left join times on customers.customer_id = times.customer_id
    left join service on customers.customer_id = service.customer_id
    left join completeness on customers.customer_id = completeness.customer_id
    left join pressure on customers.customer_id = pressure.customer_id
    left join tastes on customers.customer_id = tastes.customer_id
    left join channels on customers.customer_id = channels.customer_id
    left join belongings on customers.customer_id = belongings.customer_id
    left join predictions on customers.customer_id = predictions.customer_id
    left join channel_choices on customers.customer_id = channel_choices.customer_id
    left join recommendations on customers.customer_id = recommendations.customer_id

)

select * from final
