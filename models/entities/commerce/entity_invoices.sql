{#
    Grain: one row per invoice of a system, its latest version. The order and the account are the
    shop's, whichever system issued the invoice (seeds/systems).
#}
{{ config(unique_key='invoice_key') }}

with invoices as (

    select * from {{ ref('stg_shop__invoices') }} where {{ newly_loaded() }}

),

systems as (

    select * from {{ ref('systems') }}

),

arrived as (

    select
        invoices.source_system || ':' || invoices.invoice_id as invoice_key,
        coalesce(systems.account_system, invoices.source_system)
        || ':orders:' || invoices.order_id as order_key,
        coalesce(systems.account_system, invoices.source_system)
        || ':accounts:' || invoices.account_id as record_key,
        invoices.brand_id,
        invoices.issued_at,
        invoices.version_at,
        upper(invoices.currency) as currency,
        invoices.amount,
        invoices.due_on,
        invoices.paid_at,
        invoices.load_id
    from invoices
    left join systems on invoices.source_system = systems.source_system

),

latest as (

    {{ latest_version('arrived', ['invoice_key']) }}

)

select * from latest
