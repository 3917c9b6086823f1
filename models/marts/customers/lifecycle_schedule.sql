{#
    Grain: one row per customer and change of lifecycle stage, from the first day on, those to
    come if nothing more is bought included; the whole story follows from purchases, and the
    as-of day only says how much of it is history (marts.lifecycle_transitions).
    After each day of purchase the stages follow one another as
    the seed lifecycle_stages says: new or reactivated for a number of days, then active, at
    risk, inactive and lost as multiples of the expected gap, until the next purchase.
    The expected gap is the customer's own median gap up to that purchase, shrunk towards the
    brand's (seeds/brands) with the weight of two gaps, from 14 to 365 days: nothing that
    happened later changes it, so that the history of a day does not change afterwards.
    Potential is who was known for at least a day before the first purchase.
#}
{{ config(
    materialized='incremental',
    incremental_strategy='by_customer',
    on_schema_change='fail',
    pre_hook="{{ touched_customers(by_customer=ref('orders')) }}"
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

limits as (

    select
        max(case when stage = 'new' then within_days end) as new_days,
        max(case when stage = 'reactivated' then within_days end) as reactivated_days,
        max(case when stage = 'active' then within_gaps end) as active_gaps,
        max(case when stage = 'at_risk' then within_gaps end) as at_risk_gaps,
        max(case when stage = 'inactive' then within_gaps end) as inactive_gaps
    from {{ ref('lifecycle_stages') }}

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
        max(coalesce(brands.expected_gap_days, 90)) as brand_gap_days
    from orders
    left join brands on orders.brand_id = brands.brand_id
    group by orders.customer_id, orders.ordered_on

),

gaps as (

    select
        *,
        row_number() over customer as purchase_number,
        date_diff('day', lag(ordered_on) over customer, ordered_on) as gap_days,
        lead(ordered_on) over customer as next_on
    from purchase_days
    window customer as (partition by customer_id order by ordered_on)

),

rhythms as (

    select
        *,
        least(365, greatest(14, (
            (purchase_number - 1) * coalesce(median(gap_days) over so_far, 0)
            + 2 * brand_gap_days
        ) / (purchase_number + 1))) as expected_gap_days
    from gaps
    window so_far as (
        partition by customer_id order by ordered_on
        rows between unbounded preceding and current row
    )

),

reaches as (

    select
        rhythms.*,
        limits.new_days,
        limits.reactivated_days,
        cast(floor(limits.active_gaps * rhythms.expected_gap_days) as integer) as active_until,
        cast(floor(limits.at_risk_gaps * rhythms.expected_gap_days) as integer)
            as at_risk_until,
        cast(floor(limits.inactive_gaps * rhythms.expected_gap_days) as integer)
            as inactive_until
    from rhythms
    cross join limits

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
        customer_id,
        ordered_on,
        next_on,
        expected_gap_days,
        opening_stage as stage,
        0 as from_day,
        opening_until as until_day
    from openings
    where opening_stage is not null
    union all
    select
        customer_id,
        ordered_on,
        next_on,
        expected_gap_days,
        'active' as stage,
        opening_until + 1 as from_day,
        active_until as until_day
    from openings
    union all
    select
        customer_id,
        ordered_on,
        next_on,
        expected_gap_days,
        'at_risk' as stage,
        greatest(opening_until, active_until) + 1 as from_day,
        at_risk_until as until_day
    from openings
    union all
    select
        customer_id,
        ordered_on,
        next_on,
        expected_gap_days,
        'inactive' as stage,
        greatest(opening_until, at_risk_until) + 1 as from_day,
        inactive_until as until_day
    from openings
    union all
    select
        customer_id,
        ordered_on,
        next_on,
        expected_gap_days,
        'lost' as stage,
        greatest(opening_until, inactive_until) + 1 as from_day,
        null as until_day
    from openings

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
        end as trigger
    from spans
    where
        (until_day is null or from_day <= until_day)
        and (next_on is null or ordered_on + from_day < next_on)
    union all
    select
        first_seen.customer_id,
        'potential' as stage,
        first_seen.seen_on as from_on,
        'first seen' as trigger
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
        date_diff('day', lag(from_on) over customer, from_on) as days_in_stage,
        trigger,
        {{ this_load() }} as load_id
    from changes
    window customer as (partition by customer_id order by from_on)

)

select * from final
