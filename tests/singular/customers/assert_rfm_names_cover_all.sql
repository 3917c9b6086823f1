{#
    Every buyer has fair scores and a name. A failing row is a kind of problem with its number:
    - pair without one name: the seed rfm_segments does not have a pair of scores exactly once.
    - buyer without a row: somebody with counted orders, of a brand or of any, is not scored.
    - unfair score: of one brand, buyers with the same value have different scores, or a better
      value has a lower score.
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

problems as (

    select 'pair without one name' as problem from missing_pairs
    union all
    select 'buyer without a row' as problem from missing_buyers
    union all
    select 'unfair score' as problem from unfair_values

)

select
    problem,
    count(*) as problem_count
from problems
group by problem
