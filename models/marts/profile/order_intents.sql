{#
    Grain: one row per counted order of a known customer: is it a gift, and for which occasion was
    it bought. Each evidence of seeds/gift_evidence that holds gives its points; from one point on
    the order is a gift. Where the order tells neither of wrapping, of a message nor of a recipient,
    as a receipt of a till does not, nobody knows, unless the points suffice all the same.
    Occasions are those of the brand's country that the day of the order lies in.
#}
{{ config(
    materialized='incremental',
    incremental_strategy='by_customer',
    on_schema_change='fail',
    pre_hook=[
        "{{ touched_customers(by_customer=ref('orders'), by_order=ref('orders')) }}",
        "{{ touch_customers_of_products(ref('product_traits')) }}"
    ]
) }}

with orders as (

    select * from {{ ref('orders') }}
    where
        is_counted and customer_id is not null
        {%- if is_incremental() %}
        and customer_id in (select touched.customer_id from touched_customers as touched)
        {%- endif %}

),

lines as (

    select * from {{ ref('entity_sales_lines') }}

),

traits as (

    select * from {{ ref('product_traits') }} where is_gift

),

brands as (

    select * from {{ ref('brands') }}

),

occasions as (

    select * from {{ ref('occasion_days') }}

),

weights as (

    select
        max(case when evidence = 'gift_wrapped' then points end) as wrapped_points,
        max(case when evidence = 'gift_message' then points end) as message_points,
        max(case when evidence = 'other_recipient' then points end) as recipient_points,
        max(case when evidence = 'sent_elsewhere' then points end) as elsewhere_points,
        max(case when evidence = 'gift_product' then points end) as product_points,
        max(case when evidence = 'occasion' then points end) as occasion_points
    from {{ ref('gift_evidence') }}

),

gift_orders as (

    select lines.document_key as order_id
    from lines
    inner join traits on lines.product_key = traits.product_id
    where lines.line_kind = 'merchandise'
    group by lines.document_key

),

order_days as (

    select
        orders.brand_id,
        orders.ordered_on,
        min(brands.country) as country
    from orders
    inner join brands on orders.brand_id = brands.brand_id
    group by orders.brand_id, orders.ordered_on

),

occasions_by_day as (

    select
        order_days.brand_id,
        order_days.ordered_on,
        max(order_days.country) as country,
        list(occasions.occasion order by occasions.position, occasions.occasion) as occasions,
        bool_or(occasions.is_gift) as is_gift
    from order_days
    inner join occasions
        on
            order_days.country = occasions.country
            and order_days.ordered_on between occasions.from_on and occasions.until_on
    group by order_days.brand_id, order_days.ordered_on

),

evident as (

    select
        orders.order_id,
        orders.customer_id,
        orders.brand_id,
        orders.ordered_on,
        orders.is_gift_wrapped is not null
        or orders.has_gift_message is not null
        or orders.has_other_recipient is not null as is_told,
        coalesce(orders.is_gift_wrapped, false) as is_wrapped,
        coalesce(orders.has_gift_message, false) as has_message,
        coalesce(orders.has_other_recipient, false) as has_other_recipient,
        coalesce(orders.is_sent_elsewhere, false) as is_sent_elsewhere,
        gift_orders.order_id is not null as has_gift_product,
        coalesce(occasions_by_day.is_gift, false) as is_near_occasion,
        coalesce(occasions_by_day.occasions, []) as occasions,
        occasions_by_day.country
    from orders
    left join gift_orders on orders.order_id = gift_orders.order_id
    left join occasions_by_day
        on
            orders.brand_id = occasions_by_day.brand_id
            and orders.ordered_on = occasions_by_day.ordered_on

),

weighed as (

    select
        evident.*,
        case when evident.is_wrapped then weights.wrapped_points else 0 end
        + case when evident.has_message then weights.message_points else 0 end
        + case when evident.has_other_recipient then weights.recipient_points else 0 end
        + case when evident.is_sent_elsewhere then weights.elsewhere_points else 0 end
        + case when evident.has_gift_product then weights.product_points else 0 end
        + case when evident.is_near_occasion then weights.occasion_points else 0 end
            as gift_points
    from evident
    cross join weights

),

final as (

    select
        order_id,
        customer_id,
        brand_id,
        ordered_on,
        case
            when gift_points >= 1 then true
            when is_told then false
        end as is_gift,
        cast(gift_points as decimal(4, 2)) as gift_points,
        list_filter(
            [
                case when is_wrapped then 'gift_wrapped' end,
                case when has_message then 'gift_message' end,
                case when has_other_recipient then 'other_recipient' end,
                case when is_sent_elsewhere then 'sent_elsewhere' end,
                case when has_gift_product then 'gift_product' end,
                case when is_near_occasion then 'occasion' end
            ],
            lambda evidence: evidence is not null
        ) as gift_evidence,
        occasions[1] as occasion,
        occasions,
        country,
        {{ this_load() }} as load_id
    from weighed

)

select * from final
