{#
    Grain: one row per return document. net_amount is negative: what was given back of goods. A
    return belongs to the order that it names if that is known and of the same currency: it then
    counts unless its order is void, at the rate of the order, so that an order taken back in full
    is worth nothing. Any other return stands alone and counts unless it is a test.
#}
with documents as (

    select * from {{ ref('entity_sales_documents') }} where source_entity = 'returns'

),

lines as (

    select * from {{ ref('entity_sales_lines') }}

),

records as (

    select * from {{ ref('identity_records') }}

),

profiles as (

    select * from {{ ref('entity_profiles') }}

),

orders as (

    select * from {{ ref('orders') }}

),

brands as (

    select * from {{ ref('brands') }}

),

rates as (

    select * from {{ ref('entity_exchange_rates') }}

),

amounts as (

    select
        lines.document_key,
        sum(case when lines.line_kind = 'return' then lines.net_amount else 0 end)
            as net_amount,
        count(*) as line_count,
        max(lines.load_id) as load_id
    from lines
    semi join documents on lines.document_key = documents.document_key
    group by lines.document_key

),

final as (

    select
        documents.document_key as return_id,
        orders.order_id,
        coalesce(records.customer_id, orders.customer_id) as customer_id,
        documents.brand_id,
        documents.happened_at as returned_at,
        {{ local_date('documents.happened_at', 'brands.time_zone') }} as returned_on,
        not coalesce(orders.is_void, profiles.is_test, false) as is_counted,
        case
            when rates.rate is null then documents.currency
            else '{{ var("reporting_currency") }}'
        end as currency,
        cast(amounts.net_amount * coalesce(rates.rate, 1) as decimal(18, 4)) as net_amount,
        documents.currency as original_currency,
        cast(amounts.net_amount as decimal(18, 4)) as original_net_amount,
        amounts.line_count,
        documents.source_system,
        documents.source_record_id,
        greatest(
            documents.load_id, amounts.load_id, orders.load_id, records.load_id, profiles.load_id
        ) as load_id
    from documents
    inner join amounts on documents.document_key = amounts.document_key
    left join orders
        on
            documents.returned_order_key = orders.order_id
            and documents.currency = orders.original_currency
    left join records on documents.record_key = records.record_key
    left join profiles on documents.record_key = profiles.record_key
    left join brands on documents.brand_id = brands.brand_id
    left join rates
        on
            documents.currency = rates.currency
            and coalesce(orders.ordered_at, documents.happened_at) >= rates.valid_from
            and coalesce(orders.ordered_at, documents.happened_at) < rates.valid_until

)

select * from final
