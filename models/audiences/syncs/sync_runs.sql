{#
    Grain: one row per run of a sync, as the last build found them. How many of the segment were
    kept back and by which gate, what was planned, and what the destination said.
#}
with runs as (

    select * from {{ source('exports', 'runs') }}

),

final as (

    select
        run_id,
        sync_id,
        destination,
        how,
        status,
        reason,
        started_at,
        finished_at,
        segment_members,
        desired_members,
        kept_back_by,
        planned_adds,
        planned_removals,
        held_back,
        in_flight,
        accepted,
        rejected,
        unknown,
        unnamed,
        requests
    from runs

)

select * from final
