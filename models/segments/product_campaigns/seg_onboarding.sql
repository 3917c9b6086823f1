{#
    Grain: one row per member. Onboarding: bought a product that lasts within the last 30 days;
    the one bought last.
#}
{{ config(meta={
    'title': 'Onboarding',
    'kind': 'campaign',
    'owner': 'crm',
    'channels': ['email', 'app_push'],
    'suggested_action': 'Explain how the new product is set up and used'
}) }}

with customers as (

    {{ segment_base() }}

),

newest_products as (

    select * from {{ ref('owned_products') }}
    qualify row_number() over (
        partition by customer_id order by last_bought_on desc, product_id asc
    ) = 1

),

evidence as (

    select
        customers.customer_id,
        newest_products.product_id,
        newest_products.last_bought_on,
        {{ days_since('newest_products.last_bought_on') }} as days_since_purchase,
        newest_products.life_phase,
        newest_products.is_registered
    from customers
    left join newest_products on customers.customer_id = newest_products.customer_id

),

final as (

    select
        customer_id,
        cast(last_bought_on as timestamp) as entered_at,
        product_id,
        last_bought_on,
        days_since_purchase,
        life_phase,
        is_registered
    from evidence
    where days_since_purchase <= {{ segment_limit('onboarding', 'max_days_since_purchase') }}

)

select * from final
