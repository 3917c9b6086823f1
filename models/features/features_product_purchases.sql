{#
    Grain: one row per customer, product and order that is counted, and one per customer and
    product that was registered, whose order_id is NULL: who registers a product has it, wherever
    it was bought. The day is kept, so that a reader can stop at one in the past.
#}
with order_lines as (

    select * from {{ ref('order_lines') }}
    where line_kind = 'merchandise' and product_id is not null and customer_id is not null

),

orders as (

    select * from {{ ref('orders') }} where is_counted

),

registrations as (

    select * from {{ ref('registrations') }}
    where product_id is not null and customer_id is not null

),

bought as (

    select
        order_lines.customer_id,
        order_lines.product_id,
        orders.order_id,
        orders.ordered_on as bought_on
    from order_lines
    inner join orders on order_lines.order_id = orders.order_id
    group by
        order_lines.customer_id, order_lines.product_id, orders.order_id, orders.ordered_on

),

registered as (

    select
        customer_id,
        product_id,
        cast(null as varchar) as order_id,
        min(coalesce(purchased_on, cast(registered_at as date))) as bought_on
    from registrations
    group by customer_id, product_id

),

final as (

    select
        customer_id,
        product_id,
        order_id,
        bought_on
    from bought
    union all
    select
        customer_id,
        product_id,
        order_id,
        bought_on
    from registered

)

select * from final
