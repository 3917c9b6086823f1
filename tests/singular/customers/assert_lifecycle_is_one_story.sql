{#
    The transitions of a customer are one story without a gap that ends in the stage of today.
    A failing row is a kind of break with the number of customers that have it:
    - does not follow on: a transition does not leave the stage that the one before it entered,
      is not later, or is not the next in number.
    - against the rules: potential and new only begin a story, new also follows potential; time
      only leads further down the seed's list of stages; a purchase leads to active, out of lost
      and only out of lost to reactivated; a purchase names its order, nothing else does. If this
      one fails after an edit of the seed, new or reactivated lasts longer than inactive takes to
      become lost.
    - not settled: time alone ended a stage that time alone had begun within settle_days.
    - not the current stage: customer_lifecycle or customers tells another stage than the last
      transition, or a customer has no story.
#}
{{ config(meta={'dagster': {'ref': {'name': 'lifecycle_transitions'}}}) }}

with transitions as (

    select * from {{ ref('lifecycle_transitions') }}

),

lifecycle as (

    select * from {{ ref('customer_lifecycle') }}

),

customers as (

    select * from {{ ref('customers') }}

),

stages as (

    select * from {{ ref('lifecycle_stages') }}

),

chained as (

    select
        *,
        lag(to_stage) over story as stage_before,
        lag(transitioned_at) over story as transitioned_before,
        lag(trigger) over story as trigger_before,
        row_number() over story as expected_number
    from transitions
    window story as (partition by customer_id order by transition_number)

),

steps as (

    select
        transitions.customer_id,
        transitions.from_stage,
        transitions.trigger,
        transitions.order_id,
        transitions.trigger || ': ' || transitions.to_stage as step,
        stages_left.position as position_left,
        stages_entered.position as position_entered
    from transitions
    left join stages as stages_left on transitions.from_stage = stages_left.stage
    left join stages as stages_entered on transitions.to_stage = stages_entered.stage

),

limits as (

    select max(case when rule = 'settle_days' then limit_value end) as settle_days
    from {{ ref('lifecycle_limits') }}

),

last_transitions as (

    select * from transitions
    qualify row_number() over (partition by customer_id order by transition_number desc) = 1

),

breaks as (

    select
        'does not follow on' as problem,
        customer_id
    from chained
    where
        from_stage is distinct from stage_before
        or transition_number <> expected_number
        or transitioned_at <= transitioned_before
        or days_in_from_stage
        is distinct from date_diff('day', transitioned_before, transitioned_at)
    union all
    select
        'against the rules' as problem,
        customer_id
    from steps
    where
        case
            when from_stage is null
                then step not in ('first seen: potential', 'first purchase: new')
            when from_stage = 'potential' then step <> 'first purchase: new'
            when trigger = 'time' then coalesce(position_left >= position_entered, true)
            when from_stage = 'lost' then step <> 'purchase: reactivated'
            else step <> 'purchase: active'
        end
        or (trigger in ('first purchase', 'purchase')) <> (order_id is not null)
    union all
    select
        'not settled' as problem,
        chained.customer_id
    from chained
    cross join limits
    where
        chained.trigger = 'time'
        and chained.trigger_before = 'time'
        and chained.days_in_from_stage <= limits.settle_days
    union all
    select
        'not the current stage' as problem,
        coalesce(customers.customer_id, lifecycle.customer_id) as customer_id
    from customers
    full outer join lifecycle on customers.customer_id = lifecycle.customer_id
    left join last_transitions on lifecycle.customer_id = last_transitions.customer_id
    where
        customers.lifecycle_stage is distinct from lifecycle.stage
        or lifecycle.stage is distinct from last_transitions.to_stage
        or lifecycle.stage_since is distinct from last_transitions.transitioned_at

)

select
    problem,
    count(distinct customer_id) as customer_count
from breaks
group by problem
