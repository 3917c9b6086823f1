{#
    Every buyer has fair scores and a name. A failing row is a kind of problem with its number:
    - pair without one name: the seed rfm_segments does not have a pair of scores exactly once.
    - buyer without a row: somebody with counted orders, of a brand or of any, is not scored.
    - unfair score: of one brand, buyers with the same value have different scores, or a better
      value has a lower score.
    - bounds out of order: a cut point of a better score is a worse value.
    - history with a gap: a row does not begin where the one before it ended, or tells nothing new.
    - not what history says: on the last day of a month a buyer has other scores than the history
      has for it.
#}
{{ config(meta={'dagster': {'ref': {'name': 'customer_rfm'}}}) }}

with scores as (

    select unnest([1, 2, 3, 4, 5]) as score

),

segments as (

    select * from {{ ref('rfm_segments') }}

),

rfm as (

    select * from {{ ref('customer_rfm') }}

),

cut_points as (

    select * from {{ ref('rfm_cut_points') }}

),

history as (

    select * from {{ ref('customer_rfm_history') }}

),

buyers as (

    select distinct
        customer_id,
        brand_id
    from {{ ref('orders') }}
    where is_counted and customer_id is not null

),

missing_pairs as (

    select
        r_scores.score as r_score,
        f_scores.score as f_score
    from scores as r_scores
    cross join scores as f_scores
    left join segments
        on r_scores.score = segments.r_score and f_scores.score = segments.f_score
    group by r_scores.score, f_scores.score
    having count(segments.rfm_segment) <> 1

),

missing_buyers as (

    select buyers.customer_id
    from buyers
    left join rfm on buyers.customer_id = rfm.customer_id and buyers.brand_id = rfm.brand_id
    left join rfm as overall
        on buyers.customer_id = overall.customer_id and overall.brand_id is null
    where rfm.rfm_segment is null or overall.rfm_segment is null

),

scored_values as (

    select
        brand_id,
        'recency' as dimension,
        -recency_days as goodness,
        min(r_score) as lowest_score,
        max(r_score) as highest_score
    from rfm
    group by brand_id, recency_days
    union all
    select
        brand_id,
        'frequency' as dimension,
        frequency as goodness,
        min(f_score) as lowest_score,
        max(f_score) as highest_score
    from rfm
    group by brand_id, frequency
    union all
    select
        brand_id,
        'monetary' as dimension,
        monetary as goodness,
        min(m_score) as lowest_score,
        max(m_score) as highest_score
    from rfm
    group by brand_id, monetary

),

unfair_values as (

    select *
    from scored_values
    qualify
        lowest_score <> highest_score
        or lowest_score < lag(highest_score) over (
            partition by brand_id, dimension order by goodness
        )

),

bounds_out_of_order as (

    select *
    from cut_points
    qualify
        case when dimension = 'recency' then -at_least else at_least end
        < lag(case when dimension = 'recency' then -at_least else at_least end) over (
            partition by brand_id, valid_from, dimension order by score
        )

),

history_gaps as (

    select
        *,
        lag(valid_until) over story as ended_on,
        lag(100 * r_score + 10 * f_score + m_score) over story as cell_before
    from history
    window story as (partition by customer_id, brand_id order by valid_from)
    qualify
        (cell_before is not null and ended_on is distinct from valid_from)
        or cell_before = 100 * r_score + 10 * f_score + m_score

),

other_than_history as (

    select rfm.customer_id
    from rfm
    left join history
        on
            rfm.customer_id = history.customer_id
            and rfm.brand_id is not distinct from history.brand_id
            and history.valid_until is null
    where
        cast(rfm.period_start + interval 1 month as date) - 1 = {{ as_of() }}
        and (
            rfm.r_score is distinct from history.r_score
            or rfm.f_score is distinct from history.f_score
            or rfm.m_score is distinct from history.m_score
        )

),

problems as (

    select 'pair without one name' as problem from missing_pairs
    union all
    select 'buyer without a row' as problem from missing_buyers
    union all
    select 'unfair score' as problem from unfair_values
    union all
    select 'bounds out of order' as problem from bounds_out_of_order
    union all
    select 'history with a gap' as problem from history_gaps
    union all
    select 'not what history says' as problem from other_than_history

)

select
    problem,
    count(*) as problem_count
from problems
group by problem
