{#
    Grain: one row per segment and recorded day, the as-of day included. A segment that is in force
    has a row without members too; one that is gone has a last row on the day on which its members
    left. Days before the as-of day stand as they were recorded.
    Unusual is a size beyond largest_daily_change of the catalogue for each day since the one
    before; a segment that was not recorded on the day before is new and never unusual.
#}
{{ config(materialized='table') }}

with recorded as (

    select * from {{ source('registry', 'segment_sizes') }} where as_of < {{ as_of() }}

),

segments as (

    select * from {{ ref('catalog') }}

),

customers as (

    {{ segment_base() }}

),

population as (

    select count(*) as customer_count
    from customers

),

previous_day as (

    select max(as_of) as as_of
    from recorded

),

previous as (

    select
        recorded.segment_id,
        recorded.as_of,
        recorded.customer_count,
        -- A year at most: the power grows beyond every number.
        least({{ as_of() }} - recorded.as_of, 366) as day_count
    from recorded
    inner join previous_day on recorded.as_of = previous_day.as_of

),

counted as (

    select
        segment_id,
        count(*) as customer_count
    from {{ ref('memberships') }}
    group by segment_id

),

changed as (

    select
        segment_id,
        count(*) filter (where left_on is null) as entered_count,
        count(*) filter (where left_on is not null) as left_count
    from {{ ref('membership_changes') }}
    group by segment_id

),

present as (

    select
        coalesce(segments.segment_id, changed.segment_id) as segment_id,
        segments.largest_daily_change,
        segments.smallest_size,
        coalesce(changed.entered_count, 0) as entered_count,
        coalesce(changed.left_count, 0) as left_count
    from segments
    full join changed on segments.segment_id = changed.segment_id

),

compared as (

    select
        present.segment_id,
        present.entered_count,
        present.left_count,
        present.largest_daily_change,
        present.smallest_size,
        coalesce(counted.customer_count, 0) as customer_count,
        population.customer_count as population,
        previous.as_of as previous_as_of,
        previous.customer_count as previous_count,
        round(
            previous.customer_count
            * power(greatest(1 - present.largest_daily_change, 0), previous.day_count),
            4
        ) as at_least,
        round(
            previous.customer_count * power(1 + present.largest_daily_change, previous.day_count),
            4
        ) as at_most
    from present
    cross join population
    left join counted on present.segment_id = counted.segment_id
    left join previous on present.segment_id = previous.segment_id

),

final as (

    select
        segment_id,
        as_of,
        customer_count,
        entered_count,
        left_count,
        share,
        previous_as_of,
        previous_count,
        largest_daily_change,
        is_unusual
    from recorded
    union all
    select
        segment_id,
        {{ as_of() }} as as_of,
        customer_count,
        entered_count,
        left_count,
        coalesce(round(customer_count / nullif(population, 0), 6), 0) as share,
        previous_as_of,
        previous_count,
        largest_daily_change,
        coalesce(
            greatest(customer_count, previous_count) >= smallest_size
            and (customer_count < at_least or customer_count > at_most),
            false
        ) as is_unusual
    from compared

)

select * from final
