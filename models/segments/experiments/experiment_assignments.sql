{#
    Grain: one row per experiment and customer with an arm. Arms are intervals of the line from 0 to
    1, the control's first; a customer's point on it says the arm.
    Everybody's draw (segment all, no strata): the point is the bucket of the salted hash, from the
    day that the customer is known. It follows from the id, so nothing has to be remembered.
    Drawn once (a segment or strata): on the first day the customers of each stratum stand in the
    order of the hash at equal distances along the line, which gives every arm its share to within
    one customer; where the first one stands is drawn by stratum, so that small strata do not all
    round to the same arm. Whoever comes later takes the bucket of the hash. What was drawn is kept
    in the registry (macros/experiments/keep_assignments.sql), so that neither a new stratum nor
    new people nor a rebuild moves anybody. It counts from the end of the as-of day.
    Delivered (assigned_by attribute): the arm that another system drew.
    At a merge the surviving id's arm holds, else the earliest of those merged into it. Who is held
    out globally is drawn for no other experiment: a message that may not go out has no effect.
#}
{{ config(materialized='table') }}

with customers as (

    {{ segment_base() }}

),

holdouts as (

    select * from {{ ref('holdouts') }}

),

memberships as (

    select * from {{ ref('memberships') }}

),

experiments as (

    select
        experiments.*,
        experiments.segment_id <> 'all' or experiments.strata is not null as is_drawn_once
    from {{ ref('experiments') }} as experiments
    where experiments.starts_on <= {{ as_of() }}

),

arms as (

    select
        experiment_id,
        arm,
        is_control,
        share,
        sum(share) over (
            partition by experiment_id order by is_control desc, arm asc
        ) as share_up_to
    from {{ ref('experiment_arms') }}

),

kept as (

    select * from {{ source('registry', 'experiment_assignments') }}
    where assigned_at <= {{ as_of() }} + interval 1 day

),

history as (

    select * from {{ ref('customer_id_history') }}

),

delivered as (

    select * from {{ ref('delivered_assignments') }}

),

standing as (

    select
        kept.experiment_id,
        coalesce(history.current_customer_id, kept.customer_id) as customer_id,
        kept.arm,
        kept.stratum,
        kept.assigned_at
    from kept
    left join history on kept.customer_id = history.customer_id
    qualify row_number() over (
        partition by
            kept.experiment_id, coalesce(history.current_customer_id, kept.customer_id)
        order by
            coalesce(history.current_customer_id = kept.customer_id, true) desc,
            kept.assigned_at asc,
            kept.customer_id asc
    ) = 1

),

begun as (

    select experiment_id
    from standing
    group by experiment_id

),

eligible as (

    select
        'all' as segment_id,
        customer_id
    from customers
    union all
    select
        segment_id,
        customer_id
    from memberships

),

candidates as (

    select
        experiments.experiment_id,
        customers.customer_id,
        experiments.salt,
        experiments.is_drawn_once,
        concat_ws(
            ' / ',
            {%- for column in stratum_columns().split() %}
            case
                when list_contains(string_split(experiments.strata, ' '), '{{ column }}')
                    then coalesce(customers.{{ column }}, 'unknown')
            end
            {%- if not loop.last %},{% endif %}
            {%- endfor %}
        ) as stratum,
        case
            when experiments.is_drawn_once then {{ as_of() }} + interval 1 day
            else greatest(customers.first_seen_at, experiments.starts_on)
        end as assigned_at
    from experiments
    inner join eligible on experiments.segment_id = eligible.segment_id
    inner join customers on eligible.customer_id = customers.customer_id
    inner join holdouts on customers.customer_id = holdouts.customer_id
    anti join standing
        on
            experiments.experiment_id = standing.experiment_id
            and customers.customer_id = standing.customer_id
    where
        experiments.assigned_by = 'hash'
        and (experiments.experiment_id = 'global_holdout' or not holdouts.is_global_holdout)
        and (
            experiments.ends_on is null
            or experiments.is_drawn_once and experiments.ends_on >= {{ as_of() }}
            or not experiments.is_drawn_once
            and experiments.ends_on >= cast(customers.first_seen_at as date)
        )

),

in_strata as (

    select
        candidates.experiment_id,
        candidates.customer_id,
        candidates.stratum,
        candidates.assigned_at,
        row_number() over (
            partition by candidates.experiment_id, candidates.stratum
            order by
                md5(candidates.salt || ':' || candidates.customer_id) asc,
                candidates.customer_id asc
        ) as turn,
        count(*) over (
            partition by candidates.experiment_id, candidates.stratum
        ) as stratum_size,
        ({{ bucket_of('candidates.salt', 'candidates.stratum') }} + 0.5) / 10000 as set_back
    from candidates
    anti join begun on candidates.experiment_id = begun.experiment_id
    where candidates.is_drawn_once

),

by_hash as (

    select
        candidates.experiment_id,
        candidates.customer_id,
        candidates.stratum,
        candidates.is_drawn_once,
        candidates.assigned_at,
        ({{ bucket_of('candidates.salt', 'candidates.customer_id') }} + 1) / 10000 as line_point
    from candidates
    left join begun on candidates.experiment_id = begun.experiment_id
    where not candidates.is_drawn_once or begun.experiment_id is not null

),

drawn as (

    select
        experiment_id,
        customer_id,
        stratum,
        'draw' as assigned_by,
        assigned_at,
        (turn - set_back) / stratum_size as line_point
    from in_strata
    union all
    select
        experiment_id,
        customer_id,
        stratum,
        case when is_drawn_once then 'draw' else 'hash' end as assigned_by,
        assigned_at,
        line_point
    from by_hash

),

assigned as (

    select
        drawn.experiment_id,
        drawn.customer_id,
        arms.arm,
        nullif(drawn.stratum, '') as stratum,
        drawn.assigned_by,
        drawn.assigned_at
    from drawn
    inner join arms
        on
            drawn.experiment_id = arms.experiment_id
            and drawn.line_point > arms.share_up_to - arms.share
            and drawn.line_point <= arms.share_up_to
    union all
    select
        experiment_id,
        customer_id,
        arm,
        stratum,
        'draw' as assigned_by,
        assigned_at
    from standing
    union all
    select
        experiment_id,
        customer_id,
        arm,
        null as stratum,
        'attribute' as assigned_by,
        assigned_at
    from delivered

),

final as (

    select
        assigned.experiment_id,
        assigned.customer_id,
        assigned.arm,
        arms.is_control,
        assigned.stratum,
        assigned.assigned_by,
        assigned.assigned_at
    from assigned
    inner join experiments on assigned.experiment_id = experiments.experiment_id
    inner join arms
        on assigned.experiment_id = arms.experiment_id and assigned.arm = arms.arm
    inner join customers on assigned.customer_id = customers.customer_id

)

select * from final
