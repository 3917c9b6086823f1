{#
    Grain: one row per combination of main brand, stage, favourite category and favourite price
    shelf that at least one customer is in.
#}
{{ config(materialized='table') }}

with customers as (

    select * from {{ ref('customer_micro_segments') }}

),

counted as (

    select
        micro_segment_id,
        main_brand_id,
        lifecycle_stage,
        favourite_category,
        favourite_price_shelf,
        count(*) as customer_count,
        sum(net_revenue) as net_revenue
    from customers
    group by
        micro_segment_id, main_brand_id, lifecycle_stage, favourite_category, favourite_price_shelf

),

totals as (

    select
        sum(customer_count) as customer_count,
        sum(net_revenue) as net_revenue
    from counted

),

final as (

    select
        counted.micro_segment_id,
        counted.main_brand_id,
        counted.lifecycle_stage,
        counted.favourite_category,
        counted.favourite_price_shelf,
        counted.customer_count,
        round(counted.customer_count / totals.customer_count, 6) as share,
        rank() over (order by counted.customer_count desc) as size_rank,
        cast(counted.net_revenue as decimal(18, 4)) as net_revenue,
        round(counted.net_revenue / nullif(totals.net_revenue, 0), 6) as revenue_share,
        rank() over (order by counted.net_revenue desc) as revenue_rank
    from counted
    cross join totals

)

select * from final
