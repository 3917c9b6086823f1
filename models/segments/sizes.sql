{# Grain: one row per segment that has members on the as-of day. #}
{{ config(materialized='table') }}

with memberships as (

    select * from {{ ref('memberships') }}

),

customers as (

    {{ segment_base() }}

),

population as (

    select count(*) as customer_count
    from customers

),

final as (

    select
        memberships.segment_id,
        {{ as_of() }} as as_of,
        count(*) as customer_count,
        round(count(*) / nullif(max(population.customer_count), 0), 6) as share
    from memberships
    cross join population
    group by memberships.segment_id

)

select * from final
