{#
    Grain: one row per experiment that lots have drawn between two channels or more, and customer
    in it whose days are over: the channel of the arm, its chance, and whether the customer bought.
    Several arms may be on one channel: its chance is that of all of them.
    Nothing else tells what a channel does: who is written to by SMS otherwise is somebody else.
#}
with exposures as (

    select * from {{ ref('experiment_exposures') }} where is_complete

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
        ) as channel_share
    from arms
    left join campaigns on arms.campaign_id = campaigns.campaign_id

),

explorations as (

    select experiment_id
    from arm_channels
    group by experiment_id
    having count(distinct channel) > 1

),

explored as (

    select
        exposures.experiment_id,
        exposures.customer_id,
        exposures.exposed_at,
        exposures.counted_until,
        arm_channels.channel,
        arm_channels.channel_share
    from exposures
    inner join arm_channels
        on
            exposures.experiment_id = arm_channels.experiment_id
            and exposures.arm = arm_channels.arm
    semi join explorations on exposures.experiment_id = explorations.experiment_id

),

buyers as (

    select
        explored.experiment_id,
        explored.customer_id
    from explored
    semi join orders
        on
            explored.customer_id = orders.customer_id
            and explored.exposed_at < orders.ordered_at
            and explored.counted_until >= orders.ordered_at

),

final as (

    select
        explored.experiment_id,
        explored.customer_id,
        explored.channel,
        cast(explored.channel_share as double) as propensity,
        explored.exposed_at,
        buyers.customer_id is not null as has_bought
    from explored
    left join buyers
        on
            explored.experiment_id = buyers.experiment_id
            and explored.customer_id = buyers.customer_id

)

select * from final
