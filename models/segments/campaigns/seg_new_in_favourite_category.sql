{#
    Grain: one row per member. New in the favourite category: the customer's main brand has
    listed a product of the favourite category within 30 days, and the customer looked there
    within a year.
#}
{{ config(meta={
    'title': 'New in the favourite category',
    'kind': 'campaign',
    'owner': 'crm',
    'channels': ['email', 'app_push', 'web_push'],
    'suggested_action': 'Show what is new where the customer likes to look'
}) }}

with customers as (

    {{ segment_base() }}

),

favourites as (

    select * from {{ ref('customer_preferences') }}
    where dimension = 'category' and preference_rank = 1

),

new_products as (

    select
        brand_id,
        category,
        count(*) as product_count,
        max_by(product_id, cast(listed_at as varchar) || product_id) as newest_product_id,
        max(listed_at) as newest_listed_at
    from {{ ref('products') }}
    where
        discontinued_at is null
        and {{ days_since('listed_at') }}
        <= {{ segment_limit('new_in_favourite_category', 'max_listed_days') }}
    group by brand_id, category

),

evidence as (

    select
        customers.customer_id,
        customers.main_brand_id,
        favourites.value as favourite_category,
        favourites.points_share as category_share,
        favourites.last_at as last_interest_at,
        {{ days_since('favourites.last_at') }} as interest_days,
        coalesce(new_products.product_count, 0) as new_product_count,
        new_products.newest_product_id,
        new_products.newest_listed_at
    from customers
    left join favourites on customers.customer_id = favourites.customer_id
    left join new_products
        on
            customers.main_brand_id = new_products.brand_id
            and favourites.value = new_products.category

),

final as (

    select
        customer_id,
        last_interest_at as entered_at,
        main_brand_id,
        favourite_category,
        category_share,
        interest_days,
        new_product_count,
        newest_product_id,
        newest_listed_at
    from evidence
    where
        new_product_count > 0
        and interest_days <= {{ segment_limit('new_in_favourite_category', 'max_interest_days') }}

)

select * from final
