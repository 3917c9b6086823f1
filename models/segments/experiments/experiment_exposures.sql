{#
    Grain: one row per experiment and customer with an arm: from when on, and until when, what the
    customer does is told of the arm. Days count from the exposure: the assignment, or the start of
    the experiment's first campaign if that is later, which is one moment for the arms and the
    control. What is done at the very moment of the exposure is no effect of it.
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

campaign_starts as (

    select
        arms.experiment_id,
        min(campaigns.started_at) as started_at
    from arms
    inner join campaigns on arms.campaign_id = campaigns.campaign_id
    group by arms.experiment_id

),

exposures as (

    select
        assignments.experiment_id,
        assignments.customer_id,
        assignments.arm,
        assignments.is_control,
        assignments.stratum,
        experiments.outcome_days,
        greatest(
            assignments.assigned_at, coalesce(campaign_starts.started_at, assignments.assigned_at)
        ) as exposed_at
    from assignments
    inner join experiments on assignments.experiment_id = experiments.experiment_id
    left join campaign_starts on assignments.experiment_id = campaign_starts.experiment_id

),

final as (

    select
        experiment_id,
        customer_id,
        arm,
        is_control,
        stratum,
        exposed_at,
        exposed_at + to_days(outcome_days) as counted_until,
        exposed_at + to_days(outcome_days) <= {{ as_of() }} + interval 1 day as is_complete
    from exposures

)

select * from final
