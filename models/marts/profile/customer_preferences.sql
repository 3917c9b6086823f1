{#
    Grain: one row per customer, dimension and value that the customer showed an interest in.
    Each view, cart, wish and purchase of a product gives the points of seeds/preference_weights
    to its category, maker, price shelf and colour. Points halve every half-life up to the
    customer's last contact with any product, and not beyond it: who stays away keeps the taste
    that he left with, so that a day without news changes nothing and an increment computes only
    the customers that something happened to. What is less than a hundredth of a point is no
    preference any more. Points are added up as decimals: no order of adding changes a sum.
#}
{{ config(
    materialized='incremental',
    incremental_strategy='by_customer',
    on_schema_change='fail',
    pre_hook=[
        "{{ touched_customers(
            by_customer=ref('orders'),
            by_record=ref('entity_product_interest'),
            by_cookie=ref('entity_product_interest')
        ) }}",
        "{{ touch_customers_of_products(ref('product_traits')) }}"
    ]
) }}

with interest as (

    select * from {{ ref('product_interest') }}
    where
        customer_id is not null
        {%- if is_incremental() %}
        and customer_id in (select touched.customer_id from touched_customers as touched)
        {%- endif %}

),

orders as (

    select * from {{ ref('orders') }}
    where
        is_counted and customer_id is not null
        {%- if is_incremental() %}
        and customer_id in (select touched.customer_id from touched_customers as touched)
        {%- endif %}

),

lines as (

    select * from {{ ref('entity_sales_lines') }} where line_kind = 'merchandise'

),

traits as (

    select * from {{ ref('product_traits') }}

),

weights as (

    select
        max(case when contact = 'view' then points end) as view_points,
        max(case when contact = 'view' then half_life_days end) as view_days,
        max(case when contact = 'cart' then points end) as cart_points,
        max(case when contact = 'cart' then half_life_days end) as cart_days,
        max(case when contact = 'wishlist' then points end) as wishlist_points,
        max(case when contact = 'wishlist' then half_life_days end) as wishlist_days,
        max(case when contact = 'purchase' then points end) as purchase_points,
        max(case when contact = 'purchase' then half_life_days end) as purchase_days
    from {{ ref('preference_weights') }}

),

contacts as (

    select
        customer_id,
        product_id,
        view_count,
        cart_add_count,
        wishlist_add_count,
        0 as purchase_count,
        last_seen_at as last_at
    from interest
    union all
    select
        orders.customer_id,
        lines.product_key as product_id,
        0 as view_count,
        0 as cart_add_count,
        0 as wishlist_add_count,
        1 as purchase_count,
        orders.ordered_at as last_at
    from lines
    inner join orders on lines.document_key = orders.order_id

),

aged as (

    select
        *,
        cast(max(last_at) over (partition by customer_id) as date) - cast(last_at as date)
            as age_days
    from contacts

),

weighed as (

    select
        aged.*,
        traits.category,
        traits.product_brand,
        traits.price_shelf,
        traits.colour,
        cast(
            aged.view_count * weights.view_points
            * power(0.5, aged.age_days / weights.view_days)
            + aged.cart_add_count * weights.cart_points
            * power(0.5, aged.age_days / weights.cart_days)
            + aged.wishlist_add_count * weights.wishlist_points
            * power(0.5, aged.age_days / weights.wishlist_days)
            + aged.purchase_count * weights.purchase_points
            * power(0.5, aged.age_days / weights.purchase_days)
            as decimal(18, 6)
        ) as points
    from aged
    inner join traits on aged.product_id = traits.product_id
    cross join weights

),

summed as (

    select
        customer_id,
        case
            when grouping(category) = 0 then 'category'
            when grouping(product_brand) = 0 then 'product_brand'
            when grouping(price_shelf) = 0 then 'price_shelf'
            else 'colour'
        end as dimension,
        coalesce(category, product_brand, price_shelf, colour) as value,
        cast(sum(points) as decimal(18, 2)) as points,
        cast(sum(view_count) as bigint) as view_count,
        cast(sum(cart_add_count) as bigint) as cart_add_count,
        cast(sum(wishlist_add_count) as bigint) as wishlist_add_count,
        cast(sum(purchase_count) as bigint) as purchase_count,
        max(last_at) as last_at
    from weighed
    group by grouping sets (
        (customer_id, category),
        (customer_id, product_brand),
        (customer_id, price_shelf),
        (customer_id, colour)
    )

),

final as (

    select
        customer_id,
        dimension,
        value,
        points,
        cast(points / sum(points) over taste as decimal(5, 4)) as points_share,
        row_number() over (
            partition by customer_id, dimension order by points desc, value asc
        ) as preference_rank,
        view_count,
        cart_add_count,
        wishlist_add_count,
        purchase_count,
        last_at,
        {{ this_load() }} as load_id
    from summed
    where value is not null and points > 0
    window taste as (partition by customer_id, dimension)

)

select * from final
