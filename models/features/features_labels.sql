{#
    Grain: one row per day asked for, horizon, buyer of then and brand, and one per buyer over all
    brands (brand_id NULL): what happened in the days after, up to the horizon.
    Apart from the features, so that none of it is ever one. A customer who was merged since then
    is looked for under the id of today. is_complete says whether the horizon has passed.
#}
with spine as (

    select * from {{ source('predictions', 'spine') }} where horizon_days is not null

),

snapshots as (

    select * from {{ ref('features_snapshots') }}

),

purchases as (

    select * from {{ ref('features_purchases') }} where cancelled_on is null

),

ids as (

    select * from {{ ref('customer_id_history') }}

),

purchase_days as (

    select
        customer_id,
        cast(null as varchar) as brand_id,
        ordered_on,
        sum(merchandise_amount) as amount
    from purchases
    group by customer_id, ordered_on
    union all
    select
        customer_id,
        brand_id,
        ordered_on,
        sum(merchandise_amount) as amount
    from purchases
    group by customer_id, brand_id, ordered_on

),

asked as (

    select
        snapshots.cutoff_on,
        spine.horizon_days,
        snapshots.customer_id,
        snapshots.brand_id,
        coalesce(ids.current_customer_id, snapshots.customer_id) as current_customer_id
    from snapshots
    inner join spine on snapshots.cutoff_on = spine.cutoff_on
    left join ids on snapshots.customer_id = ids.customer_id

),

final as (

    select
        asked.cutoff_on,
        asked.horizon_days,
        asked.customer_id,
        asked.brand_id,
        asked.cutoff_on + asked.horizon_days <= {{ as_of() }} as is_complete,
        count(purchase_days.ordered_on) > 0 as has_bought,
        count(purchase_days.ordered_on) as purchase_days,
        cast(coalesce(sum(purchase_days.amount), 0) as double) as amount,
        min(purchase_days.ordered_on) - asked.cutoff_on as days_until_next
    from asked
    left join purchase_days
        on
            asked.current_customer_id = purchase_days.customer_id
            and asked.brand_id is not distinct from purchase_days.brand_id
            and asked.cutoff_on < purchase_days.ordered_on
            and asked.cutoff_on + asked.horizon_days >= purchase_days.ordered_on
    group by asked.cutoff_on, asked.horizon_days, asked.customer_id, asked.brand_id

)

select * from final
