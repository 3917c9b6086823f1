{#
    Grain: one row per pair of segments with members in common, each pair once. Segments are
    numbered first: members are joined with each other, and numbers are quicker than names.
    Lift says how much likelier a member of the one is in the other than anybody else is: 1 is
    chance.
#}
{{ config(materialized='table') }}

with sizes as (

    select
        segment_id,
        count(*) as customer_count
    from {{ ref('memberships') }}
    group by segment_id

),

customers as (

    {{ segment_base() }}

),

population as (

    select count(*) as customer_count
    from customers

),

segments as (

    select
        segment_id,
        customer_count,
        cast(row_number() over (order by segment_id) as smallint) as place
    from sizes

),

members as (

    select
        segments.place,
        memberships.customer_id
    from {{ ref('memberships') }} as memberships
    inner join segments on memberships.segment_id = segments.segment_id

),

pairs as (

    select
        members.place,
        other_members.place as other_place,
        count(*) as common_count
    from members
    inner join members as other_members
        on
            members.customer_id = other_members.customer_id
            and members.place < other_members.place
    group by members.place, other_members.place

),

final as (

    select
        segments.segment_id,
        other_segments.segment_id as other_segment_id,
        segments.customer_count,
        other_segments.customer_count as other_customer_count,
        pairs.common_count,
        round(
            pairs.common_count
            / (segments.customer_count + other_segments.customer_count - pairs.common_count),
            6
        ) as jaccard,
        round(
            pairs.common_count / segments.customer_count
            * population.customer_count / other_segments.customer_count,
            4
        ) as lift
    from pairs
    inner join segments on pairs.place = segments.place
    inner join segments as other_segments on pairs.other_place = other_segments.place
    cross join population

)

select * from final
