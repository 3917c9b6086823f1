{#
    Grain: one row per customer who lives with others, as far as records tell. Who is not here
    lives alone, or is not known to share anything.
#}
{{ config(materialized='view') }}

with households as (

    select * from {{ ref('identity_households') }}

),

final as (

    select
        customer_id,
        household_id,
        customer_count,
        evidence
    from households

)

select * from final
