{#
    Grain: one row per sales document: an order of a shop, a receipt of a till, a return.
    record_key names the record of the person behind it: the account or the loyalty card, the
    order itself for a guest who left an identifier; NULL is nobody known.
#}
{{ config(unique_key='document_key') }}

with orders as (

    select * from {{ ref('stg_shop__orders') }} where {{ newly_loaded() }}

),

receipts as (

    select * from {{ ref('stg_store__receipts') }} where {{ newly_loaded() }}

),

arrived_returns as (

    select
        source_system,
        return_id
    from {{ ref('stg_shop__returns') }}
    where {{ newly_loaded() }}
    group by source_system, return_id

),

returns as (

    -- All lines of the returns that got new ones: a line that is delivered later adds to its
    -- return and replaces nothing.
    select returned.*
    from {{ ref('stg_shop__returns') }} as returned
    semi join arrived_returns
        on
            returned.source_system = arrived_returns.source_system
            and returned.return_id = arrived_returns.return_id

),

systems as (

    select * from {{ ref('systems') }}

),

return_documents as (

    select
        source_system,
        return_id,
        min(brand_id) as brand_id,
        min(returned_at) as returned_at,
        max(returned_at) as version_at,
        min(currency) as currency,
        min(order_id) as order_id,
        min(account_id) as account_id,
        max(load_id) as load_id
    from returns
    group by source_system, return_id

),

arrived as (

    select
        {{ record_key('source_system', 'orders', 'order_id') }} as document_key,
        source_system,
        'orders' as source_entity,
        order_id as source_record_id,
        brand_id,
        ordered_at as happened_at,
        version_at,
        status,
        is_test,
        upper(currency) as currency,
        coupon_code,
        is_gift_wrapped,
        has_gift_message,
        recipient_name,
        coalesce(
            delivery_postal_code <> postal_code or delivery_country <> country, false
        ) as is_sent_elsewhere,
        cast(null as varchar) as store_key,
        cast(null as varchar) as returned_order_key,
        case
            when account_id is not null
                then {{ record_key('source_system', 'accounts', 'account_id') }}
            when coalesce(email, phone, visitor_id) is not null
                then {{ record_key('source_system', 'orders', 'order_id') }}
        end as record_key,
        load_id
    from orders
    union all
    select
        {{ record_key('receipts.source_system', 'receipts', 'receipts.receipt_id') }}
            as document_key,
        receipts.source_system,
        'receipts' as source_entity,
        receipts.receipt_id as source_record_id,
        receipts.brand_id,
        receipts.purchased_at as happened_at,
        receipts.purchased_at as version_at,
        'completed' as status,
        receipts.is_test,
        upper(receipts.currency) as currency,
        null as coupon_code,
        null as is_gift_wrapped,
        null as has_gift_message,
        null as recipient_name,
        null as is_sent_elsewhere,
        receipts.source_system || ':' || receipts.store_id as store_key,
        null as returned_order_key,
        coalesce(systems.card_system, receipts.source_system)
        || ':loyalty_cards:' || receipts.card_id as record_key,
        receipts.load_id
    from receipts
    left join systems on receipts.source_system = systems.source_system
    union all
    select
        {{ record_key('source_system', 'returns', 'return_id') }} as document_key,
        source_system,
        'returns' as source_entity,
        return_id as source_record_id,
        brand_id,
        returned_at as happened_at,
        version_at,
        'completed' as status,
        false as is_test,
        upper(currency) as currency,
        null as coupon_code,
        null as is_gift_wrapped,
        null as has_gift_message,
        null as recipient_name,
        null as is_sent_elsewhere,
        null as store_key,
        {{ record_key('source_system', 'orders', 'order_id') }} as returned_order_key,
        {{ record_key('source_system', 'accounts', 'account_id') }} as record_key,
        load_id
    from return_documents

),

latest as (

    {{ latest_version('arrived', ['document_key']) }}

)

select * from latest
