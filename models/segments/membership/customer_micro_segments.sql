{#
    Grain: one row per customer: the smallest segment that the facts alone make, main brand, stage,
    favourite category and favourite price shelf. Its name is the four of them in this order, none
    for what is not known.
#}
{{ config(materialized='view') }}

with customers as (

    {{ segment_base() }}

),

favourites as (

    select
        customer_id,
        dimension,
        value
    from {{ ref('customer_preferences') }}
    where preference_rank = 1

),

categories as (

    select
        customer_id,
        value
    from favourites
    where dimension = 'category'

),

shelves as (

    select
        customer_id,
        value
    from favourites
    where dimension = 'price_shelf'

),

final as (

    select
        customers.customer_id,
        coalesce(customers.main_brand_id, 'none')
        || ' / ' || customers.lifecycle_stage
        || ' / ' || coalesce(categories.value, 'none')
        || ' / ' || coalesce(shelves.value, 'none') as micro_segment_id,
        customers.main_brand_id,
        customers.lifecycle_stage,
        categories.value as favourite_category,
        shelves.value as favourite_price_shelf,
        customers.net_revenue
    from customers
    left join categories on customers.customer_id = categories.customer_id
    left join shelves on customers.customer_id = shelves.customer_id

)

select * from final
