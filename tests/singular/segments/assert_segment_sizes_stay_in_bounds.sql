{#
    A segment that grows or shrinks in a day as it never does has a broken rule or broken data
    behind it. A row is one beyond its limit, largest_daily_change in the catalogue, on the as-of
    day. It warns and stops nothing: a campaign that works looks the same.
#}
{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'sizes'}}}) }}

select
    segment_id,
    previous_as_of,
    previous_count,
    customer_count,
    entered_count,
    left_count,
    largest_daily_change
from {{ ref('sizes') }}
where as_of = {{ as_of() }} and is_unusual
