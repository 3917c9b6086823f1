{#
    Grain: one row per line of an order, a receipt or a return; every line of the sources whose
    document is known, each in exactly one kind. revenue_amount is the line's part of revenue:
    summed over all lines it is the net_amount of all orders and of the returns without order.
#}
{{ config(materialized='view') }}

with lines as (

    select * from {{ ref('entity_sales_lines') }}

),

orders as (

    select * from {{ ref('orders') }}

),

returns as (

    select * from {{ ref('returns') }}

),

documents as (

    select
        order_id as document_key,
        order_id,
        cast(null as varchar) as return_id,
        customer_id,
        brand_id,
        channel,
        ordered_at as booked_at,
        ordered_at as converted_at,
        is_counted,
        currency,
        original_currency
    from orders
    union all
    select
        returns.return_id,
        returns.order_id,
        returns.return_id,
        returns.customer_id,
        returns.brand_id,
        'online',
        returns.returned_at,
        coalesce(orders.ordered_at, returns.returned_at),
        returns.is_counted,
        returns.currency,
        returns.original_currency
    from returns
    left join orders on returns.order_id = orders.order_id

),

rates as (

    select * from {{ ref('entity_exchange_rates') }}

),

final as (

    select
        lines.document_key || ':' || lines.line_no as order_line_id,
        documents.order_id,
        documents.return_id,
        documents.customer_id,
        documents.brand_id,
        documents.channel,
        documents.booked_at,
        lines.line_no,
        lines.product_key as product_id,
        lines.line_kind,
        lines.quantity,
        documents.currency,
        cast(lines.net_amount * coalesce(rates.rate, 1) as decimal(18, 4)) as net_amount,
        cast(
            case
                when documents.is_counted and lines.line_kind in ('merchandise', 'return')
                    then lines.net_amount * coalesce(rates.rate, 1)
                else 0
            end as decimal(18, 4)
        ) as revenue_amount,
        cast(lines.discount_amount * coalesce(rates.rate, 1) as decimal(18, 4))
            as discount_amount,
        documents.original_currency,
        lines.net_amount as original_net_amount
    from lines
    inner join documents on lines.document_key = documents.document_key
    left join rates
        on
            documents.original_currency = rates.currency
            and documents.converted_at >= rates.valid_from
            and documents.converted_at < rates.valid_until

)

select * from final
