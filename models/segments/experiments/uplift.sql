{#
    Grain: one row per experiment, arm that is not the control, segment and outcome: how much more
    the arm did than the control, with the interval in which the true difference lies in 95 of 100
    such experiments.
    Everybody who was assigned counts, whether a message reached them or not: to leave some out
    would compare people who differ. Outcomes are those of outcome_days after the exposure
    (segments.experiment_exposures). Customers whose days are not over are not counted yet.
    visit: customers with a web session, in percent. conversion: customers with a counted order, in
    percent. spend: net amount of counted orders per customer, who bought or not.
    Segments are those of the moment of exposure, and no later ones, which the message itself may
    have changed: the lifecycle stage by its history, the RFM segment of the month end before, the
    stratum of the draw.
    difference: p1 - p0 of two rates p = x / n, or of two means.
    standard_error: sqrt(v1 / n1 + v0 / n0), unpooled; v = p * (1 - p), the sample variance of spend.
    interval: of rates Newcombe's, of spend difference +- t * standard_error with Welch's degrees of
    freedom (macros/statistics).
    detectable_difference: half of the interval * (z + z of the power) / z; a true difference of
    that size is found four times of five.
    Where one side has fewer than min_customers nothing is said: the formulas need many.
#}
{{ config(materialized='table') }}

with exposures as (

    select * from {{ ref('experiment_exposures') }} where is_complete

),

arms as (

    select * from {{ ref('experiment_arms') }}

),

sessions as (

    select * from {{ ref('web_sessions') }} where customer_id is not null

),

orders as (

    select * from {{ ref('orders') }} where is_counted and customer_id is not null

),

transitions as (

    select * from {{ ref('lifecycle_transitions') }}

),

rfm_history as (

    select * from {{ ref('customer_rfm_history') }} where brand_id is null

),

limits as (

    select
        max(case when limit_name = 'interval_z' then value end) as interval_z,
        max(case when limit_name = 'power_z' then value end) as power_z,
        max(case when limit_name = 'min_customers' then value end) as min_customers
    from {{ ref('uplift_limits') }}

),

doings as (

    select
        customer_id,
        started_at as done_at,
        1 as has_visited,
        0 as has_bought,
        0 as amount
    from sessions
    union all
    select
        customer_id,
        ordered_at as done_at,
        0 as has_visited,
        1 as has_bought,
        net_amount as amount
    from orders

),

outcomes as (

    select
        exposures.experiment_id,
        exposures.customer_id,
        max(doings.has_visited) as has_visited,
        max(doings.has_bought) as has_bought,
        sum(doings.amount) as amount
    from exposures
    inner join doings
        on
            exposures.customer_id = doings.customer_id
            and exposures.exposed_at < doings.done_at
            and exposures.counted_until >= doings.done_at
    group by exposures.experiment_id, exposures.customer_id

),

stages as (

    select
        exposures.experiment_id,
        exposures.customer_id,
        max_by(transitions.to_stage, transitions.transition_number) as stage
    from exposures
    inner join transitions
        on
            exposures.customer_id = transitions.customer_id
            and exposures.exposed_at >= transitions.transitioned_at
    group by exposures.experiment_id, exposures.customer_id

),

rfm_segments as (

    select
        exposures.experiment_id,
        exposures.customer_id,
        max_by(rfm_history.rfm_segment, rfm_history.valid_from) as rfm_segment
    from exposures
    inner join rfm_history
        on
            exposures.customer_id = rfm_history.customer_id
            and cast(exposures.exposed_at as date) > rfm_history.valid_from
    group by exposures.experiment_id, exposures.customer_id

),

observations as (

    select
        exposures.experiment_id,
        exposures.arm,
        exposures.is_control,
        'lifecycle_' || stages.stage as stage_segment,
        'rfm_' || rfm_segments.rfm_segment as rfm_segment,
        'stratum_' || exposures.stratum as stratum_segment,
        coalesce(outcomes.has_visited, 0) as has_visited,
        coalesce(outcomes.has_bought, 0) as has_bought,
        cast(coalesce(outcomes.amount, 0) as decimal(18, 4)) as amount
    from exposures
    left join outcomes
        on
            exposures.experiment_id = outcomes.experiment_id
            and exposures.customer_id = outcomes.customer_id
    left join stages
        on
            exposures.experiment_id = stages.experiment_id
            and exposures.customer_id = stages.customer_id
    left join rfm_segments
        on
            exposures.experiment_id = rfm_segments.experiment_id
            and exposures.customer_id = rfm_segments.customer_id

),

totals as (

    select
        experiment_id,
        arm,
        is_control,
        case
            when grouping(stage_segment) = 0 then stage_segment
            when grouping(rfm_segment) = 0 then rfm_segment
            when grouping(stratum_segment) = 0 then stratum_segment
            else 'all'
        end as segment_id,
        count(*) as customer_count,
        sum(has_visited) as visitor_count,
        sum(has_bought) as buyer_count,
        cast(sum(amount) as double) as amount,
        cast(sum(cast(amount * amount as decimal(38, 8))) as double) as squared_amount
    from observations
    group by grouping sets (
        (experiment_id, arm, is_control),
        (experiment_id, arm, is_control, stage_segment),
        (experiment_id, arm, is_control, rfm_segment),
        (experiment_id, arm, is_control, stratum_segment)
    )

),

measured as (

    select
        experiment_id,
        arm,
        is_control,
        segment_id,
        customer_count,
        'visit' as outcome,
        visitor_count / customer_count as average,
        visitor_count / customer_count * (1 - visitor_count / customer_count) as variance
    from totals
    where segment_id is not null
    union all
    select
        experiment_id,
        arm,
        is_control,
        segment_id,
        customer_count,
        'conversion' as outcome,
        buyer_count / customer_count as average,
        buyer_count / customer_count * (1 - buyer_count / customer_count) as variance
    from totals
    where segment_id is not null
    union all
    select
        experiment_id,
        arm,
        is_control,
        segment_id,
        customer_count,
        'spend' as outcome,
        amount / customer_count as average,
        greatest(squared_amount - amount * amount / customer_count, 0)
        / nullif(customer_count - 1, 0) as variance
    from totals
    where segment_id is not null

),

compared as (

    select
        treated.experiment_id,
        treated.arm,
        treated.segment_id,
        treated.outcome,
        treated.customer_count as treated_count,
        control.customer_count as control_count,
        treated.average as treated_average,
        control.average as control_average,
        treated.variance as treated_variance,
        control.variance as control_variance,
        treated.average - control.average as difference,
        sqrt(
            treated.variance / treated.customer_count + control.variance / control.customer_count
        ) as standard_error,
        case when treated.outcome = 'spend' then 1 else 100 end as unit,
        limits.interval_z,
        limits.power_z
    from measured as treated
    inner join measured as control
        on
            treated.experiment_id = control.experiment_id
            and treated.segment_id = control.segment_id
            and treated.outcome = control.outcome
    cross join limits
    where
        not treated.is_control
        and control.is_control
        and least(treated.customer_count, control.customer_count) >= limits.min_customers

),

bounded as (

    select
        *,
        case
            when outcome = 'spend'
                then
                    difference - standard_error * {{ t_quantile(
                        'interval_z',
                        welch_degrees(
                            'treated_variance', 'treated_count',
                            'control_variance', 'control_count'
                        )
                    ) }}
            else {{ newcombe_bound(
                'treated_average', 'treated_count', 'control_average', 'control_count',
                'interval_z', '-'
            ) }}
        end as interval_low,
        case
            when outcome = 'spend'
                then
                    difference + standard_error * {{ t_quantile(
                        'interval_z',
                        welch_degrees(
                            'treated_variance', 'treated_count',
                            'control_variance', 'control_count'
                        )
                    ) }}
            else {{ newcombe_bound(
                'treated_average', 'treated_count', 'control_average', 'control_count',
                'interval_z', '+'
            ) }}
        end as interval_high
    from compared

),

final as (

    select
        bounded.experiment_id,
        bounded.arm,
        arms.campaign_id,
        bounded.segment_id,
        bounded.outcome,
        bounded.treated_count,
        bounded.control_count,
        round(bounded.unit * bounded.treated_average, 6) as treated_value,
        round(bounded.unit * bounded.control_average, 6) as control_value,
        round(bounded.unit * bounded.difference, 6) as difference,
        round(bounded.unit * bounded.standard_error, 6) as standard_error,
        round(bounded.unit * bounded.interval_low, 6) as interval_low,
        round(bounded.unit * bounded.interval_high, 6) as interval_high,
        coalesce(bounded.interval_low > 0 or bounded.interval_high < 0, false) as is_significant,
        round(
            bounded.unit * (bounded.interval_high - bounded.interval_low) / 2
            * (bounded.interval_z + bounded.power_z) / bounded.interval_z,
            6
        ) as detectable_difference
    from bounded
    inner join arms
        on bounded.experiment_id = arms.experiment_id and bounded.arm = arms.arm

)

select * from final
