{#
    What stands in seeds/segments/experiments.csv and seeds/segments/experiment_arms.csv can be
    drawn and compared. A failing row names the experiment and what is wrong with it.
#}
{{ config(meta={'dagster': {'ref': {'name': 'experiments'}}}) }}

with experiments as (

    select * from {{ ref('experiments') }}

),

arms as (

    select
        experiment_id,
        sum(share) as share,
        sum(case when is_control then 1 else 0 end) as control_count
    from {{ ref('experiment_arms') }}
    group by experiment_id

),

strata as (

    select
        experiment_id,
        unnest(string_split(strata, ' ')) as stratum_column
    from experiments
    where strata is not null

),

problems as (

    select
        coalesce(experiments.experiment_id, arms.experiment_id) as experiment_id,
        case
            when experiments.experiment_id is null
                then 'has arms, but no row in seeds/segments/experiments'
            when arms.experiment_id is null then 'has no arms'
            when arms.control_count <> 1 then 'needs one control'
            when arms.share <> 1 then 'has shares that do not sum to 1'
            when
                experiments.experiment_id = 'global_holdout'
                and (
                    experiments.segment_id <> 'all'
                    or experiments.strata is not null
                    or experiments.assigned_by <> 'hash'
                )
                then 'is of everybody, without strata, by hash'
        end as problem
    from experiments
    full outer join arms on experiments.experiment_id = arms.experiment_id
    union all
    select
        experiment_id,
        'cannot be drawn in strata of ' || stratum_column || ', only of: {{ stratum_columns() }}'
            as problem
    from strata
    where not list_contains(string_split('{{ stratum_columns() }}', ' '), stratum_column)

)

select
    experiment_id,
    problem
from problems
where problem is not null
