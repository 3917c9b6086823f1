{#
    Grain: one row per member. Warranty ending: the warranty of a product ends within 60 days;
    of several the one that ends first.
#}
{{ config(meta={
    'title': 'Warranty ending',
    'kind': 'campaign',
    'owner': 'crm',
    'channels': ['email', 'direct_mail'],
    'suggested_action': 'Offer a longer warranty or a check before it ends'
}) }}

with customers as (

    {{ segment_base() }}

),

products_in_warranty as (

    select * from {{ ref('owned_products') }}
    where is_in_warranty
    qualify row_number() over (
        partition by customer_id order by warranty_until asc, product_id asc
    ) = 1

),

evidence as (

    select
        customers.customer_id,
        products_in_warranty.product_id,
        products_in_warranty.last_bought_on,
        products_in_warranty.warranty_until,
        products_in_warranty.warranty_until - {{ as_of() }} as days_until_end,
        products_in_warranty.is_registered
    from customers
    left join products_in_warranty
        on customers.customer_id = products_in_warranty.customer_id

),

final as (

    select
        customer_id,
        cast(last_bought_on as timestamp) as entered_at,
        product_id,
        last_bought_on,
        warranty_until,
        days_until_end,
        is_registered
    from evidence
    where days_until_end <= {{ segment_limit('warranty_ending', 'max_days') }}

)

select * from final
