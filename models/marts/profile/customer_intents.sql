{#
    Grain: one row per customer with a counted order: whether the customer buys for others or for
    himself, and whether only for one occasion. Who buys for one only has ordered at least twice, in
    two years, and never outside its days; of several such occasions the first of seeds/occasions.
#}
with orders as (

    select * from {{ ref('order_intents') }}

),

occasion_orders as (

    select
        customer_id,
        ordered_on,
        unnest(occasions) as occasion
    from {{ ref('order_intents') }}

),

occasions as (

    select
        occasion,
        min(position) as first_position
    from {{ ref('occasions') }}
    group by occasion

),

purchases as (

    select
        customer_id,
        count(*) as order_count,
        count(is_gift) as told_order_count,
        count(case when is_gift then 1 end) as gift_order_count,
        max(case when is_gift then ordered_on end) as last_gift_on,
        arg_max(
            occasion, cast(ordered_on as varchar) || order_id
        ) filter (where is_gift and occasion is not null) as last_gift_occasion
    from orders
    group by customer_id

),

by_occasion as (

    select
        customer_id,
        occasion,
        count(*) as order_count,
        count(distinct extract(year from ordered_on)) as year_count,
        max(ordered_on) as last_on
    from occasion_orders
    group by customer_id, occasion

),

only_occasions as (

    select
        by_occasion.customer_id,
        by_occasion.occasion,
        by_occasion.year_count,
        by_occasion.last_on
    from by_occasion
    inner join purchases
        on
            by_occasion.customer_id = purchases.customer_id
            and by_occasion.order_count = purchases.order_count
    inner join occasions on by_occasion.occasion = occasions.occasion
    where by_occasion.year_count >= 2
    qualify row_number() over (
        partition by by_occasion.customer_id order by occasions.first_position, by_occasion.occasion
    ) = 1

),

final as (

    select
        purchases.customer_id,
        purchases.order_count,
        purchases.told_order_count,
        purchases.gift_order_count,
        cast(
            round(purchases.gift_order_count / nullif(purchases.told_order_count, 0), 4)
            as decimal(5, 4)
        ) as gift_share,
        coalesce(
            purchases.gift_order_count >= 2
            and purchases.gift_order_count = purchases.order_count,
            false
        ) as is_gift_only,
        purchases.last_gift_on,
        purchases.last_gift_occasion,
        only_occasions.occasion is not null as is_occasion_only,
        only_occasions.occasion as only_occasion,
        only_occasions.year_count as occasion_year_count,
        only_occasions.last_on as last_season_on
    from purchases
    left join only_occasions on purchases.customer_id = only_occasions.customer_id

)

select * from final
