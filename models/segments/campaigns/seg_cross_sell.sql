{#
    Grain: one row per member. Cross-sell: bought within 180 days, and has shown an interest in
    a category of which nothing was ever bought; the one with the most points of interest.
#}
{{ config(meta={
    'title': 'Cross-sell',
    'kind': 'campaign',
    'owner': 'crm',
    'channels': ['email', 'web_push'],
    'suggested_action': 'Show the best of the category that is looked at and never bought'
}) }}

with customers as (

    {{ segment_base() }}

),

unbought_categories as (

    select * from {{ ref('customer_preferences') }}
    where dimension = 'category' and purchase_count = 0
    qualify row_number() over (partition by customer_id order by preference_rank) = 1

),

evidence as (

    select
        customers.customer_id,
        {{ days_since('customers.last_order_at') }} as days_since_order,
        customers.main_category,
        unbought_categories.value as category,
        unbought_categories.points_share as category_share,
        unbought_categories.view_count,
        unbought_categories.last_at as last_interest_at
    from customers
    left join unbought_categories on customers.customer_id = unbought_categories.customer_id

),

final as (

    select
        customer_id,
        last_interest_at as entered_at,
        days_since_order,
        main_category,
        category,
        category_share,
        view_count
    from evidence
    where
        days_since_order <= {{ segment_limit('cross_sell', 'max_days_since_order') }}
        and category_share >= {{ segment_limit('cross_sell', 'min_category_share') }}

)

select * from final
