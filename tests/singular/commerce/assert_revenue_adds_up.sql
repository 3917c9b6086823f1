{#
    Revenue is one number wherever it is read. A failing row says which two tables differ, on how
    many rows and by how much in all:
    - order_lines: the revenue of an order's lines, returns that belong to it included, is the
      order's net_amount; the same for a return that stands alone. A converted amount is rounded
      to the fourth decimal once a line and once a document, so each may be half of that off.
    - customers: net_revenue and order_count are those of the customer's orders and returns,
      exactly: the same rounded amounts are added.
    - customer_rfm: over all brands and, when rfm_window_days is 0, over all of history, frequency
      and monetary are the same two numbers for every buyer.
#}
{{ config(meta={'dagster': {'ref': {'name': 'orders'}}}) }}

with orders as (

    select * from {{ ref('orders') }}

),

lone_returns as (

    select * from {{ ref('returns') }} where order_id is null

),

line_revenue as (

    select
        coalesce(order_id, return_id) as document_id,
        sum(revenue_amount) as revenue,
        count(*) as line_count
    from {{ ref('order_lines') }}
    group by coalesce(order_id, return_id)

),

document_revenue as (

    select
        order_id as document_id,
        customer_id,
        currency,
        net_amount as revenue,
        cast(is_counted as integer) as order_count
    from orders
    union all
    select
        return_id as document_id,
        customer_id,
        currency,
        case when is_counted then net_amount else 0 end as revenue,
        0 as order_count
    from lone_returns

),

customer_revenue as (

    select
        customer_id,
        sum(revenue) as revenue,
        sum(order_count) as order_count
    from document_revenue
    where customer_id is not null
    group by customer_id

),

customers as (

    select * from {{ ref('customers') }}

),

rfm as (

    select * from {{ ref('customer_rfm') }} where brand_id is null

),

differences as (

    select
        'order_lines' as table_name,
        document_revenue.currency,
        coalesce(line_revenue.revenue, 0) - coalesce(document_revenue.revenue, 0) as difference
    from document_revenue
    full outer join line_revenue on document_revenue.document_id = line_revenue.document_id
    where
        abs(coalesce(line_revenue.revenue, 0) - coalesce(document_revenue.revenue, 0))
        > 0.00005 * (coalesce(line_revenue.line_count, 0) + 1)
    union all
    select
        'customers' as table_name,
        cast(null as varchar) as currency,
        coalesce(customers.net_revenue, 0) - coalesce(customer_revenue.revenue, 0) as difference
    from customers
    full outer join customer_revenue on customers.customer_id = customer_revenue.customer_id
    where
        customers.customer_id is null
        or customers.net_revenue <> coalesce(customer_revenue.revenue, 0)
        or customers.order_count <> coalesce(customer_revenue.order_count, 0)
    union all
    select
        'customer_rfm' as table_name,
        cast(null as varchar) as currency,
        coalesce(rfm.monetary, 0) - customers.net_revenue as difference
    from customers
    left join rfm on customers.customer_id = rfm.customer_id
    where
        {{ var('rfm_window_days') }} = 0
        and customers.order_count > 0
        and (
            rfm.monetary is distinct from customers.net_revenue
            or rfm.frequency is distinct from customers.order_count
        )

)

select
    table_name,
    currency,
    count(*) as row_count,
    sum(difference) as difference
from differences
group by table_name, currency
