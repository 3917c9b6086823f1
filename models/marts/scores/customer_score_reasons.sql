{#
    Grain: one row per customer and kind of interaction that gives points, or gave some in the 49
    days before the as-of day (seeds/scoring_points).
    An interaction is worth its points, halved with each half-life: points * 0.5 ^ (days since /
    half-life). Those of one kind and day count up to the cap. Days are of UTC as the as-of day
    is; the hour of a build changes nothing. An interaction counts for seven half-lives: then
    less than a hundredth of its points is left.
    Decay multiplies: what is worth so much today was worth 2 ^ (7 / half-life) as much a week
    ago. So the interactions are read once for all days of the past. What a day is worth is added
    up as a decimal, which does not depend on the order of rows.
#}
with interactions as (

    select * from {{ ref('customer_interactions') }}

),

scoring_points as (

    select
        *,
        7 * half_life_days as valid_days
    from {{ ref('scoring_points') }}

),

recent as (

    select
        interactions.customer_id,
        interactions.interaction,
        interactions.happened_at,
        interactions.interaction_count,
        date_diff('day', cast(interactions.happened_at as date), {{ as_of() }}) as age_days
    from interactions
    inner join scoring_points on interactions.interaction = scoring_points.interaction
    where
        date_diff('day', cast(interactions.happened_at as date), {{ as_of() }})
        < scoring_points.valid_days + 49

),

by_day as (

    select
        customer_id,
        interaction,
        age_days,
        sum(interaction_count) as interaction_count,
        max(happened_at) as last_at
    from recent
    group by customer_id, interaction, age_days

),

decayed as (

    select
        by_day.*,
        scoring_points.score_group,
        scoring_points.half_life_days,
        scoring_points.valid_days,
        cast(
            scoring_points.points
            * least(
                by_day.interaction_count,
                coalesce(scoring_points.cap_per_day, by_day.interaction_count)
            )
            * power(0.5, by_day.age_days / scoring_points.half_life_days)
            as decimal(18, 10)
        ) as worth
    from by_day
    inner join scoring_points on by_day.interaction = scoring_points.interaction

),

by_interaction as (

    select
        customer_id,
        interaction,
        score_group,
        sum(case when age_days < valid_days then interaction_count else 0 end)
            as interaction_count,
        max(last_at) as last_at,
        {{ points_before(30) }} as points_30d_before,
        [
            {{ points_before(0) }},
            {{ points_before(7) }},
            {{ points_before(14) }},
            {{ points_before(21) }},
            {{ points_before(28) }},
            {{ points_before(35) }},
            {{ points_before(42) }},
            {{ points_before(49) }}
        ] as weekly_points
    from decayed
    group by customer_id, interaction, score_group, half_life_days, valid_days

),

final as (

    select
        customer_id,
        interaction,
        score_group,
        row_number() over (
            partition by customer_id order by abs(weekly_points[1]) desc, interaction asc
        ) as reason_rank,
        weekly_points[1] as points,
        weekly_points[2] as points_7d_before,
        points_30d_before,
        weekly_points,
        cast(interaction_count as bigint) as interaction_count,
        last_at
    from by_interaction

)

select * from final
