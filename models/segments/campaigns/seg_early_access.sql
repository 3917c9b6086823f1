{#
    Grain: one row per member. Early access: a champion or loyal customer by RFM, who reads
    messages or visits these days, so that a day ahead is noticed.
#}
{{ config(meta={
    'title': 'Early access',
    'kind': 'campaign',
    'owner': 'crm',
    'channels': ['email', 'app_push'],
    'suggested_action': 'Open the sale or the new collection a day earlier'
}) }}

with customers as (

    {{ segment_base() }}

),

evidence as (

    select
        customer_id,
        last_order_at,
        rfm_segment,
        activity_30d,
        opens_30d,
        net_revenue
    from customers

),

final as (

    select
        customer_id,
        last_order_at as entered_at,
        rfm_segment,
        activity_30d,
        opens_30d,
        net_revenue
    from evidence
    where
        rfm_segment in ('champions', 'loyal_customers')
        and activity_30d >= {{ segment_limit('early_access', 'min_activity') }}

)

select * from final
