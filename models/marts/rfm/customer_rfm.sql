{#
    Grain: one row per buyer and brand, and one per buyer over all brands (brand_id NULL).
    Recency and frequency come from counted orders, monetary value is revenue
    (marts.rfm_values). The scores are those of the cut points of the month (marts.rfm_cut_points),
    so that they follow from the buyer's own values alone until it ends. Three schemes of names
    come from seeds: eleven segments, three named levels a dimension, fixed thresholds. Who never
    bought has no row.
#}
with rfm_values as (

    select * from {{ ref('rfm_values') }} where until_month is null

),

cut_points as (

    select * from {{ ref('rfm_cut_points') }}
    where valid_from = cast(date_trunc('month', {{ as_of() }}) as date)

),

history as (

    select * from {{ ref('customer_rfm_history') }}

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

bounds as (

    {{ rfm_bounds('cut_points') }}

),

measured as (

    select
        customer_id,
        brand_id,
        greatest(0, date_diff('day', last_order_on, {{ as_of() }})) as recency_days,
        frequency,
        monetary
    from rfm_values

),

lowest_levels as (

    select
        min_by(level, at_least) filter (where dimension = 'frequency') as frequency_level,
        min_by(level, at_least) filter (where dimension = 'monetary') as monetary_level
    from levels

),

scored as (

    select
        buyers.*,
        bounds.valid_from as period_start,
        bounds.population,
        bounds.method,
        {{ rfm_score('buyers.recency_days', 'recency', 'bounds') }} as r_score,
        {{ rfm_score('buyers.frequency', 'frequency', 'bounds') }} as f_score,
        {{ rfm_score('buyers.monetary', 'monetary', 'bounds') }} as m_score,
        r_fixed.score as r_fixed_score,
        coalesce(f_fixed.score, 1) as f_fixed_score,
        coalesce(m_fixed.score, 1) as m_fixed_score,
        r_level.level as recency_level,
        coalesce(f_level.level, lowest_levels.frequency_level) as frequency_level,
        coalesce(m_level.level, lowest_levels.monetary_level) as monetary_level
    from measured as buyers
    inner join bounds on buyers.brand_id is not distinct from bounds.brand_id
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

named as (

    select
        scored.*,
        segments.rfm_segment,
        fixed_segments.rfm_segment as rfm_segment_fixed
    from scored
    inner join segments
        on scored.r_score = segments.r_score and scored.f_score = segments.f_score
    inner join segments as fixed_segments
        on
            scored.r_fixed_score = fixed_segments.r_score
            and scored.f_fixed_score = fixed_segments.f_score

),

before as (

    select
        named.customer_id,
        named.brand_id,
        max_by(history.rfm_segment, history.valid_from) as previous_segment,
        case when not bool_or(history.valid_until is null) then max(history.valid_until) end
            as changed_on
    from named
    inner join history
        on
            named.customer_id = history.customer_id
            and named.brand_id is not distinct from history.brand_id
            and named.rfm_segment <> history.rfm_segment
    group by named.customer_id, named.brand_id

),

final as (

    select
        named.customer_id,
        named.brand_id,
        named.recency_days,
        named.frequency,
        named.monetary,
        named.r_score,
        named.f_score,
        named.m_score,
        cast(round((named.f_score + named.m_score) / 2.0, 1) as decimal(2, 1)) as fm_score,
        cast(100 * named.r_score + 10 * named.f_score + named.m_score as varchar) as rfm_cell,
        named.rfm_segment,
        before.previous_segment,
        before.changed_on,
        named.recency_level,
        named.frequency_level,
        named.monetary_level,
        named.recency_level || ' ' || named.frequency_level || ' ' || named.monetary_level
            as rfm_segment_sm,
        named.r_fixed_score,
        named.f_fixed_score,
        named.m_fixed_score,
        named.rfm_segment_fixed,
        named.period_start,
        named.population,
        named.method
    from named
    left join before
        on
            named.customer_id = before.customer_id
            and named.brand_id is not distinct from before.brand_id

)

select * from final
