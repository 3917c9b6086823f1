{#
    Grain: one row per customer and journey that the customer may enter or whose run stands
    (segments.journey_history).
    A member of the journey's segment may enter, and stays in the run when no longer a member. The
    clock is what was sent: the first step is due at once, each other so many days after the one
    before. How long after the event a journey begins is the rule of its segment.
    A run that has no step left is finished whatever comes after; otherwise a purchase since its
    begin or the exit segment ends it; a step that is due waits for its condition.
#}
{{ config(materialized='table') }}

with customers as (

    {{ segment_base() }}

),

journeys as (

    select * from {{ ref('journeys') }}

),

journey_steps as (

    select * from {{ ref('journey_steps') }}

),

entering as (

    select
        memberships.customer_id,
        journeys.journey_id
    from {{ ref('memberships') }} as memberships
    inner join journeys on memberships.segment_id = journeys.segment_id

),

exits as (

    select
        memberships.customer_id,
        journeys.journey_id
    from {{ ref('memberships') }} as memberships
    inner join journeys on memberships.segment_id = journeys.exit_segment_id

),

conditions as (

    select
        memberships.customer_id,
        journey_steps.journey_id,
        journey_steps.step_number
    from {{ ref('memberships') }} as memberships
    inner join journey_steps on memberships.segment_id = journey_steps.condition_segment_id

),

runs as (

    select
        customer_id,
        journey_id,
        min(reached_at) as started_at,
        max(step_number) as last_step,
        max_by(reached_at, step_number) as last_step_at
    from {{ ref('journey_history') }}
    group by customer_id, journey_id

),

positions as (

    select
        coalesce(entering.customer_id, runs.customer_id) as customer_id,
        coalesce(entering.journey_id, runs.journey_id) as journey_id,
        runs.started_at,
        runs.last_step,
        runs.last_step_at,
        coalesce(runs.last_step, 0) + 1 as next_step
    from entering
    full outer join runs
        on
            entering.customer_id = runs.customer_id
            and entering.journey_id = runs.journey_id

),

judged as (

    select
        positions.customer_id,
        positions.journey_id,
        positions.started_at,
        positions.last_step,
        positions.last_step_at,
        journey_steps.step_number as next_step,
        journey_steps.message_id as next_message_id,
        coalesce(
            cast(positions.last_step_at as date) + journey_steps.delay_days, {{ as_of() }}
        ) as due_on,
        journey_steps.condition_segment_id,
        journeys.exit_segment_id,
        journey_steps.condition_segment_id is null or conditions.customer_id is not null
            as meets_condition,
        exits.customer_id is not null as is_in_exit_segment,
        journeys.ends_with_order
        and coalesce(customers.last_order_at > positions.started_at, false) as has_ordered
    from positions
    inner join customers on positions.customer_id = customers.customer_id
    inner join journeys on positions.journey_id = journeys.journey_id
    left join journey_steps
        on
            positions.journey_id = journey_steps.journey_id
            and positions.next_step = journey_steps.step_number
    left join conditions
        on
            positions.customer_id = conditions.customer_id
            and positions.journey_id = conditions.journey_id
            and positions.next_step = conditions.step_number
    left join exits
        on
            positions.customer_id = exits.customer_id
            and positions.journey_id = exits.journey_id

),

decided as (

    select
        *,
        case
            when next_step is null then 'finished'
            when has_ordered or is_in_exit_segment then 'exited'
            when due_on > {{ as_of() }} then 'waiting'
            when not meets_condition then 'blocked'
            else 'due'
        end as status
    from judged

),

final as (

    select
        customer_id,
        journey_id,
        status,
        case
            when status = 'exited' and has_ordered then 'has ordered'
            when status = 'exited' then 'is in ' || exit_segment_id
            when status = 'blocked' then 'is not in ' || condition_segment_id
        end as reason,
        cast(started_at as date) as entered_on,
        last_step,
        cast(last_step_at as date) as last_step_on,
        case when status in ('waiting', 'due', 'blocked') then next_step end as next_step,
        case when status in ('waiting', 'due', 'blocked') then next_message_id end
            as next_message_id,
        case when status in ('waiting', 'due', 'blocked') then due_on end as due_on
    from decided

)

select * from final
