{#
    Adds to touched_customers those who bought, or looked at, a product of which a relation holds a
    newer row than the model. Run as a pre-hook after touched_customers.
    Args: products, a relation with load_id; key, its column that names the product.
#}
{% macro touch_customers_of_products(products, key='product_id') -%}
    {%- set clusters = ref('identity_clusters') -%}
    {%- set identifiers = ref('identity_identifiers') -%}
    {%- set records = ref('identity_records') -%}
    {%- set orders = ref('orders') -%}
    {%- set lines = ref('entity_sales_lines') -%}
    {%- set interest = ref('entity_product_interest') -%}
    {%- if execute and is_incremental() -%}
        {%- set changed = "product_key in (select " ~ key ~ " from " ~ products ~ " where "
            ~ newly_loaded() ~ ")" -%}
        {%- do run_query(
            "insert into touched_customers "
            ~ "select customer_id from " ~ orders
            ~ " where customer_id is not null and order_id in "
            ~ "(select document_key from " ~ lines ~ " where " ~ changed ~ ") "
            ~ "union select customer_id from " ~ records ~ " where record_key in "
            ~ "(select record_key from " ~ interest ~ " where " ~ changed ~ ") "
            ~ "union select customer_id from " ~ clusters ~ " where node in (select node from "
            ~ identifiers ~ " where id_type = 'cookie' and id_value in "
            ~ "(select cookie from " ~ interest ~ " where " ~ changed ~ "))") -%}
    {%- endif -%}
{%- endmacro %}
