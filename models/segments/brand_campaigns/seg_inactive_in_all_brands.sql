{#
    Grain: one row per member. Inactive in all brands: was active in a brand once, and is
    dormant in all of them.
#}
{{ config(meta={
    'title': 'Inactive in all brands',
    'kind': 'campaign',
    'owner': 'crm',
    'channels': ['email', 'direct_mail'],
    'suggested_action': 'Win back in the best brand of old, else let go'
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
        customers.first_seen_at,
        customers.last_order_at,
        brand_groups.activity_group,
        brand_groups.strong_brand_count,
        brand_groups.best_brand_id,
        brand_groups.dormant_brand_count
    from customers
    left join brand_groups on customers.customer_id = brand_groups.customer_id

),

final as (

    select
        customer_id,
        coalesce(last_order_at, first_seen_at) as entered_at,
        activity_group,
        dormant_brand_count,
        best_brand_id,
        last_order_at
    from evidence
    where activity_group = 'dormant_in_all'

)

select * from final
