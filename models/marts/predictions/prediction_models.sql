{# Grain: one row per model that was trained, with what it learnt from and what became of it. #}
{{ config(materialized='view') }}

with models as (

    select * from {{ source('predictions', 'models') }}

),

final as (

    select
        model_version,
        as_of as learnt_until,
        trained_at,
        git_state,
        features,
        learnt_from,
        gain_low,
        gain_high,
        status,
        reason
    from models

)

select * from final
