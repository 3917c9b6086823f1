{#
    Grain: one row per member. One brand only: strong in a brand, has never bought from another,
    and something speaks for one of the others (marts.customer_brand_groups): the voucher is for
    that one.
#}
{{ config(meta={
    'title': 'One brand only',
    'kind': 'campaign',
    'owner': 'crm',
    'channels': ['email'],
    'suggested_action': 'Send a voucher for the other brand that fits best'
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
        customers.brand_count,
        brand_groups.strong_brand_id,
        brand_groups.target_brand_id,
        brand_groups.target_reason,
        brand_groups.target_affinity
    from customers
    left join brand_groups on customers.customer_id = brand_groups.customer_id

),

final as (

    select
        customer_id,
        last_order_at as entered_at,
        brand_count,
        strong_brand_id,
        target_brand_id,
        target_reason,
        target_affinity
    from evidence
    where
        brand_count = 1
        and strong_brand_id is not null
        and target_brand_id is not null

)

select * from final
