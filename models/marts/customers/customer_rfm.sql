{#
    Grain: one row per buyer and brand, and one per buyer over all brands (brand_id NULL).
    Recency and frequency come from counted orders, monetary value is revenue. A score is the rank of the
    value among the buyers of the same brand, equal values getting equal scores: the middle of
    the ranks that they share, in five steps. Exactly one order always scores frequency 1, the
    other buyers share 2 to 5: most shops have more one-time buyers than a fifth. A population
    below rfm_min_buyers is scored by the fixed thresholds. Three schemes of names come from
    seeds: eleven segments, three named levels a dimension, fixed thresholds.
#}
with orders as (

    select * from {{ ref('orders') }} where customer_id is not null

),

returns as (

    select * from {{ ref('returns') }}
    where is_counted and customer_id is not null and order_id is null

),

segments as (

    select * from {{ ref('rfm_segments') }}

),

thresholds as (

    select
        *,
        lead(at_least) over (partition by dimension order by at_least) as below
    from {{ ref('rfm_thresholds') }}

),

levels as (

    select
        *,
        lead(at_least) over (partition by dimension order by at_least) as below
    from {{ ref('rfm_levels') }}

),

purchases as (

    select
        customer_id,
        brand_id,
        ordered_on as booked_on,
        cast(is_counted as integer) as order_count,
        net_amount
    from orders
    union all
    select
        customer_id,
        brand_id,
        returned_on as booked_on,
        0 as order_count,
        net_amount
    from returns

),

by_brand as (

    select
        customer_id,
        brand_id,
        max(case when order_count = 1 then booked_on end) as last_order_on,
        sum(case when {{ within_rfm_window('booked_on') }} then order_count else 0 end)
            as frequency,
        sum(case when {{ within_rfm_window('booked_on') }} then net_amount else 0 end)
            as monetary
    from purchases
    group by customer_id, brand_id

),

by_customer as (

    select
        customer_id,
        brand_id,
        last_order_on,
        frequency,
        monetary
    from by_brand
    union all
    select
        customer_id,
        null as brand_id,
        max(last_order_on) as last_order_on,
        sum(frequency) as frequency,
        sum(monetary) as monetary
    from by_brand
    group by customer_id

),

measured as (

    select
        customer_id,
        brand_id,
        greatest(0, date_diff('day', last_order_on, {{ as_of() }})) as recency_days,
        cast(frequency as bigint) as frequency,
        cast(monetary as decimal(18, 4)) as monetary,
        count(*) over (partition by brand_id) as population
    from by_customer
    where last_order_on is not null

),

ranked as (

    select
        *,
        {{ mid_rank('recency_days desc', 'brand_id') }} as recency_rank,
        {{ mid_rank('monetary', 'brand_id') }} as monetary_rank,
        {{ mid_rank('frequency', 'brand_id, frequency > 1') }} as frequency_rank
    from measured

),

rank_scored as (

    select
        *,
        population < {{ var('rfm_min_buyers') }} as is_small,
        cast(least(5, 1 + floor(5 * recency_rank)) as integer) as r_rank_score,
        cast(
            case when frequency <= 1 then 1 else least(5, 2 + floor(4 * frequency_rank)) end
            as integer
        ) as f_rank_score,
        cast(least(5, 1 + floor(5 * monetary_rank)) as integer) as m_rank_score
    from ranked

),

lowest_levels as (

    select
        min_by(level, at_least) filter (where dimension = 'frequency') as frequency_level,
        min_by(level, at_least) filter (where dimension = 'monetary') as monetary_level
    from levels

),

fixed_scored as (

    select
        buyers.*,
        r_fixed.score as r_fixed_score,
        coalesce(f_fixed.score, 1) as f_fixed_score,
        coalesce(m_fixed.score, 1) as m_fixed_score,
        r_level.level as recency_level,
        coalesce(f_level.level, lowest_levels.frequency_level) as frequency_level,
        coalesce(m_level.level, lowest_levels.monetary_level) as monetary_level
    from rank_scored as buyers
    left join thresholds as r_fixed
        on {{ falls_into('r_fixed', 'recency', 'buyers.recency_days') }}
    left join thresholds as f_fixed
        on {{ falls_into('f_fixed', 'frequency', 'buyers.frequency') }}
    left join thresholds as m_fixed
        on {{ falls_into('m_fixed', 'monetary', 'buyers.monetary') }}
    left join levels as r_level on {{ falls_into('r_level', 'recency', 'buyers.recency_days') }}
    left join levels as f_level on {{ falls_into('f_level', 'frequency', 'buyers.frequency') }}
    left join levels as m_level on {{ falls_into('m_level', 'monetary', 'buyers.monetary') }}
    cross join lowest_levels

),

scored as (

    select
        *,
        case when is_small then r_fixed_score else r_rank_score end as r_score,
        case when is_small then f_fixed_score else f_rank_score end as f_score,
        case when is_small then m_fixed_score else m_rank_score end as m_score
    from fixed_scored

),

final as (

    select
        scored.customer_id,
        scored.brand_id,
        scored.recency_days,
        scored.frequency,
        scored.monetary,
        scored.r_score,
        scored.f_score,
        scored.m_score,
        segments.rfm_segment,
        scored.recency_level,
        scored.frequency_level,
        scored.monetary_level,
        scored.r_fixed_score,
        scored.f_fixed_score,
        scored.m_fixed_score,
        fixed_segments.rfm_segment as rfm_segment_fixed,
        scored.population,
        case when scored.is_small then 'fixed' else 'rank' end as method
    from scored
    inner join segments
        on scored.r_score = segments.r_score and scored.f_score = segments.f_score
    inner join segments as fixed_segments
        on
            scored.r_fixed_score = fixed_segments.r_score
            and scored.f_fixed_score = fixed_segments.f_score

)

select * from final
