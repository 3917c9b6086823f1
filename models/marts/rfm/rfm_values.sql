{#
    Grain: one row per buyer, brand (NULL over all brands) and month in which what RFM scores
    changed, with the values of the end of that month; of the as-of day in its month.
    An order counts from the day it was known, a return from its own day on: what a month ended
    with does not change when goods come back later. With rfm_window_days both leave together,
    so many days after the order. Recency knows no window. Who never bought has no row.
    Without a window nothing here depends on the as-of day, and an increment computes whom
    something happened to. The schedule of the lifecycle knows, too, who lost an order.
#}
{{ config(
    materialized='table' if var('rfm_window_days') else 'incremental',
    incremental_strategy='by_customer',
    on_schema_change='fail',
    pre_hook="{{ touched_customers(
        by_customer=[ref('orders'), ref('returns'), ref('lifecycle_schedule')]
    ) }}"
) }}

with orders as (

    select * from {{ ref('orders') }}
    {%- if is_incremental() %}
    where customer_id in (select touched.customer_id from touched_customers as touched)
    {%- endif %}

),

returns as (

    select * from {{ ref('returns') }} where is_counted

),

returned as (

    select
        order_id,
        sum(net_amount) as net_amount
    from returns
    where order_id is not null
    group by order_id

),

bookings as (

    select
        orders.customer_id,
        orders.brand_id,
        cast(orders.ordered_at as date) as known_on,
        orders.ordered_on as booked_on,
        case when orders.is_counted then orders.ordered_on end as order_on,
        cast(orders.is_counted as integer) as order_count,
        coalesce(orders.net_amount, 0) - coalesce(returned.net_amount, 0) as net_amount
    from orders
    left join returned on orders.order_id = returned.order_id
    where orders.customer_id is not null
    union all
    select
        case when returns.order_id is null then returns.customer_id else orders.customer_id end
            as customer_id,
        coalesce(orders.brand_id, returns.brand_id) as brand_id,
        cast(returns.returned_at as date) as known_on,
        coalesce(orders.ordered_on, returns.returned_on) as booked_on,
        null as order_on,
        0 as order_count,
        returns.net_amount
    from returns
    left join orders on returns.order_id = orders.order_id

),

movements as (

    select
        customer_id,
        brand_id,
        known_on as moved_on,
        order_on,
        order_count,
        net_amount
    from bookings
    where
        customer_id is not null
        {%- if is_incremental() %}
        and customer_id in (select touched.customer_id from touched_customers as touched)
        {%- endif %}
    {%- if var('rfm_window_days') != 0 %}
    union all
    select
        customer_id,
        brand_id,
        greatest(known_on, booked_on + {{ var('rfm_window_days') }}) as moved_on,
        null as order_on,
        -order_count as order_count,
        -net_amount as net_amount
    from bookings
    where
        customer_id is not null
        and booked_on + {{ var('rfm_window_days') }} <= {{ as_of() }}
    {%- endif %}

),

by_brand as (

    select
        customer_id,
        brand_id,
        cast(date_trunc('month', moved_on) as date) as from_month,
        max(order_on) as last_order_on,
        sum(order_count) as order_count,
        sum(net_amount) as net_amount
    from movements
    group by customer_id, brand_id, cast(date_trunc('month', moved_on) as date)

),

by_customer as (

    select * from by_brand
    union all
    select
        customer_id,
        null as brand_id,
        from_month,
        max(last_order_on) as last_order_on,
        sum(order_count) as order_count,
        sum(net_amount) as net_amount
    from by_brand
    group by customer_id, from_month

),

running as (

    select
        customer_id,
        brand_id,
        from_month,
        lead(from_month) over so_far as until_month,
        max(last_order_on) over so_far as last_order_on,
        sum(order_count) over so_far as frequency,
        sum(net_amount) over so_far as monetary
    from by_customer
    window so_far as (partition by customer_id, brand_id order by from_month)

),

final as (

    select
        customer_id,
        brand_id,
        from_month,
        until_month,
        last_order_on,
        cast(frequency as bigint) as frequency,
        cast(monetary as decimal(18, 4)) as monetary,
        {{ this_load() }} as load_id
    from running
    where last_order_on is not null

)

select * from final
