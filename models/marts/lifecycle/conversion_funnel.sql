{#
    Grain: one row per brand, month and conversion of the seed lifecycle_conversions: how many of
    the customers who were first seen in the month, at the brand, have reached it by the as-of
    day. Visitors who became known to nobody are no customers: they stand beside the cohort of
    the month of their first visit.
#}
with customer_conversions as (

    select * from {{ ref('customer_conversions') }}

),

sessions as (

    select * from {{ ref('web_sessions') }}

),

cohorts as (

    select
        customer_id,
        brand_id,
        cast(converted_at as date) as first_seen_on,
        cast(date_trunc('month', converted_at) as date) as cohort_month
    from customer_conversions
    where conversion_id = 'first_seen'

),

reached as (

    select
        cohorts.brand_id,
        cohorts.cohort_month,
        customer_conversions.conversion_id,
        count(*) as reached_count,
        median(
            date_diff(
                'day', cohorts.first_seen_on, cast(customer_conversions.converted_at as date)
            )
        ) as median_days
    from customer_conversions
    inner join cohorts on customer_conversions.customer_id = cohorts.customer_id
    group by cohorts.brand_id, cohorts.cohort_month, customer_conversions.conversion_id

),

visitors as (

    select
        brand_id,
        visitor_id,
        cast(date_trunc('month', min(started_at)) as date) as cohort_month
    from sessions
    group by brand_id, visitor_id
    having count(customer_id) = 0

),

final as (

    select
        brand_id,
        cohort_month,
        conversion_id,
        reached_count,
        round(
            reached_count * 1.0
            / max(case when conversion_id = 'first_seen' then reached_count end) over cohort,
            4
        ) as reached_share,
        cast(round(median_days, 1) as decimal(8, 1)) as median_days
    from reached
    window cohort as (partition by brand_id, cohort_month)
    union all
    select
        brand_id,
        cohort_month,
        'anonymous_visit' as conversion_id,
        count(*) as reached_count,
        null as reached_share,
        null as median_days
    from visitors
    group by brand_id, cohort_month

)

select * from final
