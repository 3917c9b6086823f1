{#
    Grain: one row per member. First right to the new model: owns the predecessor of a model
    that was listed within 60 days; of several the newest model.
#}
{{ config(meta={
    'title': 'First right to the new model',
    'kind': 'campaign',
    'owner': 'crm',
    'channels': ['email', 'phone'],
    'suggested_action': 'Offer the new model before everybody else gets it'
}) }}

with customers as (

    {{ segment_base() }}

),

successors as (

    select
        owned_products.customer_id,
        owned_products.product_id,
        owned_products.last_bought_on,
        owned_products.successor_product_id,
        products.listed_at as successor_listed_at
    from {{ ref('owned_products') }} as owned_products
    inner join {{ ref('products') }} as products
        on owned_products.successor_product_id = products.product_id
    qualify row_number() over (
        partition by owned_products.customer_id
        order by
            products.listed_at desc nulls last,
            owned_products.last_bought_on desc,
            owned_products.product_id asc
    ) = 1

),

evidence as (

    select
        customers.customer_id,
        successors.product_id,
        successors.last_bought_on,
        successors.successor_product_id,
        {{ days_since('successors.successor_listed_at') }} as days_since_listing
    from customers
    left join successors on customers.customer_id = successors.customer_id

),

final as (

    select
        customer_id,
        cast(last_bought_on as timestamp) as entered_at,
        product_id,
        last_bought_on,
        successor_product_id,
        days_since_listing
    from evidence
    where days_since_listing <= {{ segment_limit('first_right_to_new_model', 'max_listed_days') }}

)

select * from final
