{#
    Grain: one row per month, stage left (NULL when it is the first) and stage entered. Who passes
    the same way twice in a month is one customer and two transitions.
#}
with transitions as (

    select * from {{ ref('lifecycle_transitions') }}

),

final as (

    select
        cast(date_trunc('month', transitioned_at) as date) as transition_month,
        from_stage,
        to_stage,
        count(*) as transition_count,
        count(distinct customer_id) as customer_count,
        cast(round(median(days_in_from_stage), 1) as decimal(8, 1)) as median_days_in_stage,
        cast(round(quantile_cont(days_in_from_stage, 0.9), 1) as decimal(8, 1)) as p90_days_in_stage
    from transitions
    group by cast(date_trunc('month', transitioned_at) as date), from_stage, to_stage

)

select * from final
