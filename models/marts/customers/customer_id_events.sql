{#
    Grain: one row per build, pair of customers and what came between them: identifiers that went
    from the one to the other, or joins that were refused. New customers are no events; they are in
    marts.customer_id_history.
    A customer whose founder, the identifier that its id is made from, goes over is merged; where
    the founder stays, what goes over was split off; where it goes to nobody, it was blocked. In
    the build that erased a customer all of that is one event, and names nobody else: not even who
    has an identifier now that both held.
#}

with history as (

    select * from {{ ref('identity_history') }}

),

founders as (

    select
        to_customer_id as customer_id,
        node
    from history
    where is_founder
    group by to_customer_id, node

),

erasures as (

    select
        from_customer_id as customer_id,
        max(build_number) as build_number
    from history
    where reason = 'erased'
    group by from_customer_id

),

moves as (

    select
        history.build_number,
        history.as_of,
        case
            when erasures.customer_id is not null then 'erased'
            when bool_and(history.to_customer_id is null) then 'blocked'
            when bool_or(founders.node is not null) then 'merged'
            else 'split'
        end as event_type,
        history.from_customer_id as customer_id,
        case when erasures.customer_id is null then history.to_customer_id end
            as other_customer_id,
        count(*) as identifier_count,
        min(history.reason) as reason
    from history
    left join founders
        on history.from_customer_id = founders.customer_id and history.node = founders.node
    left join erasures
        on
            history.from_customer_id = erasures.customer_id
            and history.build_number = erasures.build_number
    where
        history.other_node is null
        and history.from_customer_id is not null
        and history.from_customer_id is distinct from history.to_customer_id
    group by
        history.build_number, history.as_of, history.from_customer_id, erasures.customer_id,
        case when erasures.customer_id is null then history.to_customer_id end

),

refusals as (

    select
        build_number,
        as_of,
        'refused' as event_type,
        from_customer_id as customer_id,
        to_customer_id as other_customer_id,
        count(*) as identifier_count,
        min(reason) as reason
    from history
    where status = 'refused'
    group by build_number, as_of, from_customer_id, to_customer_id

),

final as (

    select * from moves
    union all
    select * from refusals

)

select
    build_number,
    as_of,
    event_type,
    customer_id,
    other_customer_id,
    identifier_count,
    reason
from final
