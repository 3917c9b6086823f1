{#
    Grain: one row per day asked for, buyer of then and brand, and one per buyer over all brands
    (brand_id NULL) where there are several.
    predictions.spine says which days are asked for. A row knows what had happened and had been
    delivered by the end of its day, and who was known to be one person then. A day with several
    orders is one purchase: people split a purchase into orders.
#}
with spine as (

    select
        cutoff_on,
        customers_from,
        customers_below
    from {{ source('predictions', 'spine') }}
    group by cutoff_on, customers_from, customers_below

),

purchases as (

    select * from {{ ref('features_purchases') }}

),

record_history as (

    select * from {{ ref('features_record_history') }}

),

returns as (

    select * from {{ ref('returns') }} where is_counted

),

asked_records as (

    select
        spine.cutoff_on,
        record_history.record_key,
        record_history.customer_id
    from record_history
    inner join spine
        on
            record_history.valid_from <= spine.cutoff_on
            and record_history.valid_until > spine.cutoff_on
    where
        md5(record_history.customer_id) >= spine.customers_from
        and md5(record_history.customer_id) < spine.customers_below

),

known_purchases as (

    select
        asked_records.cutoff_on,
        asked_records.customer_id,
        purchases.order_id,
        purchases.brand_id,
        purchases.ordered_on,
        purchases.channel,
        purchases.merchandise_amount,
        purchases.discount_amount,
        purchases.item_count
    from purchases
    inner join asked_records
        on
            purchases.record_key = asked_records.record_key
            and purchases.known_on <= asked_records.cutoff_on
    where coalesce(purchases.cancelled_on > asked_records.cutoff_on, true)

),

brand_count as (

    select count(distinct brand_id) as brand_count
    from purchases

),

known_returns as (

    select
        known_purchases.cutoff_on,
        known_purchases.customer_id,
        known_purchases.brand_id,
        -sum(returns.net_amount) as returned_amount
    from returns
    inner join known_purchases
        on
            returns.order_id = known_purchases.order_id
            and returns.returned_on <= known_purchases.cutoff_on
    group by known_purchases.cutoff_on, known_purchases.customer_id, known_purchases.brand_id

),

scoped_purchases as (

    select
        known_purchases.cutoff_on,
        known_purchases.customer_id,
        cast(null as varchar) as brand_id,
        known_purchases.ordered_on,
        known_purchases.channel,
        known_purchases.merchandise_amount,
        known_purchases.discount_amount,
        known_purchases.item_count
    from known_purchases
    union all
    select
        known_purchases.cutoff_on,
        known_purchases.customer_id,
        known_purchases.brand_id,
        known_purchases.ordered_on,
        known_purchases.channel,
        known_purchases.merchandise_amount,
        known_purchases.discount_amount,
        known_purchases.item_count
    from known_purchases
    cross join brand_count
    where brand_count.brand_count > 1

),

scoped_returns as (

    select
        cutoff_on,
        customer_id,
        cast(null as varchar) as brand_id,
        sum(returned_amount) as returned_amount
    from known_returns
    group by cutoff_on, customer_id
    union all
    select
        cutoff_on,
        customer_id,
        brand_id,
        returned_amount
    from known_returns

),

purchase_days as (

    select
        cutoff_on,
        customer_id,
        brand_id,
        ordered_on,
        sum(merchandise_amount) as amount,
        sum(discount_amount) as discount_amount,
        sum(item_count) as item_count,
        max(case when channel = 'store' then 1 else 0 end) as is_in_store
    from scoped_purchases
    group by cutoff_on, customer_id, brand_id, ordered_on

),

gaps as (

    select
        *,
        ordered_on - lag(ordered_on) over (
            partition by cutoff_on, customer_id, brand_id order by ordered_on
        ) as gap_days
    from purchase_days

),

buyers as (

    select
        cutoff_on,
        customer_id,
        brand_id,
        min(ordered_on) as first_on,
        max(ordered_on) as last_on,
        count(*) as purchase_days,
        sum(amount) as amount,
        max(amount) as largest_amount,
        sum(power(cast(gap_days as double), 2)) as squared_gap_days,
        sum(discount_amount) as discount_amount,
        sum(item_count) as item_count,
        avg(is_in_store) as store_share,
        count(case when ordered_on > cutoff_on - 30 then 1 end) as purchase_days_30d,
        count(case when ordered_on > cutoff_on - 91 then 1 end) as purchase_days_91d,
        count(case when ordered_on > cutoff_on - 182 then 1 end) as purchase_days_182d,
        count(case when ordered_on > cutoff_on - 365 then 1 end) as purchase_days_365d,
        count(
            case when ordered_on > cutoff_on - 365 and ordered_on <= cutoff_on - 274 then 1 end
        ) as purchase_days_year_ago,
        sum(case when ordered_on > cutoff_on - 91 then amount else 0 end) as amount_91d,
        sum(case when ordered_on > cutoff_on - 365 then amount else 0 end) as amount_365d,
        arg_max(amount, ordered_on) as last_amount
    from gaps
    group by cutoff_on, customer_id, brand_id

),

final as (

    select
        buyers.cutoff_on,
        buyers.customer_id,
        buyers.brand_id,
        buyers.first_on,
        buyers.last_on,
        buyers.purchase_days - 1 as repeat_days,
        buyers.last_on - buyers.first_on as active_days,
        buyers.cutoff_on - buyers.first_on as tenure_days,
        buyers.cutoff_on - buyers.last_on as recency_days,
        case
            when buyers.purchase_days > 1
                then cast(buyers.last_on - buyers.first_on as double) / (buyers.purchase_days - 1)
        end as mean_gap_days,
        case
            when buyers.purchase_days > 2
                then sqrt(greatest(
                    buyers.squared_gap_days / (buyers.purchase_days - 1)
                    - power(
                        cast(buyers.last_on - buyers.first_on as double)
                        / (buyers.purchase_days - 1),
                        2
                    ),
                    0
                ))
        end as gap_deviation_days,
        cast(buyers.amount / buyers.purchase_days as double) as mean_amount,
        cast(buyers.largest_amount as double) as largest_amount,
        cast(buyers.last_amount as double) as last_amount,
        cast(buyers.amount as double) as amount,
        cast(buyers.amount_91d as double) as amount_91d,
        cast(buyers.amount_365d as double) as amount_365d,
        buyers.purchase_days_30d,
        buyers.purchase_days_91d,
        buyers.purchase_days_182d,
        buyers.purchase_days_365d,
        buyers.purchase_days_year_ago,
        cast(buyers.item_count / buyers.purchase_days as double) as mean_items,
        cast(buyers.store_share as double) as store_share,
        cast(
            buyers.discount_amount / nullif(buyers.amount + buyers.discount_amount, 0) as double
        ) as discount_share,
        cast(coalesce(scoped_returns.returned_amount, 0) / nullif(buyers.amount, 0) as double)
            as returned_share
    from buyers
    left join scoped_returns
        on
            buyers.cutoff_on = scoped_returns.cutoff_on
            and buyers.customer_id = scoped_returns.customer_id
            and buyers.brand_id is not distinct from scoped_returns.brand_id

)

select * from final
