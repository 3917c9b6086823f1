{#
    Grain: one row per customer who opened or clicked a message, visited a site or bought in the
    last 365 days: the hour and weekday at which the customer is there, in the brand's time zone.
    The counts of each hour and weekday are shrunk towards everybody's, so that one visit at four
    in the morning is no habit. An hour at which the customer never was can be the best one only if
    it is everybody's.
#}
with messages as (

    select * from {{ ref('messages') }}
    where customer_id is not null and last_opened_at >= {{ as_of() }} - interval 364 day

),

clicked_messages as (

    select * from {{ ref('messages') }}
    where customer_id is not null and last_clicked_at >= {{ as_of() }} - interval 364 day

),

sessions as (

    select * from {{ ref('web_sessions') }}
    where customer_id is not null and started_at >= {{ as_of() }} - interval 364 day

),

orders as (

    select * from {{ ref('orders') }}
    where
        is_counted
        and customer_id is not null
        and ordered_at >= {{ as_of() }} - interval 364 day

),

brands as (

    select * from {{ ref('brands') }}

),

limits as (

    select max(case when limit_name = 'time_prior_contacts' then value end) as prior_contacts
    from {{ ref('profile_limits') }}

),

contacts as (

    select
        customer_id,
        brand_id,
        last_opened_at as contacted_at
    from messages
    union all
    select
        customer_id,
        brand_id,
        last_clicked_at as contacted_at
    from clicked_messages
    union all
    select
        customer_id,
        brand_id,
        started_at as contacted_at
    from sessions
    union all
    select
        customer_id,
        brand_id,
        ordered_at as contacted_at
    from orders

),

time_zones as (

    select coalesce(time_zone, 'UTC') as time_zone
    from {{ ref('brands') }}
    union
    select 'UTC' as time_zone

),

clocks as (

    -- Asking for the local time is dear: once a quarter of an hour, as fine as any time zone is.
    select
        time_zones.time_zone,
        quarters.quarter as quarter_at,
        quarters.quarter at time zone 'UTC' at time zone time_zones.time_zone as local_at
    from time_zones
    cross join generate_series(
        {{ as_of() }} - interval 364 day,
        {{ as_of() }} + interval 1 day,
        interval 15 minute
    ) as quarters (quarter)

),

local_contacts as (

    select
        contacts.customer_id,
        clocks.local_at
    from contacts
    left join brands on contacts.brand_id = brands.brand_id
    inner join clocks
        on
            coalesce(brands.time_zone, 'UTC') = clocks.time_zone
            and time_bucket(interval 15 minute, contacts.contacted_at) = clocks.quarter_at

),

counts as (

    select
        customer_id,
        'hour' as unit,
        cast(extract(hour from local_at) as integer) as place,
        count(*) as contact_count
    from local_contacts
    group by all
    union all
    select
        customer_id,
        'weekday' as unit,
        cast(extract(isodow from local_at) as integer) as place,
        count(*) as contact_count
    from local_contacts
    group by all

),

everybody as (

    select
        unit,
        place,
        sum(contact_count) / sum(sum(contact_count)) over (partition by unit) as share_of_all,
        row_number() over (
            partition by unit order by sum(contact_count) desc, place asc
        ) as place_rank
    from counts
    group by unit, place

),

totals as (

    select
        customer_id,
        cast(sum(contact_count) as bigint) as contact_count
    from counts
    where unit = 'hour'
    group by customer_id

),

candidates as (

    select
        customer_id,
        unit,
        place,
        contact_count
    from counts
    union all
    select
        totals.customer_id,
        everybody.unit,
        everybody.place,
        0 as contact_count
    from totals
    inner join everybody on everybody.place_rank = 1

),

weighed as (

    select
        candidates.customer_id,
        candidates.unit,
        candidates.place,
        candidates.contact_count,
        totals.contact_count as contacts_of_customer,
        round(
            (candidates.contact_count + limits.prior_contacts * everybody.share_of_all)
            / (totals.contact_count + limits.prior_contacts),
            4
        ) as place_share
    from candidates
    inner join totals on candidates.customer_id = totals.customer_id
    inner join everybody
        on candidates.unit = everybody.unit and candidates.place = everybody.place
    cross join limits

),

best as (

    select * from weighed
    qualify row_number() over (
        partition by customer_id, unit order by place_share desc, place asc, contact_count desc
    ) = 1

),

final as (

    select
        customer_id,
        max(contacts_of_customer) as contact_count,
        max(case when unit = 'hour' then place end) as best_hour,
        max(case when unit = 'hour' then contact_count end) as best_hour_contacts,
        cast(max(case when unit = 'hour' then place_share end) as decimal(5, 4))
            as best_hour_share,
        max(case when unit = 'weekday' then place end) as best_weekday,
        max(case when unit = 'weekday' then contact_count end) as best_weekday_contacts,
        cast(max(case when unit = 'weekday' then place_share end) as decimal(5, 4))
            as best_weekday_share
    from best
    group by customer_id

)

select * from final
