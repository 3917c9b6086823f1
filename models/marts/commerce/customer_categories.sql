{# Grain: one row per customer and top product category that the customer has bought from. #}
{{ config(
    materialized='incremental',
    incremental_strategy='by_customer',
    on_schema_change='fail',
    pre_hook=[
        "{{ touched_customers(by_customer=[ref('orders'), ref('lifecycle_schedule')]) }}",
        "{{ touch_customers_of_products(ref('product_traits')) }}"
    ]
) }}

with lines as (

    select * from {{ ref('entity_sales_lines') }} where line_kind = 'merchandise'

),

orders as (

    select * from {{ ref('orders') }}
    where
        is_counted and customer_id is not null
        {%- if is_incremental() %}
        and customer_id in (select touched.customer_id from touched_customers as touched)
        {%- endif %}

),

products as (

    select * from {{ ref('entity_products') }}

),

by_category as (

    select
        orders.customer_id,
        coalesce(products.category, 'unknown') as category,
        count(distinct orders.order_id) as order_count,
        cast(sum(lines.quantity) as decimal(18, 4)) as item_count
    from lines
    inner join orders on lines.document_key = orders.order_id
    left join products on lines.product_key = products.product_key
    group by orders.customer_id, coalesce(products.category, 'unknown')

),

final as (

    select
        customer_id,
        category,
        order_count,
        item_count,
        round(order_count / sum(order_count) over (partition by customer_id), 4) as order_share,
        row_number() over (
            partition by customer_id order by item_count desc, category asc
        ) as category_rank,
        {{ this_load() }} as load_id
    from by_category

)

select * from final
