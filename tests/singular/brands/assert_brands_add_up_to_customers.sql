{#
    What a customer did with the brands adds up to what marts.customers tells, and the group
    follows from the levels. A failing row is a kind of break with the number of customers:
    - sums: orders, revenue, times of orders, list or consent of the brands are not those of the
      customer.
    - group: activity_group or strong_brand_id is not what the levels of the brands say.
    - target: the customer is strong in it, or it is without a reason, or nobody deals with it.
#}
{{ config(meta={'dagster': {'ref': {'name': 'customer_brands'}}}) }}

with customers as (

    select * from {{ ref('customers') }}

),

brand_groups as (

    select * from {{ ref('customer_brand_groups') }}

),

by_customer as (

    select
        customer_id,
        sum(order_count) as order_count,
        sum(orders_365d) as orders_365d,
        sum(net_revenue) as net_revenue,
        min(first_order_at) as first_order_at,
        max(last_order_at) as last_order_at,
        count(case when order_count > 0 then 1 end) as brand_count,
        bool_or(is_subscribed) as is_subscribed,
        bool_or(has_email_consent) as has_email_consent,
        count(case when activity_level = 'strong' then 1 end) as strong_count,
        count(case when activity_level = 'weak' then 1 end) as weak_count,
        count(case when activity_level = 'dormant' then 1 end) as dormant_count,
        max(case when activity_level = 'strong' then brand_id end) as strong_brand_id
    from {{ ref('customer_brands') }}
    group by customer_id

),

strong_brands as (

    select * from {{ ref('customer_brands') }} where activity_level = 'strong'

),

known_brands as (

    select
        brand_id,
        count(*) as customer_count
    from {{ ref('customer_brands') }}
    group by brand_id

),

breaks as (

    select
        'sums' as problem,
        customers.customer_id
    from customers
    left join by_customer on customers.customer_id = by_customer.customer_id
    where
        customers.order_count <> coalesce(by_customer.order_count, 0)
        or customers.orders_365d <> coalesce(by_customer.orders_365d, 0)
        or customers.net_revenue <> coalesce(by_customer.net_revenue, 0)
        or customers.first_order_at is distinct from by_customer.first_order_at
        or customers.last_order_at is distinct from by_customer.last_order_at
        or customers.brand_count <> coalesce(by_customer.brand_count, 0)
        or customers.is_subscribed <> coalesce(by_customer.is_subscribed, false)
        or customers.has_email_consent <> coalesce(by_customer.has_email_consent, false)
    union all
    select
        'group' as problem,
        brand_groups.customer_id
    from brand_groups
    left join by_customer on brand_groups.customer_id = by_customer.customer_id
    where
        case brand_groups.activity_group
            when 'strong_in_several' then by_customer.strong_count > 1
            when 'strong_in_one' then by_customer.strong_count = 1
            when 'weak_in_all' then by_customer.strong_count = 0 and by_customer.weak_count > 0
            when 'dormant_in_all'
                then
                    by_customer.strong_count + by_customer.weak_count = 0
                    and by_customer.dormant_count > 0
            else
                coalesce(
                    by_customer.strong_count + by_customer.weak_count
                    + by_customer.dormant_count, 0
                ) = 0
        end is not true
        or (
            brand_groups.activity_group = 'strong_in_one'
            and brand_groups.strong_brand_id is distinct from by_customer.strong_brand_id
        )
    union all
    select
        'target' as problem,
        brand_groups.customer_id
    from brand_groups
    left join strong_brands
        on
            brand_groups.customer_id = strong_brands.customer_id
            and brand_groups.target_brand_id = strong_brands.brand_id
    left join known_brands on brand_groups.target_brand_id = known_brands.brand_id
    where
        brand_groups.target_brand_id is not null
        and (
            strong_brands.brand_id is not null
            or known_brands.brand_id is null
            or brand_groups.target_brand_id = brand_groups.best_brand_id
            or brand_groups.target_reason is null
        )

)

select
    problem,
    count(distinct customer_id) as customer_count
from breaks
group by problem
