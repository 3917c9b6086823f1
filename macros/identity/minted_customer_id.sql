{# The id of a customer, a keyed code that tells nothing of what it was made from. #}
{% macro minted_customer_id(text) -%}
    'c' || left({{ keyed_hash("'customer:' || " ~ text) }}, 19)
{%- endmacro %}
