{#
    Grain: one row per member. Care: owns a product in use or ageing whose age in months is a
    multiple of six; such a product is advised on for a month each half year. Of several the one
    bought last.
#}
{{ config(meta={
    'title': 'Care',
    'kind': 'campaign',
    'owner': 'crm',
    'channels': ['email'],
    'suggested_action': 'Send advice on care, spare parts and service'
}) }}

with customers as (

    {{ segment_base() }}

),

products_in_use as (

    select
        *,
        count(*) over (partition by customer_id) as due_product_count
    from {{ ref('owned_products') }}
    where
        life_phase in ('in_use', 'ageing')
        and age_months > 0
        and age_months % {{ segment_limit('care_advice', 'every_months') }} = 0
    qualify row_number() over (
        partition by customer_id order by last_bought_on desc, product_id asc
    ) = 1

),

evidence as (

    select
        customers.customer_id,
        products_in_use.product_id,
        products_in_use.last_bought_on,
        products_in_use.age_months,
        products_in_use.life_phase,
        coalesce(products_in_use.due_product_count, 0) as due_product_count
    from customers
    left join products_in_use on customers.customer_id = products_in_use.customer_id

),

final as (

    select
        customer_id,
        cast(last_bought_on as timestamp) as entered_at,
        product_id,
        last_bought_on,
        age_months,
        life_phase,
        due_product_count
    from evidence
    where due_product_count > 0

)

select * from final
