{#
    Grain: one row per experiment that lots have drawn between two channels or more, and customer
    in it whose days are over: the channel of the arm, its chance, and whether the customer bought.
    Several arms may be on one channel: its chance is that of all of them.
    Nothing else tells what a channel does: who is written to by SMS otherwise is somebody else.
#}
with assignments as (

    select * from {{ ref('experiment_assignments') }}

),

experiments as (

    select * from {{ ref('experiments') }}

),

arms as (

    select * from {{ ref('experiment_arms') }}

),

campaigns as (

    select * from {{ ref('campaigns') }}

),

orders as (

    select * from {{ ref('orders') }} where is_counted and customer_id is not null

),

arm_channels as (

    select
        arms.experiment_id,
        arms.arm,
        campaigns.channel,
        sum(arms.share) over (
            partition by arms.experiment_id, campaigns.channel
        ) as channel_share,
        campaigns.started_at
    from arms
    left join campaigns on arms.campaign_id = campaigns.campaign_id

),

explorations as (

    select
        experiment_id,
        min(started_at) as started_at
    from arm_channels
    group by experiment_id
    having count(distinct channel) > 1

),

exposures as (

    select
        assignments.experiment_id,
        assignments.customer_id,
        arm_channels.channel,
        cast(arm_channels.channel_share as double) as propensity,
        greatest(assignments.assigned_at, explorations.started_at) as exposed_at,
        greatest(assignments.assigned_at, explorations.started_at)
        + to_days(experiments.outcome_days) as counted_until
    from assignments
    inner join explorations on assignments.experiment_id = explorations.experiment_id
    inner join experiments on assignments.experiment_id = experiments.experiment_id
    inner join arm_channels
        on
            assignments.experiment_id = arm_channels.experiment_id
            and assignments.arm = arm_channels.arm

),

buyers as (

    select
        exposures.experiment_id,
        exposures.customer_id
    from exposures
    semi join orders
        on
            exposures.customer_id = orders.customer_id
            and exposures.exposed_at <= orders.ordered_at
            and exposures.counted_until > orders.ordered_at

),

final as (

    select
        exposures.experiment_id,
        exposures.customer_id,
        exposures.channel,
        exposures.propensity,
        exposures.exposed_at,
        buyers.customer_id is not null as has_bought
    from exposures
    left join buyers
        on
            exposures.experiment_id = buyers.experiment_id
            and exposures.customer_id = buyers.customer_id
    where exposures.counted_until <= {{ as_of() }} + interval 1 day

)

select * from final
