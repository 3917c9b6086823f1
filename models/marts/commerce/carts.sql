{#
    Grain: one row per cart of a shop, with what was put into it in the reporting currency. The
    customer is that of the account or address, otherwise of the cookie where it belongs to one
    customer alone.
#}
{{ config(materialized='view') }}

with carts as (

    select * from {{ ref('entity_carts') }}

),

lines as (

    select * from {{ ref('entity_cart_lines') }}

),

systems as (

    select * from {{ ref('systems') }}

),

rates as (

    select * from {{ ref('entity_exchange_rates') }}

),

records as (

    select * from {{ ref('identity_records') }}

),

cookies as (

    select * from {{ ref('identity_cookies') }}

),

amounts as (

    select
        cart_key,
        count(*) as line_count,
        sum(quantity) as item_count,
        sum(quantity * unit_price) as amount,
        max(load_id) as load_id
    from lines
    group by cart_key

),

final as (

    select
        carts.cart_key as cart_id,
        coalesce(records.customer_id, cookies.customer_id) as customer_id,
        carts.brand_id,
        carts.created_at,
        carts.version_at as updated_at,
        carts.status,
        carts.order_key as order_id,
        carts.checkout_step,
        carts.problem,
        coalesce(amounts.line_count, 0) as line_count,
        cast(coalesce(amounts.item_count, 0) as decimal(18, 4)) as item_count,
        case
            when rates.rate is null then carts.currency
            else '{{ var("reporting_currency") }}'
        end as currency,
        cast(amounts.amount * coalesce(rates.rate, 1) as decimal(18, 4)) as amount,
        greatest(carts.load_id, amounts.load_id, records.load_id, cookies.load_id) as load_id
    from carts
    left join amounts on carts.cart_key = amounts.cart_key
    left join records on carts.record_key = records.record_key
    left join systems on carts.source_system = systems.source_system
    left join cookies
        on
            coalesce(systems.account_system, carts.source_system)
            || ':' || carts.visitor_id = cookies.cookie
    left join rates
        on
            carts.currency = rates.currency
            and carts.created_at >= rates.valid_from
            and carts.created_at < rates.valid_until

)

select * from final
