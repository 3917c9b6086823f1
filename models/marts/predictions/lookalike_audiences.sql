{#
    Grain: one row per segment that a rule asks for by lookalike_place: how well people like its
    members can be told from others, by members who were hidden, and what came of it.
#}
{{ config(materialized='view') }}

with audiences as (

    select * from {{ source('predictions', 'lookalike_audiences') }}

),

final as (

    select
        segment_id,
        member_count,
        found_count,
        auc,
        heuristic_auc,
        status,
        reason,
        as_of as found_on
    from audiences

)

select * from final
