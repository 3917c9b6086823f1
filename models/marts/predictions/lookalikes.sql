{#
    Grain: one row per segment that a rule asks for by lookalike_place, and customer who is like its
    members and none of them, the likest first. As the last job predict found them; who may no
    longer be profiled is left out, the places of the others stay.
#}
{{ config(materialized='view') }}

with lookalikes as (

    select * from {{ source('predictions', 'lookalikes') }}

),

profiled_customers as (

    select * from {{ ref('profiled_customers') }}

),

final as (

    select
        lookalikes.segment_id,
        lookalikes.customer_id,
        lookalikes.place,
        lookalikes.score,
        lookalikes.reason,
        lookalikes.as_of as found_on
    from lookalikes
    inner join profiled_customers on lookalikes.customer_id = profiled_customers.customer_id

)

select * from final
