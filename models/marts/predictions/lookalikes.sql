{#
    Grain: one row per segment that a rule asks for by lookalike_place, and customer who is like its
    members and none of them, the likest first. Only who may be profiled is here. As the last job
    predict found them; who was erased since then is left out, the places of the others stay.
#}
{{ config(materialized='view') }}

with lookalikes as (

    select * from {{ source('predictions', 'lookalikes') }}

),

customers as (

    select * from {{ ref('customers') }} where erasure_requested_at is null

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
    inner join customers on lookalikes.customer_id = customers.customer_id

)

select * from final
