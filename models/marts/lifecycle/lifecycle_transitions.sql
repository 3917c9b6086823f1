{#
    Grain: one row per customer and change of lifecycle stage up to the as-of day. A purchase late
    on the as-of day may be of the next day where it happened, and is history all the same.
#}
{{ config(materialized='view') }}

with schedule as (

    select * from {{ ref('lifecycle_schedule') }}

),

final as (

    select
        customer_id,
        transition_number,
        from_stage,
        to_stage,
        transitioned_at,
        days_in_from_stage,
        trigger,
        order_id
    from schedule
    where trigger <> 'time' or transitioned_at <= {{ as_of() }}

)

select * from final
