{#
    Grain: one row per source record of a buyer and span of days in which it was one customer's.
    A prediction for a day may know only who was known to be one person on it. Before the first
    build nobody had told people apart: what it found counts from the beginning.
#}
with edges as (

    select * from {{ ref('identity_edges') }}

),

history as (

    select * from {{ ref('identity_history') }} where other_node is null

),

buyers as (

    select record_key
    from {{ ref('entity_sales_documents') }}
    where record_key is not null
    group by record_key

),

hubs as (

    select
        edges.record_key,
        min(edges.hub_node) as hub_node
    from edges
    semi join buyers on edges.record_key = buyers.record_key
    where edges.hub_node is not null
    group by edges.record_key

),

last_of_day as (

    select
        node,
        as_of,
        max(build_number) as build_number
    from history
    group by node, as_of

),

days as (

    select
        history.node,
        history.as_of,
        history.to_customer_id,
        row_number() over (partition by history.node order by history.as_of) as span_number,
        lead(history.as_of) over (partition by history.node order by history.as_of) as next_as_of
    from history
    semi join last_of_day
        on
            history.node = last_of_day.node
            and history.build_number = last_of_day.build_number

),

final as (

    select
        hubs.record_key,
        days.to_customer_id as customer_id,
        case when days.span_number = 1 then date '0001-01-01' else days.as_of end as valid_from,
        coalesce(days.next_as_of, date '9999-12-31') as valid_until
    from hubs
    inner join days on hubs.hub_node = days.node
    where days.to_customer_id is not null

)

select * from final
