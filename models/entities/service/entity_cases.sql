{#
    Grain: one row per case, its latest version. record_key names the record of the person, which
    is the case itself for somebody who left but an e-mail or phone; NULL is nobody known.
#}
{{ config(unique_key='case_key') }}

with cases as (

    select * from {{ ref('stg_service__cases') }} where {{ newly_loaded() }}

),

systems as (

    select * from {{ ref('systems') }}

),

arrived as (

    select
        cases.source_system || ':' || cases.case_id as case_key,
        cases.source_system,
        cases.brand_id,
        {{ person_record(
            'cases',
            record_key('cases.source_system', 'cases', 'cases.case_id')
        ) }} as record_key,
        cases.opened_at,
        cases.version_at,
        cases.kind,
        cases.channel,
        cases.topic,
        cases.priority,
        cases.status,
        cases.closed_at,
        cases.resolution,
        cases.satisfaction,
        coalesce(systems.account_system, cases.source_system)
        || ':orders:' || cases.order_id as order_key,
        coalesce(systems.card_system, cases.source_system)
        || ':receipts:' || cases.receipt_id as receipt_key,
        coalesce(systems.product_system, cases.source_system)
        || ':' || cases.product_id as product_key,
        cases.load_id
    from cases
    left join systems on cases.source_system = systems.source_system

),

latest as (

    {{ latest_version('arrived', ['case_key']) }}

)

select * from latest
