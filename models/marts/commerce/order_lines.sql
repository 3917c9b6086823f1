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

returned_orders as (

    -- Not the CTE orders: DuckDB writes a CTE that is read twice out in full for every query.
    select
        order_id,
        ordered_at
    from {{ ref('orders') }}

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
        not is_void as is_counted,
        currency,
        original_currency,
        load_id
    from orders
    union all
    select
        returns.return_id as document_key,
        returns.order_id,
        returns.return_id,
        returns.customer_id,
        returns.brand_id,
        'online' as channel,
        returns.returned_at as booked_at,
        coalesce(returned_orders.ordered_at, returns.returned_at) as converted_at,
        returns.is_counted,
        returns.currency,
        returns.original_currency,
        returns.load_id
    from returns
    left join returned_orders on returns.order_id = returned_orders.order_id

),

rates as (

    select * from {{ ref('entity_exchange_rates') }}

),

converted as (

    select
        documents.* exclude (load_id),
        lines.line_no,
        lines.product_key,
        lines.line_kind,
        lines.quantity,
        cast(lines.net_amount * coalesce(rates.rate, 1) as decimal(18, 4)) as net_amount,
        cast(lines.discount_amount * coalesce(rates.rate, 1) as decimal(18, 4))
            as discount_amount,
        lines.net_amount as original_net_amount,
        greatest(lines.load_id, documents.load_id) as load_id
    from lines
    inner join documents on lines.document_key = documents.document_key
    left join rates
        on
            documents.original_currency = rates.currency
            and documents.converted_at >= rates.valid_from
            and documents.converted_at < rates.valid_until

),

final as (

    select
        document_key || ':' || line_no as order_line_id,
        order_id,
        return_id,
        customer_id,
        brand_id,
        channel,
        booked_at,
        line_no,
        product_key as product_id,
        line_kind,
        quantity,
        currency,
        net_amount,
        case
            when is_counted and line_kind in ('merchandise', 'return') then net_amount
            else 0
        end as revenue_amount,
        discount_amount,
        original_currency,
        original_net_amount,
        load_id
    from converted

)

select * from final
