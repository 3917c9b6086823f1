{#
    Grain: one row per review or public post. What was written stays in the raw files.
#}
{{ config(unique_key='review_key') }}

with reviews as (

    select * from {{ ref('stg_service__reviews') }} where {{ newly_loaded() }}

),

systems as (

    select * from {{ ref('systems') }}

),

final as (

    select
        reviews.source_system || ':' || reviews.review_id as review_key,
        reviews.source_system,
        reviews.brand_id,
        {{ person_record(
            'reviews',
            record_key('reviews.source_system', 'reviews', 'reviews.review_id')
        ) }} as record_key,
        reviews.reviewed_at,
        reviews.kind,
        reviews.platform,
        coalesce(systems.product_system, reviews.source_system)
        || ':' || reviews.product_id as product_key,
        coalesce(systems.account_system, reviews.source_system)
        || ':orders:' || reviews.order_id as order_key,
        reviews.rating,
        reviews.load_id
    from reviews
    left join systems on reviews.source_system = systems.source_system

)

select * from final
