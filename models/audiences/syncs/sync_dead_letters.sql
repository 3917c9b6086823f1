{#
    Grain: one row per sync, customer and action that the destination rejected and has not taken
    since, with its next try.
#}
with dead_letters as (

    select * from {{ source('exports', 'dead_letters') }}

),

final as (

    select
        sync_id,
        customer_id,
        action,
        reason,
        attempts,
        first_failed_at,
        next_try_at
    from dead_letters

)

select * from final
