{#
    Grain: one row per model, group of customers, horizon and measure: how the same recipe, learnt a
    horizon earlier, did in the days that came after, beside the simplest rule anybody could follow.
#}
{{ config(materialized='view') }}

with evaluations as (

    select * from {{ source('predictions', 'evaluations') }}

),

final as (

    select
        model_version,
        cutoff_on,
        horizon_days,
        group_name,
        customer_count,
        measure,
        value,
        heuristic
    from evaluations

)

select * from final
