{#
    Grain: one row per customer, brand and source of products (seeds/segments/product_sources) that
    has one for the customer: what is in stock and still sold, and not owned already.
    What is recommended is the list discover of the job predict; a brand of which it has nothing
    for the customer, or a group in which it never ran, offers the favourite category instead.
    From the favourite category come the products that most customers bought lately. They are
    chosen per brand and category, not per customer, so that a day costs little.
#}
{{ config(materialized='table') }}

with customers as (

    {{ segment_base() }}

),

product_sources as (

    select * from {{ ref('product_sources') }}

),

offered_products as (

    select * from {{ ref('products') }}
    where
        brand_id is not null
        and discontinued_at is null
        and coalesce(stock > 0, true)

),

all_products as (

    select * from {{ ref('products') }}

),

product_interest as (

    select * from {{ ref('product_interest') }} where customer_id is not null

),

customer_behaviour as (

    select * from {{ ref('customer_behaviour') }} where last_replacement_product_id is not null

),

customer_brands as (

    select * from {{ ref('customer_brands') }}

),

recommendations as (

    select * from {{ ref('product_recommendations') }} where list = 'discover'

),

favourites as (

    select * from {{ ref('customer_preferences') }}
    where dimension = 'category' and preference_rank = 1

),

order_lines as (

    select * from {{ ref('order_lines') }}
    where line_kind = 'merchandise' and revenue_amount > 0 and customer_id is not null

),

cart_contents as (

    select
        product_interest.customer_id,
        product_interest.product_id,
        max(product_interest.last_seen_at) as last_seen_at
    from product_interest
    inner join product_sources
        on
            product_sources.product_source = 'abandoned_cart'
            and product_interest.seen_on > {{ as_of() }} - product_sources.days
    group by product_interest.customer_id, product_interest.product_id
    having sum(product_interest.cart_add_count) > sum(product_interest.cart_remove_count)

),

single_products as (

    select
        cart_contents.customer_id,
        'abandoned_cart' as product_source,
        cart_contents.product_id,
        null as follows_product_id,
        cast(cart_contents.last_seen_at as date) as since,
        null as list_place,
        null as reason
    from cart_contents
    inner join customers on cart_contents.customer_id = customers.customer_id
    where coalesce(cart_contents.last_seen_at > customers.last_order_at, true)
    union all
    select
        customer_id,
        'replacement' as product_source,
        last_replacement_product_id as product_id,
        last_gone_product_id as follows_product_id,
        null as since,
        null as list_place,
        null as reason
    from customer_behaviour
    union all
    select
        customer_id,
        'accessory' as product_source,
        missing_accessory_id as product_id,
        product_id as follows_product_id,
        last_bought_on as since,
        null as list_place,
        null as reason
    from {{ ref('owned_products') }}
    where missing_accessory_id is not null
    union all
    select
        customer_id,
        'owned_successor' as product_source,
        successor_product_id as product_id,
        product_id as follows_product_id,
        last_bought_on as since,
        null as list_place,
        null as reason
    from {{ ref('owned_products') }}
    where successor_product_id is not null
    union all
    select
        customer_id,
        'recommended' as product_source,
        product_id,
        null as follows_product_id,
        null as since,
        place as list_place,
        reason
    from recommendations

),

sole_products as (

    -- Two owned products may lead to the same one.
    select * from single_products
    qualify row_number() over (
        partition by customer_id, product_source, product_id
        order by since desc nulls last, follows_product_id asc nulls last
    ) = 1

),

placed_products as (

    select
        sole_products.customer_id,
        offered_products.brand_id,
        sole_products.product_source,
        sole_products.product_id,
        product_sources.max_products,
        concat_ws(' ', product_sources.reason, all_products.name, sole_products.reason) as reason,
        row_number() over (
            partition by
                sole_products.customer_id, offered_products.brand_id, sole_products.product_source
            order by
                sole_products.since desc nulls last,
                sole_products.list_place asc nulls last,
                sole_products.product_id asc
        ) as place
    from sole_products
    inner join customers on sole_products.customer_id = customers.customer_id
    inner join offered_products on sole_products.product_id = offered_products.product_id
    inner join product_sources on sole_products.product_source = product_sources.product_source
    left join all_products on sole_products.follows_product_id = all_products.product_id
    left join {{ ref('owned_products') }} as owned_products
        on
            sole_products.customer_id = owned_products.customer_id
            and sole_products.product_id = owned_products.product_id
    where owned_products.customer_id is null

),

demand as (

    select
        offered_products.brand_id,
        offered_products.category,
        offered_products.product_id,
        product_sources.max_products,
        row_number() over (
            partition by offered_products.brand_id, offered_products.category
            order by count(distinct order_lines.customer_id) desc, offered_products.product_id asc
        ) as place
    from order_lines
    inner join product_sources
        on
            product_sources.product_source = 'favourite_category'
            and order_lines.booked_at >= {{ as_of() }} - to_days(product_sources.days - 1)
    inner join offered_products on order_lines.product_id = offered_products.product_id
    where offered_products.category is not null
    group by
        offered_products.brand_id,
        offered_products.category,
        offered_products.product_id,
        product_sources.max_products

),

category_leaders as (

    -- Twice as many as are shown: some of them are owned.
    select
        brand_id,
        category,
        list(product_id order by place) as product_ids,
        max(max_products) as max_products
    from demand
    where place <= 2 * max_products
    group by brand_id, category

),

owned_lists as (

    select
        customer_id,
        list(product_id) as product_ids
    from {{ ref('owned_products') }}
    group by customer_id

),

leaders_per_customer as (

    select
        customer_brands.customer_id,
        customer_brands.brand_id,
        category_leaders.max_products,
        category_leaders.product_ids as leader_ids,
        coalesce(owned_lists.product_ids, []) as owned_ids,
        concat_ws(' ', product_sources.reason, favourites.value) as reason
    from customer_brands
    inner join customers on customer_brands.customer_id = customers.customer_id
    inner join favourites on customer_brands.customer_id = favourites.customer_id
    inner join category_leaders
        on
            customer_brands.brand_id = category_leaders.brand_id
            and favourites.value = category_leaders.category
    inner join product_sources on product_sources.product_source = 'favourite_category'
    left join owned_lists on customer_brands.customer_id = owned_lists.customer_id

),

leaders_not_owned as (

    select
        customer_id,
        brand_id,
        reason,
        list_filter(
            leader_ids, lambda product_id: not list_contains(owned_ids, product_id)
        )[1:max_products] as product_ids
    from leaders_per_customer

),

placed_lists as (

    select
        customer_id,
        brand_id,
        product_source,
        list(product_id order by place) as product_ids,
        list(reason order by place) as product_reasons
    from placed_products
    where place <= max_products
    group by customer_id, brand_id, product_source

),

leader_lists as (

    select
        customer_id,
        brand_id,
        product_ids,
        list_transform(product_ids, lambda product_id: reason) as product_reasons
    from leaders_not_owned
    where len(product_ids) > 0

),

final as (

    select
        customer_id,
        brand_id,
        product_source,
        product_ids,
        product_reasons
    from placed_lists
    union all
    select
        customer_id,
        brand_id,
        'favourite_category' as product_source,
        product_ids,
        product_reasons
    from leader_lists
    union all
    select
        leader_lists.customer_id,
        leader_lists.brand_id,
        'recommended' as product_source,
        leader_lists.product_ids,
        leader_lists.product_reasons
    from leader_lists
    left join placed_lists
        on
            leader_lists.customer_id = placed_lists.customer_id
            and leader_lists.brand_id = placed_lists.brand_id
            and placed_lists.product_source = 'recommended'
    where placed_lists.customer_id is null

)

select * from final
