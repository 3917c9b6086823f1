{#
    Grain: one row per customer. A score is the sum of its reasons, on the as-of day and on days
    of the past (marts.customer_score_reasons); total_score is that of all groups.
    A slope is that of the regression over the eight values of the last seven weeks, in points a
    week. For eight values with equal steps it is (7 (w1 - w8) + 5 (w2 - w7) + 3 (w3 - w6) +
    (w4 - w5)) / 84, the latest first. A trend is the first of seeds/score_trends that holds: cold
    below a score, rising and fading from a slope on that is a share of the score, otherwise flat.
#}
with customers as (

    select * from {{ ref('customers') }}

),

reasons as (

    select * from {{ ref('customer_score_reasons') }}

),

limits as (

    select
        max(case when trend = 'cold' then score_below end) as cold_below,
        max(case when trend = 'rising' then min_weekly_change end) as rising_from,
        max(case when trend = 'fading' then max_weekly_change end) as fading_to
    from {{ ref('score_trends') }}

),

summed as (

    select
        customer_id,
        coalesce(score_group, 'total') as score_group,
        sum(points) as score,
        sum(points_7d_before) as score_7d_before,
        sum(points_30d_before) as score_30d_before,
        [
            sum(weekly_points[1]), sum(weekly_points[2]), sum(weekly_points[3]),
            sum(weekly_points[4]), sum(weekly_points[5]), sum(weekly_points[6]),
            sum(weekly_points[7]), sum(weekly_points[8])
        ] as weekly_scores
    from reasons
    group by grouping sets ((customer_id, score_group), (customer_id))

),

sloped as (

    select
        *,
        round(
            (
                7 * (weekly_scores[1] - weekly_scores[8])
                + 5 * (weekly_scores[2] - weekly_scores[7])
                + 3 * (weekly_scores[3] - weekly_scores[6])
                + (weekly_scores[4] - weekly_scores[5])
            ) / 84, 4
        ) as slope
    from summed

),

judged as (

    select
        sloped.*,
        case
            when sloped.score < limits.cold_below then 'cold'
            when sloped.slope >= limits.rising_from * sloped.score then 'rising'
            when sloped.slope <= limits.fading_to * sloped.score then 'fading'
            else 'flat'
        end as trend
    from sloped
    cross join limits

),

top_reasons as (

    select
        customer_id,
        list(interaction order by reason_rank) as top_reasons
    from reasons
    where reason_rank <= 5 and points <> 0
    group by customer_id

),

final as (

    select
        customers.customer_id,
        {% for score_group in ['engagement', 'commerce', 'total'] -%}
        cast(coalesce({{ score_group }}.score, 0) as decimal(18, 2))
            as {{ score_group }}_score,
        cast(coalesce({{ score_group }}.score_7d_before, 0) as decimal(18, 2))
            as {{ score_group }}_score_7d_before,
        cast(coalesce({{ score_group }}.score_30d_before, 0) as decimal(18, 2))
            as {{ score_group }}_score_30d_before,
        cast(
            coalesce({{ score_group }}.score - {{ score_group }}.score_7d_before, 0)
            as decimal(18, 2)
        ) as {{ score_group }}_change_7d,
        cast(
            coalesce({{ score_group }}.score - {{ score_group }}.score_30d_before, 0)
            as decimal(18, 2)
        ) as {{ score_group }}_change_30d,
        coalesce({{ score_group }}.slope, 0) as {{ score_group }}_slope,
        coalesce({{ score_group }}.trend, 'cold') as {{ score_group }}_trend,
        {% endfor -%}
        top_reasons.top_reasons
    from customers
    left join judged as engagement
        on customers.customer_id = engagement.customer_id and engagement.score_group = 'engagement'
    left join judged as commerce
        on customers.customer_id = commerce.customer_id and commerce.score_group = 'commerce'
    left join judged as total
        on customers.customer_id = total.customer_id and total.score_group = 'total'
    left join top_reasons on customers.customer_id = top_reasons.customer_id

)

select * from final
