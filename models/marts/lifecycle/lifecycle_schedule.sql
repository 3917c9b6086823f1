{#
    Grain: one row per customer and change of lifecycle stage, from the first day on, those to
    come if nothing more is bought included; the whole story follows from purchases, and the
    as-of day only says how much of it is history (marts.lifecycle_transitions).
    After each day of purchase the stages follow one another as
    the seed lifecycle_stages says: new or reactivated for a number of days, then active, at
    risk, inactive and lost as multiples of the expected gap, until the next purchase. A stage
    that would last only settle_days is passed over, the one before it lasting on, unless a
    purchase opened it: nobody flips back and forth because days go by.
    The expected gap is the customer's own median gap up to that purchase, shrunk towards the
    brand's (seeds/brands), within bounds: nothing that happened later changes it, so that the
    history of a day does not change afterwards. Who has bought in one season only, in at least
    two years, is expected in a year: counted from the nearest anniversaries of the first
    purchase, all purchases so far lie within season_days of one another, and at least one is
    nearer to a later anniversary than to the first purchase itself. The numbers are in the
    seed lifecycle_limits.
    Potential is who was known for at least a day before the first purchase. The last row of a
    buyer, lost, always follows from the last purchase.
#}
{{ config(
    materialized='incremental',
    incremental_strategy='by_customer',
    on_schema_change='fail',
    pre_hook="{{ touched_customers(by_customer=ref('orders'), by_order=ref('orders')) }}"
) }}

with orders as (

    select * from {{ ref('orders') }}
    where
        is_counted and customer_id is not null
        {%- if is_incremental() %}
        and customer_id in (select touched.customer_id from touched_customers as touched)
        {%- endif %}

),

brands as (

    select * from {{ ref('brands') }}

),

identifiers as (

    select * from {{ ref('customer_identifiers') }}
    {%- if is_incremental() %}
    where customer_id in (select touched.customer_id from touched_customers as touched)
    {%- endif %}

),

stages as (

    select * from {{ ref('lifecycle_stages') }}

),

stage_limits as (

    select
        max(case when stage = 'new' then within_days end) as new_days,
        max(case when stage = 'reactivated' then within_days end) as reactivated_days,
        max(case when stage = 'active' then within_gaps end) as active_gaps,
        max(case when stage = 'at_risk' then within_gaps end) as at_risk_gaps,
        max(case when stage = 'inactive' then within_gaps end) as inactive_gaps
    from stages

),

limits as (

    select
        max(case when rule = 'gap_at_least' then limit_value end) as gap_at_least,
        max(case when rule = 'gap_at_most' then limit_value end) as gap_at_most,
        max(case when rule = 'brand_gap_weight' then limit_value end) as brand_gap_weight,
        max(case when rule = 'unlisted_brand_gap' then limit_value end) as unlisted_brand_gap,
        max(case when rule = 'season_days' then limit_value end) as season_days,
        max(case when rule = 'seasonal_gap' then limit_value end) as seasonal_gap,
        max(case when rule = 'settle_days' then limit_value end) as settle_days
    from {{ ref('lifecycle_limits') }}

),

first_seen as (

    select
        customer_id,
        min(first_seen_at) as seen_at,
        cast(min(first_seen_at) as date) as seen_on
    from identifiers
    group by customer_id

),

purchase_days as (

    select
        orders.customer_id,
        orders.ordered_on,
        min(orders.ordered_at) as ordered_at,
        min_by(orders.order_id, orders.order_number) as order_id,
        count(*) as order_count,
        max(brands.expected_gap_days) as brand_gap_days,
        bool_or(brands.expected_gap_days is null) as has_unlisted_brand
    from orders
    left join brands on orders.brand_id = brands.brand_id
    group by orders.customer_id, orders.ordered_on

),

gaps as (

    select
        *,
        row_number() over customer as purchase_number,
        date_diff('day', lag(ordered_on) over customer, ordered_on) as gap_days,
        date_diff('day', min(ordered_on) over customer, ordered_on) as days_since_first,
        lead(ordered_on) over customer as next_on
    from purchase_days
    window customer as (partition by customer_id order by ordered_on)

),

anniversaries as (

    select
        *,
        round(days_since_first / 365.25) as anniversary,
        days_since_first - round(365.25 * round(days_since_first / 365.25))
            as days_from_anniversary
    from gaps

),

habits as (

    select
        *,
        sum(order_count) over so_far as orders_so_far,
        coalesce(median(gap_days) over so_far, 0) as median_gap_days,
        max(anniversary) over so_far as last_anniversary,
        max(days_from_anniversary) over so_far - min(days_from_anniversary) over so_far
            as season_width
    from anniversaries
    window so_far as (
        partition by customer_id order by ordered_on
        rows between unbounded preceding and current row
    )

),

rhythms as (

    select
        habits.*,
        limits.settle_days,
        habits.last_anniversary >= 1 and habits.season_width <= limits.season_days
            as is_seasonal,
        greatest(
            habits.brand_gap_days,
            case when habits.has_unlisted_brand then limits.unlisted_brand_gap end
        ) as prior_gap_days,
        limits.gap_at_least,
        limits.gap_at_most,
        limits.brand_gap_weight,
        limits.seasonal_gap
    from habits
    cross join limits

),

expectations as (

    select
        *,
        case
            when is_seasonal then seasonal_gap
            else least(gap_at_most, greatest(gap_at_least, (
                (purchase_number - 1) * median_gap_days + brand_gap_weight * prior_gap_days
            ) / (purchase_number - 1 + brand_gap_weight)))
        end as expected_gap_days
    from rhythms

),

reaches as (

    select
        expectations.*,
        stage_limits.new_days,
        stage_limits.reactivated_days,
        cast(floor(stage_limits.active_gaps * expectations.expected_gap_days) as integer)
            as active_until,
        cast(floor(stage_limits.at_risk_gaps * expectations.expected_gap_days) as integer)
            as at_risk_until,
        cast(floor(stage_limits.inactive_gaps * expectations.expected_gap_days) as integer)
            as inactive_until
    from expectations
    cross join stage_limits

),

starts as (

    -- Inactive lasts to the end of the day inactive_until: a purchase on the day after it comes
    -- before lost has begun.
    select
        *,
        case
            when purchase_number = 1 then 'new'
            when
                gap_days - 1 > lag(inactive_until) over (
                    partition by customer_id order by ordered_on
                )
                then 'reactivated'
        end as opening_stage
    from reaches

),

openings as (

    select
        *,
        case opening_stage
            when 'new' then new_days
            when 'reactivated' then reactivated_days
            else -1
        end as opening_until
    from starts

),

spans as (

    select
        openings.*,
        stages.stage,
        case stages.stage
            when 'active' then openings.opening_until + 1
            when 'at_risk' then greatest(openings.opening_until, openings.active_until) + 1
            when 'inactive' then greatest(openings.opening_until, openings.at_risk_until) + 1
            when 'lost' then greatest(openings.opening_until, openings.inactive_until) + 1
            else 0
        end as from_day,
        case stages.stage
            when 'active' then openings.active_until
            when 'at_risk' then openings.at_risk_until
            when 'inactive' then openings.inactive_until
            when 'lost' then null
            else openings.opening_until
        end as until_day
    from openings
    inner join stages
        on
            openings.opening_stage = stages.stage
            or stages.stage in ('active', 'at_risk', 'inactive', 'lost')

),

dated as (

    select
        customer_id,
        stage,
        ordered_on + from_day as from_on,
        case
            when from_day > 0 then 'time'
            when stage = 'new' then 'first purchase'
            else 'purchase'
        end as trigger,
        case when from_day = 0 then order_id end as order_id,
        ordered_on as last_order_on,
        orders_so_far as order_count,
        expected_gap_days,
        is_seasonal
    from spans
    where
        (
            until_day is null
            or until_day - from_day >= case when from_day = 0 then 0 else settle_days end
        )
        and (next_on is null or ordered_on + from_day < next_on)
    union all
    select
        first_seen.customer_id,
        'potential' as stage,
        first_seen.seen_on as from_on,
        'first seen' as trigger,
        null as order_id,
        null as last_order_on,
        0 as order_count,
        null as expected_gap_days,
        null as is_seasonal
    from first_seen
    left join purchase_days on first_seen.customer_id = purchase_days.customer_id
    group by first_seen.customer_id, first_seen.seen_on, first_seen.seen_at
    having
        min(purchase_days.ordered_on) is null
        or (
            first_seen.seen_on < min(purchase_days.ordered_on)
            and first_seen.seen_at <= min(purchase_days.ordered_at) - interval 1 day
        )

),

changes as (

    select
        *,
        lag(stage) over (partition by customer_id order by from_on) as stage_before
    from dated
    qualify stage_before is null or stage_before <> stage

),

final as (

    select
        customer_id,
        row_number() over customer as transition_number,
        lag(stage) over customer as from_stage,
        stage as to_stage,
        cast(from_on as timestamp) as transitioned_at,
        date_diff('day', lag(from_on) over customer, from_on) as days_in_from_stage,
        trigger,
        order_id,
        last_order_on,
        cast(order_count as bigint) as order_count,
        cast(expected_gap_days as decimal(6, 2)) as expected_gap_days,
        is_seasonal,
        {{ this_load() }} as load_id
    from changes
    window customer as (partition by customer_id order by from_on)

)

select * from final
