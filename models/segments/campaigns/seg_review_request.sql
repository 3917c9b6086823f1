{#
    Grain: one row per member. Request for a review: last bought 10 to 30 days ago, gave nothing
    back since, has not written a review since, and no case is open: who waits for an answer is
    not asked.
#}
{{ config(meta={
    'title': 'Request for a review',
    'kind': 'campaign',
    'owner': 'crm',
    'channels': ['email', 'app_push'],
    'suggested_action': 'Ask what the last purchase was like'
}) }}

with customers as (

    {{ segment_base() }}

),

last_reviews as (

    select
        customer_id,
        max(reviewed_at) as last_reviewed_at
    from {{ ref('reviews') }}
    group by customer_id

),

last_returns as (

    select
        customer_id,
        max(returned_at) as last_returned_at
    from {{ ref('returns') }}
    group by customer_id

),

service as (

    select * from {{ ref('customer_service') }}

),

evidence as (

    select
        customers.customer_id,
        customers.last_order_at,
        {{ days_since('customers.last_order_at') }} as days_since_order,
        coalesce(last_reviews.last_reviewed_at >= customers.last_order_at, false)
            as has_reviewed_since,
        coalesce(last_returns.last_returned_at >= customers.last_order_at, false)
            as has_returned_since,
        coalesce(service.open_case_count, 0) as open_case_count,
        customers.main_brand_id
    from customers
    left join last_reviews on customers.customer_id = last_reviews.customer_id
    left join last_returns on customers.customer_id = last_returns.customer_id
    left join service on customers.customer_id = service.customer_id

),

final as (

    select
        customer_id,
        last_order_at as entered_at,
        days_since_order,
        has_reviewed_since,
        has_returned_since,
        open_case_count,
        main_brand_id
    from evidence
    where
        days_since_order >= {{ segment_limit('review_request', 'min_days_since_order') }}
        and days_since_order <= {{ segment_limit('review_request', 'max_days_since_order') }}
        and not has_reviewed_since
        and not has_returned_since
        and open_case_count = 0

)

select * from final
