{#
    Grain: one row per order of a shop and receipt of a till.
    net_amount is the one definition of revenue: merchandise after discounts, less what of it was
    given back, tax included, in the reporting currency; postage, charges and adjustments are no
    revenue. An order that is cancelled or a test is void: it is worth nothing. Only an
    order with merchandise is counted: it makes somebody a buyer. A receipt of goods taken back is
    not, and lowers revenue.
    An increment computes the orders that something was delivered for, those of records that
    moved, and all others of the same customers, whose order_number may be another.
#}
{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key='order_id',
    on_schema_change='fail'
) }}

with all_documents as (

    select * from {{ ref('entity_sales_documents') }}

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

brands as (

    select * from {{ ref('brands') }}

),

rates as (

    select * from {{ ref('entity_exchange_rates') }}

),

{% if is_incremental() -%}
changed_records as (

    select record_key from records where {{ newly_loaded() }}
    union
    select record_key from profiles where {{ newly_loaded() }}

),

changed_documents as (

    select document_key from all_documents where {{ newly_loaded() }}
    union
    select document_key from lines where {{ newly_loaded() }}
    union
    select all_documents.document_key
    from all_documents
    semi join changed_records on all_documents.record_key = changed_records.record_key

),

changed_orders as (

    select coalesce(all_documents.returned_order_key, all_documents.document_key) as order_id
    from all_documents
    semi join changed_documents on all_documents.document_key = changed_documents.document_key

),

changed_customers as (

    select records.customer_id
    from all_documents
    inner join records on all_documents.record_key = records.record_key
    semi join changed_orders on all_documents.document_key = changed_orders.order_id
    union
    select standing.customer_id
    from {{ this }} as standing
    semi join changed_orders on standing.order_id = changed_orders.order_id

),

touched_orders as (

    select order_id from changed_orders
    union
    select all_documents.document_key as order_id
    from all_documents
    inner join records on all_documents.record_key = records.record_key
    semi join changed_customers on records.customer_id = changed_customers.customer_id

),

documents as (

    select all_documents.*
    from all_documents
    semi join touched_orders
        on
            coalesce(all_documents.returned_order_key, all_documents.document_key)
            = touched_orders.order_id

),
{%- else -%}
documents as (

    select * from all_documents

),
{%- endif %}

document_amounts as (

    select
        lines.document_key,
        sum(case when lines.line_kind = 'merchandise' then lines.net_amount else 0 end)
            as merchandise_amount,
        sum(case when lines.line_kind = 'return' then lines.net_amount else 0 end)
            as returned_amount,
        sum(case when lines.line_kind = 'postage' then lines.net_amount else 0 end)
            as postage_amount,
        sum(case when lines.line_kind in ('charge', 'adjustment') then lines.net_amount else 0 end)
            as other_amount,
        sum(case when lines.line_kind = 'merchandise' then lines.discount_amount else 0 end)
            as discount_amount,
        sum(case when lines.line_kind = 'merchandise' then lines.quantity else 0 end)
            as item_count,
        count(case when lines.line_kind = 'merchandise' then 1 end) as merchandise_line_count,
        count(*) as line_count
    from lines
    semi join documents on lines.document_key = documents.document_key
    group by lines.document_key

),

returned_later as (

    select
        documents.returned_order_key as order_id,
        documents.currency,
        sum(document_amounts.returned_amount) as returned_amount
    from documents
    inner join document_amounts on documents.document_key = document_amounts.document_key
    where documents.returned_order_key is not null
    group by documents.returned_order_key, documents.currency

),

valued as (

    select
        documents.document_key as order_id,
        records.customer_id,
        documents.brand_id,
        case when documents.source_entity = 'receipts' then 'store' else 'online' end as channel,
        documents.store_key as store_id,
        documents.happened_at as ordered_at,
        {{ local_date('documents.happened_at', 'brands.time_zone') }} as ordered_on,
        documents.status,
        documents.coupon_code,
        documents.is_gift_wrapped,
        documents.has_gift_message,
        documents.is_sent_elsewhere,
        case
            when documents.source_entity = 'orders'
                then not (
                    starts_with(
                        {{ plain_text('documents.recipient_name') }},
                        left({{ plain_text('profiles.first_name') }}, 1)
                    )
                    and ends_with(
                        {{ plain_text('documents.recipient_name') }},
                        ' ' || {{ plain_text('profiles.last_name') }}
                    )
                    or starts_with(
                        {{ plain_text('documents.recipient_name') }},
                        {{ plain_text('profiles.last_name') }} || ' '
                        || left({{ plain_text('profiles.first_name') }}, 1)
                    )
                )
        end as has_other_recipient,
        documents.is_test or coalesce(profiles.is_test, false) as is_test,
        case
            when rates.rate is null then documents.currency
            else '{{ var("reporting_currency") }}'
        end as currency,
        coalesce(rates.rate, 1) as rate,
        documents.currency as original_currency,
        coalesce(document_amounts.merchandise_amount, 0) as merchandise_amount,
        coalesce(document_amounts.returned_amount, 0)
        + coalesce(returned_later.returned_amount, 0) as returned_amount,
        coalesce(document_amounts.postage_amount, 0) as postage_amount,
        coalesce(document_amounts.other_amount, 0) as other_amount,
        coalesce(document_amounts.discount_amount, 0) as discount_amount,
        coalesce(document_amounts.item_count, 0) as item_count,
        coalesce(document_amounts.merchandise_line_count, 0) as merchandise_line_count,
        coalesce(document_amounts.line_count, 0) as line_count,
        documents.source_system,
        documents.source_entity,
        documents.source_record_id
    from documents
    left join document_amounts on documents.document_key = document_amounts.document_key
    left join returned_later
        on
            documents.document_key = returned_later.order_id
            and documents.currency = returned_later.currency
    left join records on documents.record_key = records.record_key
    left join profiles on documents.record_key = profiles.record_key
    left join brands on documents.brand_id = brands.brand_id
    left join rates
        on
            documents.currency = rates.currency
            and documents.happened_at >= rates.valid_from
            and documents.happened_at < rates.valid_until
    where documents.source_entity <> 'returns'

),

counted as (

    select
        *,
        status = 'cancelled' or is_test as is_void,
        status <> 'cancelled' and not is_test and merchandise_amount > 0 as is_counted
    from valued

),

final as (

    select
        order_id,
        customer_id,
        brand_id,
        channel,
        store_id,
        ordered_at,
        ordered_on,
        status,
        is_counted,
        is_void,
        is_test,
        case
            when is_counted and customer_id is not null
                then row_number() over (
                    partition by customer_id, is_counted order by ordered_at, order_id
                )
        end as order_number,
        currency,
        cast(
            case when is_void then 0 else (merchandise_amount + returned_amount) * rate end
            as decimal(18, 4)
        ) as net_amount,
        cast(merchandise_amount * rate as decimal(18, 4)) as merchandise_amount,
        cast(returned_amount * rate as decimal(18, 4)) as returned_amount,
        cast(postage_amount * rate as decimal(18, 4)) as postage_amount,
        cast(other_amount * rate as decimal(18, 4)) as other_amount,
        cast(discount_amount * rate as decimal(18, 4)) as discount_amount,
        original_currency,
        cast(
            case when is_void then 0 else merchandise_amount + returned_amount end
            as decimal(18, 4)
        ) as original_net_amount,
        cast(item_count as decimal(18, 4)) as item_count,
        merchandise_line_count,
        line_count,
        coupon_code,
        is_gift_wrapped,
        has_gift_message,
        is_sent_elsewhere,
        has_other_recipient,
        source_system,
        source_entity,
        source_record_id,
        {{ this_load() }} as load_id
    from counted

)

select * from final
