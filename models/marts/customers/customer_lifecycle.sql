{# Grain: one row per customer with the stage of the as-of day and since when and why. #}
with transitions as (

    select * from {{ ref('lifecycle_transitions') }}

),

orders as (

    select * from {{ ref('orders') }} where is_counted and customer_id is not null

),

current_stage as (

    select * from transitions
    qualify row_number() over (partition by customer_id order by transition_number desc) = 1

),

purchases as (

    select
        customer_id,
        max(ordered_on) as last_order_on,
        count(*) as order_count
    from orders
    group by customer_id

),

final as (

    select
        current_stage.customer_id,
        current_stage.to_stage as stage,
        current_stage.transitioned_at as stage_since,
        current_stage.from_stage as previous_stage,
        current_stage.trigger,
        case
            when purchases.last_order_on is not null
                then greatest(0, date_diff('day', purchases.last_order_on, {{ as_of() }}))
        end as days_since_order,
        case
            when purchases.order_count is null
                then
                    'known since ' || cast(current_stage.transitioned_at as date)
                    || ', has never bought'
            when current_stage.to_stage = 'new'
                then 'first bought on ' || purchases.last_order_on
            when current_stage.to_stage = 'reactivated'
                then
                    'came back on ' || cast(current_stage.transitioned_at as date)
                    || ' after being lost'
            else
                'last of ' || purchases.order_count || ' orders on ' || purchases.last_order_on
        end as reason
    from current_stage
    left join purchases on current_stage.customer_id = purchases.customer_id

)

select * from final
