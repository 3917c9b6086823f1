{#
    Grain: one row per member. Accessory: owns a product for two weeks to a year and lacks an
    accessory of it that is sold; of several products the one bought last.
#}
{{ config(meta={
    'title': 'Accessory',
    'kind': 'campaign',
    'owner': 'crm',
    'channels': ['email', 'web_push'],
    'suggested_action': 'Offer the accessory that most owners have'
}) }}

with customers as (

    {{ segment_base() }}

),

extendable_products as (

    select * from {{ ref('owned_products') }}
    where missing_accessory_id is not null
    qualify row_number() over (
        partition by customer_id order by last_bought_on desc, product_id asc
    ) = 1

),

evidence as (

    select
        customers.customer_id,
        extendable_products.product_id,
        extendable_products.last_bought_on,
        {{ days_since('extendable_products.last_bought_on') }} as days_since_purchase,
        extendable_products.missing_accessory_id,
        extendable_products.owned_accessory_count
    from customers
    left join extendable_products
        on customers.customer_id = extendable_products.customer_id

),

final as (

    select
        customer_id,
        cast(last_bought_on as timestamp) as entered_at,
        product_id,
        last_bought_on,
        days_since_purchase,
        missing_accessory_id,
        owned_accessory_count
    from evidence
    where
        days_since_purchase >= {{ segment_limit('accessory_offer', 'min_days_since_purchase') }}
        and days_since_purchase <= {{ segment_limit('accessory_offer', 'max_days_since_purchase') }}

)

select * from final
