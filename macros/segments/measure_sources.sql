{#
    The facts that the measures of rules are taken from, by the name that the compiler gives them
    (orchestration/segments/measures.py says which columns a rule may filter by). One row per fact
    of a customer. Lines of orders have the day, brand and channel of their order, and what the
    product is.
#}
{% macro measure_sources() -%}
    {%- set sources = {
        'web_sessions': ref('web_sessions'),
        'interactions': ref('customer_interactions'),
        'timeline': ref('timeline')
    } -%}
    {%- for name, relation in sources.items() -%}
        {%- do sources.update({
            name: 'select * from ' ~ relation ~ ' where customer_id is not null'
        }) -%}
    {%- endfor -%}
    {%- set of_products -%}
traits.category,
        traits.product_brand,
        traits.price_shelf,
        traits.colour,
        traits.is_premium,
        traits.is_gift
    {%- endset -%}
    {%- set orders -%}
select * from {{ ref('orders') }} where is_counted and customer_id is not null
    {%- endset -%}
    {%- set order_lines -%}
select
        orders.customer_id,
        orders.order_id,
        orders.ordered_at,
        orders.ordered_on,
        orders.brand_id,
        orders.channel,
        orders.store_id,
        orders.coupon_code,
        lines.line_kind,
        lines.quantity,
        lines.revenue_amount,
        lines.product_id,
        {{ of_products }}
    from {{ ref('order_lines') }} as lines
    inner join {{ ref('orders') }} as orders on lines.order_id = orders.order_id
    left join {{ ref('product_traits') }} as traits on lines.product_id = traits.product_id
    where
        lines.line_kind in ('merchandise', 'return')
        and orders.is_counted
        and orders.customer_id is not null
    {%- endset -%}
    {%- set messages -%}
select
        messages.*,
        campaigns.name as campaign
    from {{ ref('messages') }} as messages
    left join {{ ref('campaigns') }} as campaigns on messages.campaign_id = campaigns.campaign_id
    where messages.customer_id is not null
    {%- endset -%}
    {%- set product_interest -%}
select
        interest.*,
        {{ of_products }}
    from {{ ref('product_interest') }} as interest
    left join {{ ref('product_traits') }} as traits on interest.product_id = traits.product_id
    where interest.customer_id is not null
    {%- endset -%}
    {%- set recommendations -%}
select
        recommendations.customer_id,
        recommendations.list as kind,
        recommendations.place,
        recommendations.product_id,
        {{ of_products }}
    from {{ ref('product_recommendations') }} as recommendations
    left join
        {{ ref('product_traits') }} as traits on recommendations.product_id = traits.product_id
    {%- endset -%}
    {%- do sources.update({
        'recommendations': recommendations,
        'lookalikes': 'select * from ' ~ ref('lookalikes'),
        'orders': orders,
        'order_lines': order_lines,
        'messages': messages,
        'product_interest': product_interest
    }) -%}
    {{- return(sources) -}}
{%- endmacro %}
