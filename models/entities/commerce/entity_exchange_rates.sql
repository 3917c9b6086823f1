{# Grain: one row per currency and span of days in which a rate to the reporting currency holds. #}
{{ config(materialized='view') }}

with rates as (

    select * from {{ ref('exchange_rates') }}

),

spans as (

    select
        currency,
        rate,
        valid_from,
        lead(valid_from, 1, date '9999-12-31') over (
            partition by currency order by valid_from
        ) as valid_until
    from rates

)

select * from spans
