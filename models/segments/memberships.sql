{#
    Grain: one row per segment and member on the as-of day. entered_at is the moment of the
    customer's own latest event that made the condition true; it follows from the sources, so
    that a rebuild says the same. A new segment model joins the list below.
#}
{{ config(materialized='table', post_hook="{{ seed_segment_views() }}") }}
-- depends_on: {{ ref('lifecycle_stages') }}, {{ ref('rfm_segments') }}, {{ ref('customer_rfm') }}
{%- set segment_models = [
    'new_buyer', 'high_value_buyer', 'losing_buyer', 'vanished_buyer',
    'abandoned_cart', 'birthday'
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
