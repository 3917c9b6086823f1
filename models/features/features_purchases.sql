{#
    Grain: one row per order that makes somebody a buyer, also one that was cancelled later, with
    the days between which it was known.
    A prediction for a day may know only what was known on it: not an order that a file of a later
    day delivered, and an order that was cancelled later as it stood. What was delivered as history,
    without a day, is taken as known when it happened.
#}
with orders as (

    select * from {{ ref('orders') }}
    where
        not is_test
        and merchandise_amount > 0
        and customer_id is not null

),

documents as (

    select * from {{ ref('entity_sales_documents') }}

),

deliveries as (

    select
        {{ record_key('source_system', 'orders', 'order_id') }} as order_id,
        min(coalesce(_delivered_on, date '0001-01-01')) as delivered_on
    from {{ source('shop', 'orders') }}
    group by source_system, order_id
    union all
    select
        {{ record_key('source_system', 'receipts', 'receipt_id') }} as order_id,
        min(coalesce(_delivered_on, date '0001-01-01')) as delivered_on
    from {{ source('store', 'receipts') }}
    group by source_system, receipt_id

),

final as (

    select
        orders.order_id,
        documents.record_key,
        orders.customer_id,
        orders.brand_id,
        orders.ordered_on,
        greatest(orders.ordered_on, coalesce(deliveries.delivered_on, orders.ordered_on))
            as known_on,
        case when orders.is_void then cast(documents.version_at as date) end as cancelled_on,
        orders.channel,
        orders.merchandise_amount,
        orders.discount_amount,
        orders.item_count
    from orders
    inner join documents on orders.order_id = documents.document_key
    left join deliveries on orders.order_id = deliveries.order_id

)

select * from final
