{#
    Grain: one row per customer with a counted order: how dear, how often and how regularly the
    customer buys. Shares of merchandise are by amount. A product is on clearance from its
    discontinuation on, and from a cut of its price until the price goes up again, and of the new
    season for some days after it was listed (seeds/profile_limits). Gaps are between days of
    purchase; what they tell does not depend on how long ago the last one is.
#}
{{ config(
    materialized='incremental',
    incremental_strategy='by_customer',
    on_schema_change='fail',
    pre_hook=[
        "{{ touched_customers(by_customer=[
            ref('orders'), ref('returns'), ref('lifecycle_schedule')
        ]) }}",
        "{{ touch_customers_of_products(ref('product_traits')) }}",
        "{{ touch_customers_of_products(ref('entity_product_versions'), 'product_key') }}"
    ]
) }}

with orders as (

    select * from {{ ref('orders') }}
    where
        is_counted and customer_id is not null
        {%- if is_incremental() %}
        and customer_id in (select touched.customer_id from touched_customers as touched)
        {%- endif %}

),

lines as (

    select * from {{ ref('order_lines') }}
    where
        customer_id is not null and line_kind = 'merchandise' and revenue_amount > 0
        {%- if is_incremental() %}
        and customer_id in (select touched.customer_id from touched_customers as touched)
        {%- endif %}

),

traits as (

    select * from {{ ref('product_traits') }}

),

products as (

    select * from {{ ref('products') }}

),

price_changes as (

    select
        *,
        lead(valid_from) over (partition by product_id order by valid_from) as next_change_at
    from {{ ref('product_prices') }}
    where price_change <> 0

),

limits as (

    select
        max(case when limit_name = 'rhythm_near_share' then value end) as near_share,
        max(case when limit_name = 'new_season_days' then value end) as new_season_days
    from {{ ref('profile_limits') }}

),

clearances as (

    select
        product_id,
        valid_from as from_at,
        next_change_at as until_at
    from price_changes
    where price_change < 0
    union all
    select
        product_id,
        discontinued_at as from_at,
        null as until_at
    from products
    where discontinued_at is not null

),

cleared_lines as (

    select lines.order_line_id
    from lines
    inner join clearances
        on
            lines.product_id = clearances.product_id
            and lines.booked_at >= clearances.from_at
            and (lines.booked_at < clearances.until_at or clearances.until_at is null)
    group by lines.order_line_id

),

needed_products as (

    -- Bought on several days, or several of them at a time.
    select
        customer_id,
        product_id
    from lines
    where product_id is not null
    group by customer_id, product_id
    having
        min(cast(booked_at as date)) < max(cast(booked_at as date)) or max(quantity) > 1

),

described_lines as (

    select
        lines.customer_id,
        lines.net_amount,
        coalesce(lines.discount_amount > 0, false) as is_discounted,
        cleared_lines.order_line_id is not null as is_cleared,
        coalesce(traits.is_premium, false) as is_premium,
        coalesce(traits.price_shelf = 'middle', false) as is_middle_shelf,
        coalesce(
            cast(lines.booked_at as date) - cast(products.listed_at as date)
            between 0 and limits.new_season_days,
            false
        ) as is_new_season,
        needed_products.product_id is not null as is_needed
    from lines
    cross join limits
    left join traits on lines.product_id = traits.product_id
    left join products on lines.product_id = products.product_id
    left join cleared_lines on lines.order_line_id = cleared_lines.order_line_id
    left join needed_products
        on
            lines.customer_id = needed_products.customer_id
            and lines.product_id = needed_products.product_id

),

merchandise as (

    select
        customer_id,
        sum(net_amount) as amount,
        sum(case when is_discounted then net_amount else 0 end) as discounted_amount,
        sum(case when is_cleared then net_amount else 0 end) as clearance_amount,
        sum(case when is_discounted or is_cleared then net_amount else 0 end) as bargain_amount,
        sum(case when is_premium then net_amount else 0 end) as premium_amount,
        sum(case when is_new_season then net_amount else 0 end) as new_season_amount,
        sum(case when is_premium or is_new_season then net_amount else 0 end) as style_amount,
        sum(case when is_middle_shelf then net_amount else 0 end) as middle_shelf_amount,
        sum(case when is_needed then net_amount else 0 end) as needs_amount
    from described_lines
    group by customer_id

),

baskets as (

    select
        customer_id,
        count(*) as order_count,
        avg(merchandise_amount) as average_order_amount,
        median(merchandise_amount) as median_order_amount,
        sum(item_count) / count(*) as average_item_count,
        count(case when returned_amount < 0 then 1 end) as returned_order_count,
        -sum(returned_amount) as returned_amount,
        sum(merchandise_amount) as merchandise_amount
    from orders
    group by customer_id

),

gaps as (

    select
        customer_id,
        ordered_on,
        ordered_on - lag(ordered_on) over (partition by customer_id order by ordered_on)
            as gap_days
    from orders
    group by customer_id, ordered_on

),

centred as (

    select
        *,
        median(gap_days) over (partition by customer_id) as median_gap_days
    from gaps

),

rhythms as (

    select
        centred.customer_id,
        count(centred.gap_days) as gap_count,
        max(centred.median_gap_days) as median_gap_days,
        count(
            case
                when
                    abs(centred.gap_days - centred.median_gap_days)
                    <= limits.near_share * centred.median_gap_days
                    then 1
            end
        ) as near_gap_count,
        sum(centred.gap_days) as span_days
    from centred
    cross join limits
    group by centred.customer_id

),

final as (

    select
        baskets.customer_id,
        baskets.order_count,
        cast(merchandise.discounted_amount / nullif(merchandise.amount, 0) as decimal(5, 4))
            as discount_share,
        cast(merchandise.premium_amount / nullif(merchandise.amount, 0) as decimal(5, 4))
            as premium_share,
        cast(merchandise.clearance_amount / nullif(merchandise.amount, 0) as decimal(5, 4))
            as clearance_share,
        cast(merchandise.bargain_amount / nullif(merchandise.amount, 0) as decimal(5, 4))
            as bargain_share,
        cast(1 - merchandise.bargain_amount / nullif(merchandise.amount, 0) as decimal(5, 4))
            as full_price_share,
        cast(merchandise.new_season_amount / nullif(merchandise.amount, 0) as decimal(5, 4))
            as new_season_share,
        cast(merchandise.style_amount / nullif(merchandise.amount, 0) as decimal(5, 4))
            as style_share,
        cast(merchandise.middle_shelf_amount / nullif(merchandise.amount, 0) as decimal(5, 4))
            as middle_shelf_share,
        cast(merchandise.needs_amount / nullif(merchandise.amount, 0) as decimal(5, 4))
            as needs_share,
        cast(round(baskets.average_order_amount, 2) as decimal(18, 4)) as average_order_amount,
        cast(round(baskets.median_order_amount, 2) as decimal(18, 4)) as median_order_amount,
        cast(round(baskets.average_item_count, 2) as decimal(18, 4)) as average_item_count,
        rhythms.gap_count,
        cast(rhythms.median_gap_days as decimal(9, 1)) as median_gap_days,
        case
            when rhythms.gap_count >= 2
                then
                    cast(
                        round(rhythms.near_gap_count / rhythms.gap_count, 4) as decimal(5, 4)
                    )
        end as regularity,
        cast(round(365 * rhythms.gap_count / nullif(rhythms.span_days, 0), 2) as decimal(9, 2))
            as purchases_per_year,
        cast(
            round(baskets.returned_order_count / baskets.order_count, 4) as decimal(5, 4)
        ) as returned_order_share,
        cast(
            round(baskets.returned_amount / baskets.merchandise_amount, 4) as decimal(9, 4)
        ) as returned_amount_share,
        {{ this_load() }} as load_id
    from baskets
    left join merchandise on baskets.customer_id = merchandise.customer_id
    left join rhythms on baskets.customer_id = rhythms.customer_id

)

select * from final
