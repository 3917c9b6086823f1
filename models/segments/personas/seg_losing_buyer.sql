{#
    Grain: one row per member. Buyer you are losing: casual frequency, medium monetary value,
    mostly Home and Garden, fewer orders in the last 180 days than in the 180 before, and
    searches instead of browsing: at least three searches in 90 days and more than views.
#}
{{ config(meta={
    'title': 'Buyer you are losing',
    'kind': 'persona',
    'owner': 'crm',
    'channels': ['email', 'web_push'],
    'suggested_action': 'Show what the searches ask for and ask what is missing'
}) }}

with customers as (

    {{ segment_base() }}

),

evidence as (

    select
        customer_id,
        last_order_at,
        frequency_level,
        monetary_level,
        main_category,
        orders_180d,
        orders_prior_180d,
        searches_90d,
        views_90d
    from customers

),

final as (

    select
        customer_id,
        last_order_at as entered_at,
        frequency_level,
        monetary_level,
        main_category,
        orders_180d,
        orders_prior_180d,
        searches_90d,
        views_90d,
        last_order_at
    from evidence
    where
        frequency_level = 'casual'
        and monetary_level = 'medium'
        and main_category = 'Home and Garden'
        and orders_180d < orders_prior_180d
        and searches_90d >= {{ segment_limit('losing_buyer', 'min_searches') }}
        and searches_90d > views_90d

)

select * from final
