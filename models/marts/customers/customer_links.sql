{#
    Grain: one row per customer that is probably one person with others, who share no identifier.
    Who is not here is linked to nobody. Empty while linkage is off.
#}
{{ config(materialized='view') }}

with groups as (

    select * from {{ ref('linkage_groups') }}

),

final as (

    select
        customer_id,
        customer_id_linked,
        customer_count
    from groups

)

select * from final
