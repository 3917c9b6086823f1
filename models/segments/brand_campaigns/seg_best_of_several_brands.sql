{#
    Grain: one row per member. Best of several brands: strong in two brands or more
    (seeds/brand_activity_levels).
#}
{{ config(meta={
    'title': 'Best of several brands',
    'kind': 'campaign',
    'owner': 'crm',
    'channels': ['email', 'phone'],
    'suggested_action': 'Treat as a customer of the group: one programme, one adviser'
}) }}

with customers as (

    {{ segment_base() }}

),

brand_groups as (

    select * from {{ ref('customer_brand_groups') }}

),

evidence as (

    select
        customers.customer_id,
        customers.last_order_at,
        brand_groups.activity_group,
        brand_groups.strong_brand_count,
        brand_groups.best_brand_id,
        customers.net_revenue
    from customers
    left join brand_groups on customers.customer_id = brand_groups.customer_id

),

final as (

    select
        customer_id,
        last_order_at as entered_at,
        activity_group,
        strong_brand_count,
        best_brand_id,
        net_revenue
    from evidence
    where strong_brand_count >= {{ segment_limit('best_of_several_brands', 'min_strong_brands') }}

)

select * from final
