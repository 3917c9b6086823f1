{#
    Grain: one row per customer, journey and step that was reached: the run of the journey that
    stands. A run begins when the first message was last sent, and stands for again_after_days of
    seeds/segments/journeys. A step is reached when its message was sent since then and the steps
    before are reached.
#}
{{ config(materialized='table') }}

with customers as (

    {{ segment_base() }}

),

message_sends as (

    select * from {{ ref('message_sends') }}

),

journeys as (

    select * from {{ ref('journeys') }}

),

journey_steps as (

    select * from {{ ref('journey_steps') }}

),

sent_steps as (

    select
        message_sends.customer_id,
        journey_steps.journey_id,
        journey_steps.step_number,
        journey_steps.message_id,
        message_sends.last_sent_at as reached_at,
        max(case when journey_steps.step_number = 1 then message_sends.last_sent_at end)
            over (partition by message_sends.customer_id, journey_steps.journey_id)
            as started_at
    from message_sends
    inner join customers on message_sends.customer_id = customers.customer_id
    inner join journey_steps on message_sends.message_id = journey_steps.message_id

),

steps_of_run as (

    select
        sent_steps.*,
        row_number() over (
            partition by sent_steps.customer_id, sent_steps.journey_id
            order by sent_steps.step_number
        ) as place
    from sent_steps
    inner join journeys on sent_steps.journey_id = journeys.journey_id
    where
        sent_steps.reached_at >= sent_steps.started_at
        and cast(sent_steps.started_at as date) + journeys.again_after_days > {{ as_of() }}

),

final as (

    select
        customer_id,
        journey_id,
        step_number,
        message_id,
        reached_at
    from steps_of_run
    where step_number = place

)

select * from final
