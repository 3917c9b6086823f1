{#
    Grain: one row per segment and member on the as-of day. entered_at is the moment of the
    customer's own latest event that made the condition true; it follows from the sources, so
    that a rebuild says the same. A new segment model joins the list below.
#}
{{ config(materialized='table', post_hook="{{ seed_segment_views() }}") }}
-- depends_on: {{ ref('lifecycle_stages') }}, {{ ref('rfm_segments') }}, {{ ref('customer_rfm') }}
{%- set segment_models = [
    'new_buyer', 'high_value_buyer', 'losing_buyer', 'vanished_buyer', 'stylish_buyer',
    'practical_buyer', 'discount_buyer', 'welcome', 'abandoned_cart', 'abandoned_checkout',
    'review_request', 'thanks', 'cross_sell', 'up_sell', 'price_seekers',
    'new_in_favourite_category', 'loyalty_candidates', 'birthday', 'name_day', 'early_access',
    'premium_buyers', 'post_holiday_gift_givers', 'post_holiday_self_buyers', 'onboarding',
    'accessory_offer', 'care_advice', 'warranty_ending', 'replacement',
    'first_right_to_new_model', 'best_of_several_brands', 'one_brand_only',
    'inactive_in_all_brands', 'sunset', 'moved_away', 'deliverability', 'reactivation_declared',
    'reactivation_service_problem', 'reactivation_moved', 'reactivation_stock_out',
    'reactivation_offer_mismatch', 'reactivation_price', 'reactivation_gift_only',
    'reactivation_accidental_click', 'reactivation_one_and_done'
] %}

with customers as (

    {{ segment_base() }}

),

lifecycle as (

    select * from {{ ref('customer_lifecycle') }}

),

final as (

    select
        'lifecycle_' || lifecycle.stage as segment_id,
        customers.customer_id,
        lifecycle.stage_since as entered_at
    from customers
    inner join lifecycle on customers.customer_id = lifecycle.customer_id
    union all
    select
        'rfm_' || rfm_segment as segment_id,
        customer_id,
        last_order_at as entered_at
    from customers
    where rfm_segment <> 'prospect'
    {%- for segment in segment_models %}
    union all
    select
        '{{ segment }}' as segment_id,
        customer_id,
        entered_at
    from {{ ref('seg_' ~ segment) }}
    {%- endfor %}

)

select * from final
