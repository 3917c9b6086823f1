{#
    Every score is explained to the hundredth: on each day the points of a customer's reasons are
    the score. A failing row is a day with the number of customers whose score or its change is
    another number, or the number of those who have reasons and no score.
#}
{{ config(meta={'dagster': {'ref': {'name': 'customer_scores'}}}) }}

with scores as (

    select * from {{ ref('customer_scores') }}

),

explained as (

    select
        customer_id,
        sum(points) as total,
        sum(case when score_group = 'engagement' then points else 0 end) as engagement,
        sum(case when score_group = 'commerce' then points else 0 end) as commerce,
        sum(points_7d_before) as total_7d_before,
        sum(points_30d_before) as total_30d_before
    from {{ ref('customer_score_reasons') }}
    group by customer_id

),

breaks as (

    select
        'today' as problem,
        scores.customer_id
    from scores
    left join explained on scores.customer_id = explained.customer_id
    where
        scores.total_score <> coalesce(explained.total, 0)
        or scores.engagement_score <> coalesce(explained.engagement, 0)
        or scores.commerce_score <> coalesce(explained.commerce, 0)
        or scores.total_score <> scores.engagement_score + scores.commerce_score
    union all
    select
        '7 days before' as problem,
        scores.customer_id
    from scores
    left join explained on scores.customer_id = explained.customer_id
    where
        scores.total_score_7d_before <> coalesce(explained.total_7d_before, 0)
        or scores.total_change_7d <> scores.total_score - scores.total_score_7d_before
    union all
    select
        '30 days before' as problem,
        scores.customer_id
    from scores
    left join explained on scores.customer_id = explained.customer_id
    where
        scores.total_score_30d_before <> coalesce(explained.total_30d_before, 0)
        or scores.total_change_30d <> scores.total_score - scores.total_score_30d_before
    union all
    select
        'no score' as problem,
        explained.customer_id
    from explained
    left join scores on explained.customer_id = scores.customer_id
    where scores.customer_id is null

)

select
    problem,
    count(*) as customer_count
from breaks
group by problem
