{#
    Grain: one row per buyer and brand, and one per buyer over all brands (brand_id NULL), as far as
    they were scored: by the last job predict that passed its gates. Who was merged or bought for the
    first time since then has a row when it has run again.
#}
{{ config(materialized='view') }}

with predictions as (

    select * from {{ source('predictions', 'customer_predictions') }}

),

customers as (

    select * from {{ ref('customers') }}

),

final as (

    select
        predictions.customer_id,
        predictions.brand_id,
        predictions.as_of as predicted_on,
        {{ as_of() }} - predictions.as_of as age_days,
        predictions.model_version,
        predictions.confidence,
        predictions.purchase_chance_30d,
        predictions.purchase_chance_60d,
        predictions.purchase_chance_90d,
        predictions.churn_risk,
        predictions.at_risk_on,
        predictions.alive_chance,
        predictions.next_purchase_earliest_on,
        predictions.next_purchase_on,
        predictions.next_purchase_latest_on,
        predictions.expected_orders_90d,
        predictions.expected_amount_90d,
        predictions.expected_orders_365d,
        predictions.expected_amount_365d,
        concat_ws(
            '; ',
            case
                when predictions.mean_gap_days is null
                    then 'bought once, ' || predictions.recency_days || ' days ago'
                else
                    'last purchase ' || predictions.recency_days || ' days ago, one every '
                    || cast(round(predictions.mean_gap_days) as integer) || ' days as a rule'
            end,
            'speaks for a purchase: ' || predictions.speaks_for,
            'speaks against: ' || predictions.speaks_against
        ) as reason
    from predictions
    inner join customers on predictions.customer_id = customers.customer_id
    where customers.erasure_requested_at is null

)

select * from final
