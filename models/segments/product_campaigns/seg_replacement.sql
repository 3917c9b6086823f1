{#
    Grain: one row per member. Replacement: owns a product near the end of its service life
    (seeds/product_phases); of several the oldest.
#}
{{ config(meta={
    'title': 'Replacement',
    'kind': 'campaign',
    'owner': 'crm',
    'channels': ['email', 'direct_mail'],
    'suggested_action': 'Offer the successor, and to take the old one back'
}) }}

with customers as (

    {{ segment_base() }}

),

due_products as (

    select
        *,
        count(*) over (partition by customer_id) as due_product_count
    from {{ ref('owned_products') }}
    where life_phase = 'due_for_replacement'
    qualify row_number() over (
        partition by customer_id order by last_bought_on asc, product_id asc
    ) = 1

),

evidence as (

    select
        customers.customer_id,
        due_products.product_id,
        due_products.last_bought_on,
        due_products.age_months,
        due_products.successor_product_id,
        coalesce(due_products.due_product_count, 0) as due_product_count
    from customers
    left join due_products on customers.customer_id = due_products.customer_id

),

final as (

    select
        customer_id,
        cast(last_bought_on as timestamp) as entered_at,
        product_id,
        last_bought_on,
        age_months,
        successor_product_id,
        due_product_count
    from evidence
    where due_product_count > 0

)

select * from final
