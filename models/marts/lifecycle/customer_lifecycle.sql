{#
    Grain: one row per customer with the stage of the as-of day, since when and why, and what
    comes if nothing happens. Who has never bought is of the first type that holds in the last 90
    days: abandoner, who put something into a cart or began a checkout; browser, who looked at
    products; reader, who read the blog or opened messages; otherwise unseen.
    The last row of a buyer's schedule follows from the last purchase and knows its rhythm.
#}
with schedule as (

    select * from {{ ref('lifecycle_schedule') }}

),

stages as (

    select * from {{ ref('lifecycle_stages') }}

),

sessions as (

    select * from {{ ref('web_sessions') }}
    where customer_id is not null and started_at >= {{ as_of() }} - interval 89 day

),

messages as (

    select * from {{ ref('messages') }}
    where customer_id is not null and last_opened_at >= {{ as_of() }} - interval 89 day

),

reached as (

    select
        customer_id,
        max(transition_number) as last_number,
        max(
            case
                when trigger <> 'time' or transitioned_at <= {{ as_of() }} then transition_number
            end
        ) as current_number
    from schedule
    group by customer_id

),

visits as (

    select
        customer_id,
        bool_or(cart_add_count + checkout_step_count > 0) as has_left_cart,
        bool_or(product_view_count > 0) as has_viewed_product,
        bool_or(blog_read_count > 0) as has_read_blog
    from sessions
    group by customer_id

),

openings as (

    select customer_id from messages
    group by customer_id

),

final as (

    select
        reached.customer_id,
        current_stage.to_stage as stage,
        current_stage.transitioned_at as stage_since,
        current_stage.from_stage as previous_stage,
        greatest(
            0, date_diff('day', cast(current_stage.transitioned_at as date), {{ as_of() }})
        ) as days_in_stage,
        current_stage.trigger,
        current_stage.order_id,
        stages.mautic_stage,
        case
            when last_stage.order_count > 0 then null
            when visits.has_left_cart then 'abandoner'
            when visits.has_viewed_product then 'browser'
            when visits.has_read_blog or openings.customer_id is not null then 'reader'
            else 'unseen'
        end as potential_type,
        case
            when last_stage.last_order_on is not null
                then greatest(0, date_diff('day', last_stage.last_order_on, {{ as_of() }}))
        end as days_since_order,
        last_stage.expected_gap_days,
        last_stage.is_seasonal,
        last_stage.last_order_on + cast(round(last_stage.expected_gap_days) as integer)
            as expected_next_order_on,
        next_stage.to_stage as next_stage,
        cast(next_stage.transitioned_at as date) as next_stage_on,
        case
            when last_stage.order_count = 0
                then
                    'known since ' || cast(current_stage.transitioned_at as date)
                    || ', has never bought'
            when current_stage.to_stage = 'new'
                then 'first bought on ' || last_stage.last_order_on
            when current_stage.to_stage = 'reactivated'
                then
                    'came back on ' || cast(current_stage.transitioned_at as date)
                    || ' after being lost'
            else
                'last of ' || last_stage.order_count || ' orders on ' || last_stage.last_order_on
                || ', expected every ' || cast(round(last_stage.expected_gap_days) as integer)
                || ' days' || case when last_stage.is_seasonal then ' in season' else '' end
        end as reason
    from reached
    inner join schedule as current_stage
        on
            reached.customer_id = current_stage.customer_id
            and reached.current_number = current_stage.transition_number
    inner join schedule as last_stage
        on
            reached.customer_id = last_stage.customer_id
            and reached.last_number = last_stage.transition_number
    left join schedule as next_stage
        on
            reached.customer_id = next_stage.customer_id
            and reached.current_number + 1 = next_stage.transition_number
    left join stages on current_stage.to_stage = stages.stage
    left join visits on reached.customer_id = visits.customer_id
    left join openings on reached.customer_id = openings.customer_id

)

select * from final
