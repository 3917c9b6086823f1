{#
    Grain: one row per line of a sales document, in the currency of the document.
    Goods taken back are returns wherever they are booked: a merchandise line of a return, or
    one of negative quantity on an order or receipt. Every line has exactly one kind.
#}
{{ config(unique_key=['document_key', 'line_no']) }}

with order_lines as (

    select * from {{ ref('stg_shop__order_lines') }} where {{ newly_loaded() }}

),

receipt_lines as (

    select * from {{ ref('stg_store__receipt_lines') }} where {{ newly_loaded() }}

),

returns as (

    select * from {{ ref('stg_shop__returns') }} where {{ newly_loaded() }}

),

systems as (

    select * from {{ ref('systems') }}

),

lines as (

    select
        {{ record_key('source_system', 'orders', 'order_id') }} as document_key,
        line_no,
        source_system,
        product_id,
        line_kind,
        quantity,
        discount_amount,
        net_amount,
        load_id
    from order_lines
    union all
    select
        {{ record_key('source_system', 'receipts', 'receipt_id') }} as document_key,
        line_no,
        source_system,
        product_id,
        line_kind,
        quantity,
        discount_amount,
        net_amount,
        load_id
    from receipt_lines
    union all
    select
        {{ record_key('source_system', 'returns', 'return_id') }} as document_key,
        line_no,
        source_system,
        product_id,
        case when line_kind = 'merchandise' then 'return' else line_kind end as line_kind,
        quantity,
        cast(null as decimal(18, 4)) as discount_amount,
        net_amount,
        load_id
    from returns

),

classified as (

    select
        lines.document_key,
        lines.line_no,
        coalesce(systems.product_system, lines.source_system)
        || ':' || lines.product_id as product_key,
        case
            when lines.line_kind = 'merchandise' and lines.quantity < 0 then 'return'
            else lines.line_kind
        end as line_kind,
        lines.quantity,
        lines.discount_amount,
        lines.net_amount,
        lines.load_id
    from lines
    left join systems on lines.source_system = systems.source_system

)

select * from classified
