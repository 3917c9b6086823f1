{#
    Grain: one row per buyer and brand, and one per buyer over all brands (brand_id NULL).
    As the last job predict that passed its gates scored them. Who was merged or bought for the
    first time since then is scored here, by the formula of MBG/NBD alone with the numbers that the
    champion has learnt: confidence formula, chances and nothing else, until the job has run again.
#}
{{ config(materialized='view') }}

with predictions as (

    select * from {{ source('predictions', 'customer_predictions') }}

),

parameters as (

    select * from {{ source('predictions', 'purchase_parameters') }}

),

customers as (

    select * from {{ ref('customers') }} where erasure_requested_at is null

),

orders as (

    select * from {{ ref('orders') }}
    where
        not is_test
        and not is_void
        and merchandise_amount > 0
        and customer_id is not null

),

scopes as (

    select
        brand_id,
        max(model_version) as model_version
    from parameters
    group by brand_id

),

unseen_purchases as (

    select
        orders.customer_id,
        cast(null as varchar) as brand_id,
        orders.ordered_on
    from orders
    left join predictions
        on orders.customer_id = predictions.customer_id and predictions.brand_id is null
    where predictions.customer_id is null
    union all
    select
        orders.customer_id,
        orders.brand_id,
        orders.ordered_on
    from orders
    left join predictions
        on
            orders.customer_id = predictions.customer_id
            and orders.brand_id = predictions.brand_id
    where predictions.customer_id is null and orders.brand_id is not null

),

purchase_days as (

    select
        unseen_purchases.customer_id,
        unseen_purchases.brand_id,
        scopes.model_version,
        unseen_purchases.ordered_on
    from unseen_purchases
    inner join scopes on unseen_purchases.brand_id is not distinct from scopes.brand_id
    group by
        unseen_purchases.customer_id,
        unseen_purchases.brand_id,
        scopes.model_version,
        unseen_purchases.ordered_on

),

histories as (

    select
        customer_id,
        brand_id,
        model_version,
        count(*) - 1 as repeat_days,
        max(ordered_on) - min(ordered_on) as active_days,
        {{ as_of() }} - min(ordered_on) as tenure_days,
        {{ as_of() }} - max(ordered_on) as recency_days
    from purchase_days
    group by customer_id, brand_id, model_version

),

formula_chances as (

    select
        histories.customer_id,
        histories.brand_id,
        histories.model_version,
        histories.recency_days,
        case
            when histories.repeat_days > 0
                then cast(histories.active_days as double) / histories.repeat_days
        end as mean_gap_days,
        parameters.horizon_days,
        {{ alive_chance('histories', 'parameters') }} as alive_chance,
        {{ purchase_chance('histories', 'parameters') }} as chance
    from histories
    inner join parameters on histories.brand_id is not distinct from parameters.brand_id

),

formula_predictions as (

    select
        customer_id,
        brand_id,
        model_version,
        recency_days,
        mean_gap_days,
        alive_chance,
        max(case when horizon_days = 30 then chance end) as purchase_chance_30d,
        max(case when horizon_days = 60 then chance end) as purchase_chance_60d,
        max(case when horizon_days = 90 then chance end) as purchase_chance_90d
    from formula_chances
    group by customer_id, brand_id, model_version, recency_days, mean_gap_days, alive_chance

),

all_predictions as (

    select
        customer_id,
        brand_id,
        as_of,
        model_version,
        confidence,
        purchase_chance_30d,
        purchase_chance_60d,
        purchase_chance_90d,
        churn_risk,
        at_risk_on,
        alive_chance,
        next_purchase_earliest_on,
        next_purchase_on,
        next_purchase_latest_on,
        expected_orders_90d,
        expected_amount_90d,
        expected_orders_365d,
        expected_amount_365d,
        recency_days,
        mean_gap_days,
        speaks_for,
        speaks_against
    from predictions
    union all
    select
        customer_id,
        brand_id,
        {{ as_of() }} as as_of,
        model_version,
        'formula' as confidence,
        purchase_chance_30d,
        purchase_chance_60d,
        purchase_chance_90d,
        1 - purchase_chance_90d as churn_risk,
        null as at_risk_on,
        alive_chance,
        null as next_purchase_earliest_on,
        null as next_purchase_on,
        null as next_purchase_latest_on,
        null as expected_orders_90d,
        null as expected_amount_90d,
        null as expected_orders_365d,
        null as expected_amount_365d,
        recency_days,
        mean_gap_days,
        null as speaks_for,
        null as speaks_against
    from formula_predictions

),

final as (

    select
        all_predictions.customer_id,
        all_predictions.brand_id,
        all_predictions.as_of as predicted_on,
        {{ as_of() }} - all_predictions.as_of as age_days,
        all_predictions.model_version,
        all_predictions.confidence,
        all_predictions.purchase_chance_30d,
        all_predictions.purchase_chance_60d,
        all_predictions.purchase_chance_90d,
        all_predictions.churn_risk,
        all_predictions.at_risk_on,
        all_predictions.alive_chance,
        all_predictions.next_purchase_earliest_on,
        all_predictions.next_purchase_on,
        all_predictions.next_purchase_latest_on,
        all_predictions.expected_orders_90d,
        all_predictions.expected_amount_90d,
        all_predictions.expected_orders_365d,
        all_predictions.expected_amount_365d,
        concat_ws(
            '; ',
            case
                when all_predictions.mean_gap_days is null
                    then 'bought once, ' || all_predictions.recency_days || ' days ago'
                else
                    'last purchase ' || all_predictions.recency_days || ' days ago, one every '
                    || cast(round(all_predictions.mean_gap_days) as integer) || ' days as a rule'
            end,
            'speaks for a purchase: ' || all_predictions.speaks_for,
            'speaks against: ' || all_predictions.speaks_against
        ) as reason
    from all_predictions
    inner join customers on all_predictions.customer_id = customers.customer_id

)

select * from final
