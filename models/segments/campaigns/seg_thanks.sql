{#
    Grain: one row per member. Thanks: ordered within the last 3 days, and no case is open.
#}
{{ config(meta={
    'title': 'Thanks for the order',
    'kind': 'campaign',
    'owner': 'crm',
    'channels': ['email', 'app_push'],
    'suggested_action': 'Thank, and tell how the goods are used'
}) }}

with customers as (

    {{ segment_base() }}

),

service as (

    select * from {{ ref('customer_service') }}

),

evidence as (

    select
        customers.customer_id,
        customers.last_order_at,
        {{ days_since('customers.last_order_at') }} as days_since_order,
        customers.order_count,
        coalesce(service.open_case_count, 0) as open_case_count,
        customers.main_brand_id
    from customers
    left join service on customers.customer_id = service.customer_id

),

final as (

    select
        customer_id,
        last_order_at as entered_at,
        days_since_order,
        order_count,
        open_case_count,
        main_brand_id
    from evidence
    where
        days_since_order <= {{ segment_limit('thanks', 'max_days_since_order') }}
        and open_case_count = 0

)

select * from final
