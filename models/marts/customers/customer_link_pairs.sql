{#
    Grain: one row per pair of customers that may be one person: linked, refused, or for a person
    to look at. It tells what agrees, never the values. Empty while linkage is off.
#}
{{ config(materialized='view') }}

with pairs as (

    select * from {{ ref('linkage_scored_pairs') }}

),

final as (

    select
        customer_id_a,
        customer_id_b,
        match_weight,
        match_probability,
        link_weight,
        decision,
        reason,
        most,
        held_a,
        held_b,
        evidence,
        record_a,
        record_b,
        model_version
    from pairs

)

select * from final
