{#
    Grain: one row per sync and customer who is, or may be, at its destination. Who is there by the
    word of the destination is held; the others are in doubt until the next run.
#}
with members as (

    select * from {{ source('exports', 'members') }}

),

final as (

    select
        sync_id,
        customer_id,
        status,
        consented_at,
        requested_at,
        acknowledged_at,
        expires_at
    from members

)

select * from final
