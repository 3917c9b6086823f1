{# Grain: one row per review or public post; what was written is not here. #}
{{ config(materialized='view') }}

with reviews as (

    select * from {{ ref('entity_reviews') }}

),

records as (

    select * from {{ ref('identity_records') }}

),

final as (

    select
        reviews.review_key as review_id,
        records.customer_id,
        reviews.brand_id,
        reviews.reviewed_at,
        reviews.kind,
        reviews.platform,
        reviews.product_key as product_id,
        reviews.order_key as order_id,
        reviews.rating,
        greatest(reviews.load_id, records.load_id) as load_id
    from reviews
    left join records on reviews.record_key = records.record_key

)

select * from final
