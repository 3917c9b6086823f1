{#
    Grain: one row per run and row of its plan: what was sent of whom, why, and what came of it.
    The log of the last 400 days.
#}
with results as (

    select * from {{ source('exports', 'results') }}

),

final as (

    select
        run_id,
        place,
        sync_id,
        customer_id,
        action,
        cause,
        request,
        result,
        reason,
        told_at
    from results

)

select * from final
