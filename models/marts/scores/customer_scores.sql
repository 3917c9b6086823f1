{#
    Grain: one row per customer. A score is the sum of its reasons, on the as-of day and on days
    of the past (marts.customer_score_reasons); total_score is that of all groups.
    A slope is that of the regression over the eight values of the last seven weeks, in points a
    week. For eight values with equal steps it is (7 (w1 - w8) + 5 (w2 - w7) + 3 (w3 - w6) +
    (w4 - w5)) / 84, the latest first. A trend is cold below a score, else rising or fading from a
    slope on that is a share of the score, else flat; the limits are in seeds/score_trends.
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
        sloped.score - sloped.score_7d_before as change_7d,
        sloped.score - sloped.score_30d_before as change_30d,
        case
            when sloped.score < limits.cold_below then 'cold'
            when sloped.slope >= limits.rising_from * sloped.score then 'rising'
            when sloped.slope <= limits.fading_to * sloped.score then 'fading'
            else 'flat'
        end as trend
    from sloped
    cross join limits

),

by_customer as (

    select
        {% for score_group in ['engagement', 'commerce', 'total'] -%}
        {% for measure in [
            'score', 'score_7d_before', 'score_30d_before', 'change_7d', 'change_30d'
        ] -%}
        cast(
            coalesce(max(
                case when judged.score_group = '{{ score_group }}' then judged.{{ measure }} end
            ), 0) as decimal(18, 2)
        ) as {{ score_group }}_{{ measure }},
        {% endfor -%}
        coalesce(
            max(case when judged.score_group = '{{ score_group }}' then judged.slope end), 0
        ) as {{ score_group }}_slope,
        coalesce(
            max(case when judged.score_group = '{{ score_group }}' then judged.trend end), 'cold'
        ) as {{ score_group }}_trend,
        {% endfor -%}
        customers.customer_id
    from customers
    left join judged on customers.customer_id = judged.customer_id
    group by customers.customer_id

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
        by_customer.customer_id,
        by_customer.engagement_score,
        by_customer.engagement_score_7d_before,
        by_customer.engagement_score_30d_before,
        by_customer.engagement_change_7d,
        by_customer.engagement_change_30d,
        by_customer.engagement_slope,
        by_customer.engagement_trend,
        by_customer.commerce_score,
        by_customer.commerce_score_7d_before,
        by_customer.commerce_score_30d_before,
        by_customer.commerce_change_7d,
        by_customer.commerce_change_30d,
        by_customer.commerce_slope,
        by_customer.commerce_trend,
        by_customer.total_score,
        by_customer.total_score_7d_before,
        by_customer.total_score_30d_before,
        by_customer.total_change_7d,
        by_customer.total_change_30d,
        by_customer.total_slope,
        by_customer.total_trend,
        top_reasons.top_reasons
    from by_customer
    left join top_reasons on by_customer.customer_id = top_reasons.customer_id

)

select * from final
