{#
    Grain: one row per segment and member on the as-of day. Since when somebody is a member is in
    membership_history, why in the view of the segment.
#}
{{ config(materialized='table', post_hook="{{ seed_segment_views() }}") }}
-- depends_on: {{ ref('lifecycle_stages') }}, {{ ref('rfm_segments') }}, {{ ref('customer_rfm') }}

with customers as (

    {{ segment_base() }}

),

lifecycle as (

    select * from {{ ref('customer_lifecycle') }}

),

final as (

    select
        'lifecycle_' || lifecycle.stage as segment_id,
        customers.customer_id
    from customers
    inner join lifecycle on customers.customer_id = lifecycle.customer_id
    union all
    select
        'rfm_' || rfm_segment as segment_id,
        customer_id
    from customers
    where rfm_segment <> 'prospect'
    {%- for segment in segment_models() %}
    union all
    select
        '{{ segment }}' as segment_id,
        customer_id
    from {{ ref('seg_' ~ segment) }}
    {%- endfor %}
    union all
    select
        segment_id,
        customer_id
    from {{ ref('rule_memberships') }}

)

select * from final
