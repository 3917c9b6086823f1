{#
    Grain: one row per segment and customer who is a member on the as-of day and was none on the
    recorded day before it, or the other way round. What the as-of day itself recorded in an
    earlier build does not count: this build replaces it.
    The end of a build in which everything passed records these rows
    (macros/segments/keep_membership_history.sql).
    The memberships have no import CTE: they are as many as all the others together.
#}
{{ config(materialized='table') }}

with standing as (

    select
        segment_id,
        customer_id,
        entered_on
    from {{ source('registry', 'membership_spells') }}
    where
        entered_on < {{ as_of() }}
        and (left_on is null or left_on >= {{ as_of() }})

),

final as (

    select
        coalesce(memberships.segment_id, standing.segment_id) as segment_id,
        coalesce(memberships.customer_id, standing.customer_id) as customer_id,
        coalesce(standing.entered_on, {{ as_of() }}) as entered_on,
        case when memberships.customer_id is null then {{ as_of() }} end as left_on
    from {{ ref('memberships') }} as memberships
    full join standing
        on
            memberships.segment_id = standing.segment_id
            and memberships.customer_id = standing.customer_id
    where memberships.customer_id is null or standing.customer_id is null

)

select * from final
