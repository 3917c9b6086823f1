{#
    Grain: one row per customer id that was ever published, with the customer that it means now.
    A live id means itself. One that was merged away means the customer whom its founder, the
    identifier that it was made from, belongs to; where the founder joins nobody any more, whoever
    has most of the identifiers that it had. Where none of these is left, it is closed. One of a
    customer who was erased means that customer for ever, and nobody else.
#}

with history as (

    select * from {{ ref('identity_history') }} where other_node is null

),

clusters as (

    select * from {{ ref('identity_clusters') }} where customer_id is not null

),

published as (

    select
        to_customer_id as customer_id,
        min(as_of) as first_known_on
    from history
    where to_customer_id is not null
    group by to_customer_id

),

live as (

    select customer_id
    from clusters
    group by customer_id

),

ended as (

    select published.*
    from published
    anti join live on published.customer_id = live.customer_id

),

departures as (

    select
        history.from_customer_id as customer_id,
        max(history.as_of) as ended_on
    from history
    semi join ended on history.from_customer_id = ended.customer_id
    group by history.from_customer_id

),

held as (

    select
        history.to_customer_id as customer_id,
        history.node,
        bool_or(history.is_founder) as is_founder
    from history
    semi join ended on history.to_customer_id = ended.customer_id
    group by history.to_customer_id, history.node

),

heirs as (

    select
        held.customer_id,
        clusters.customer_id as heir_id,
        bool_or(held.is_founder) as has_founder,
        count(*) as identifier_count
    from held
    inner join clusters on held.node = clusters.node
    group by held.customer_id, clusters.customer_id

),

main_heirs as (

    select *
    from heirs
    qualify row_number() over (
        partition by customer_id order by has_founder desc, identifier_count desc, heir_id asc
    ) = 1

),

erased as (

    select * from {{ source('registry', 'erased_customers') }}

),

final as (

    select
        published.customer_id,
        case
            when erased.customer_id is not null then erased.current_customer_id
            when live.customer_id is not null then published.customer_id
            else main_heirs.heir_id
        end as current_customer_id,
        case
            when erased.customer_id is not null then 'erased'
            when live.customer_id is not null then 'live'
            when main_heirs.heir_id is not null then 'merged'
            else 'closed'
        end as status,
        published.first_known_on,
        departures.ended_on
    from published
    left join live on published.customer_id = live.customer_id
    left join main_heirs on published.customer_id = main_heirs.customer_id
    left join erased on published.customer_id = erased.customer_id
    left join departures on published.customer_id = departures.customer_id

)

select * from final
