{#
    Grain: one row per customer, list and place: what the last job predict would offer. What was sold
    out or taken off the list since then is left out, and who may no longer be profiled; the places
    of the others stay.
#}
{{ config(materialized='view') }}

with recommendations as (

    select * from {{ source('predictions', 'product_recommendations') }}

),

profiled_customers as (

    select * from {{ ref('profiled_customers') }}

),

products as (

    select * from {{ ref('products') }}
    where discontinued_at is null and coalesce(stock > 0, true)

),

final as (

    select
        recommendations.customer_id,
        recommendations.list,
        recommendations.place,
        recommendations.product_id,
        recommendations.score,
        recommendations.reason,
        recommendations.as_of as recommended_on
    from recommendations
    inner join profiled_customers
        on recommendations.customer_id = profiled_customers.customer_id
    inner join products on recommendations.product_id = products.product_id

)

select * from final
