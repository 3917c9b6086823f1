{#
    Grain: one row per calendar month, brand (NULL over all brands), dimension and score.
    Scores of a month compare with the buyers as they were on the last day before it, so that
    nobody's score moves within a month because others buy. A score belongs to a value: the
    share of the buyers below it, half of its equals included, in five steps; equal values can
    only score equal. Days and orders are whole, and money counts in whole units here. Exactly
    one order scores frequency 1 and the repeat buyers alone share 2 to 5: most shops have more
    one-time buyers than a fifth. Fewer buyers than rfm_min_buyers, none in the first month of a
    brand, or no repeat buyers to rank leave the fixed thresholds. The month of the as-of day and
    the 24 before it are kept. All are written in every build, and load_id says which bounds moved:
    only their months can have another history.
#}
{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key='valid_from',
    on_schema_change='fail',
    post_hook="delete from {{ this }} "
    ~ "where valid_from < date_trunc('month', {{ as_of() }}) - interval 24 month"
) }}

with rfm_values as (

    select * from {{ ref('rfm_values') }}

),

thresholds as (

    select * from {{ ref('rfm_thresholds') }}

),

steps as (

    -- Scores 2 to 5 begin at these shares of the population.
    select
        dimension,
        score,
        case
            when dimension = 'frequency' then (score - 2) / 4.0
            else (score - 1) / 5.0
        end as from_share
    from thresholds
    where score > 1

),

periods as (

    select cast(months.month as date) as period
    from generate_series(
        date_trunc('month', {{ as_of() }}) - interval 24 month,
        date_trunc('month', {{ as_of() }}),
        interval 1 month
    ) as months (month)

),

brand_periods as (

    select
        rfm_values.brand_id,
        periods.period
    from rfm_values
    inner join periods on rfm_values.from_month <= periods.period
    group by rfm_values.brand_id, periods.period

),

buyers as (

    select
        rfm_values.brand_id,
        periods.period,
        -greatest(0, date_diff('day', rfm_values.last_order_on, periods.period - 1)) as recency,
        rfm_values.frequency,
        cast(floor(rfm_values.monetary) as bigint) as monetary
    from rfm_values
    inner join periods
        on
            rfm_values.from_month < periods.period
            and (rfm_values.until_month is null or rfm_values.until_month >= periods.period)

),

populations as (

    select
        brand_id,
        period,
        count(*) as population
    from buyers
    group by brand_id, period

),

counted_values as (

    select
        brand_id,
        period,
        'recency' as dimension,
        recency as goodness,
        count(*) as buyer_count
    from buyers
    group by brand_id, period, recency
    union all
    select
        brand_id,
        period,
        'frequency' as dimension,
        frequency as goodness,
        count(*) as buyer_count
    from buyers
    where frequency > 1
    group by brand_id, period, frequency
    union all
    select
        brand_id,
        period,
        'monetary' as dimension,
        monetary as goodness,
        count(*) as buyer_count
    from buyers
    group by brand_id, period, monetary

),

shares as (

    select
        *,
        (sum(buyer_count) over up_to_here - buyer_count / 2.0)
        / sum(buyer_count) over everybody as share_at,
        sum(buyer_count) over up_to_here * 1.0
        / sum(buyer_count) over everybody as share_above
    from counted_values
    window
        everybody as (partition by brand_id, period, dimension),
        up_to_here as (partition by brand_id, period, dimension order by goodness)

),

ranked as (

    -- A step that is reached between two values begins one unit above the lower one.
    select
        shares.brand_id,
        shares.period,
        shares.dimension,
        steps.score,
        min(
            case
                when shares.share_at >= steps.from_share then shares.goodness
                else shares.goodness + 1
            end
        ) as goodness
    from shares
    inner join steps
        on shares.dimension = steps.dimension and shares.share_above >= steps.from_share
    group by shares.brand_id, shares.period, shares.dimension, steps.score

),

bounds as (

    -- More days are a lower score: the days of score 4 begin behind the last ones of score 5.
    select
        brand_id,
        period,
        dimension,
        case when dimension = 'recency' then score - 1 else score end as score,
        case
            when dimension = 'recency' then 1 - goodness
            when score = 2 and dimension = 'frequency' then 2
            else goodness
        end as at_least
    from ranked

),

rank_methods as (

    select
        bounds.brand_id,
        bounds.period,
        bounds.dimension
    from bounds
    inner join populations
        on
            bounds.brand_id is not distinct from populations.brand_id
            and bounds.period = populations.period
    where populations.population >= {{ var('rfm_min_buyers') }}
    group by bounds.brand_id, bounds.period, bounds.dimension

),

arrived as (

    select
        brand_periods.brand_id,
        thresholds.dimension,
        thresholds.score,
        brand_periods.period as valid_from,
        cast(brand_periods.period + interval 1 month as date) as valid_until,
        cast(
            case
                when rank_methods.dimension is null then thresholds.at_least
                else bounds.at_least
            end as decimal(18, 4)
        ) as at_least,
        coalesce(populations.population, 0) as population,
        case when rank_methods.dimension is null then 'fixed' else 'rank' end as method,
        {{ this_load() }} as load_id
    from brand_periods
    cross join thresholds
    left join populations
        on
            brand_periods.brand_id is not distinct from populations.brand_id
            and brand_periods.period = populations.period
    left join rank_methods
        on
            brand_periods.brand_id is not distinct from rank_methods.brand_id
            and brand_periods.period = rank_methods.period
            and thresholds.dimension = rank_methods.dimension
    left join bounds
        on
            brand_periods.brand_id is not distinct from bounds.brand_id
            and brand_periods.period = bounds.period
            and thresholds.dimension = bounds.dimension
            and thresholds.score = bounds.score

),

standing as (

    {{ standing_rows('arrived') }}

),

final as (

    select
        arrived.brand_id,
        arrived.dimension,
        arrived.score,
        arrived.valid_from,
        arrived.valid_until,
        arrived.at_least,
        arrived.population,
        arrived.method,
        coalesce(standing.load_id, arrived.load_id) as load_id
    from arrived
    left join standing
        on
            arrived.brand_id is not distinct from standing.brand_id
            and arrived.dimension = standing.dimension
            and arrived.score = standing.score
            and arrived.valid_from = standing.valid_from
            and arrived.at_least is not distinct from standing.at_least

)

select * from final
