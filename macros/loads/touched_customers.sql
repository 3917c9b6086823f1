{#
    The customers that an increment of a model has to compute again: those who gained or lost an
    identifier or a record, whoever was merged into them or split from them, and those of the
    facts that arrived since the model was built last. Run as a pre-hook of a model with the
    strategy by_customer; leaves the temporary table touched_customers(customer_id). A full build
    needs none.
    Args: relations of facts that name their customer by customer_id or by record_key (one or a
    list), by the columns email and phone, or by the column cookie. Of the model's own rows:
    by_order, a relation of orders, touches who holds one that changed and may be another's now;
    by_expiry, a date, who has one that lies before the as-of day, without any fact.
#}
{% macro touched_customers(
    by_customer=[],
    by_record=[],
    by_contact_point=none,
    by_cookie=none,
    by_order=none,
    by_expiry=none
) -%}
    {%- set clusters = ref('identity_clusters') -%}
    {%- set identifiers = ref('identity_identifiers') -%}
    {%- set records = ref('identity_records') -%}
    {%- if execute and is_incremental() -%}
        {%- set is_new = newly_loaded() -%}
        {%- set queries = [
            "select customer_id from " ~ records ~ " where " ~ is_new,
            "select customer_id from " ~ clusters ~ " where " ~ is_new,
            "select unnest(former_customer_ids) from " ~ clusters ~ " where " ~ is_new,
            "select customer_id from " ~ clusters ~ " where node in (select node from "
            ~ identifiers ~ " where " ~ is_new ~ ")"
        ] -%}
        {%- for facts in ([by_customer] if by_customer is mapping else by_customer) -%}
            {%- do queries.append("select customer_id from " ~ facts ~ " where " ~ is_new) -%}
        {%- endfor -%}
        {%- for facts in ([by_record] if by_record is mapping else by_record) -%}
            {%- do queries.append(
                "select customer_id from " ~ records ~ " where record_key in "
                ~ "(select record_key from " ~ facts ~ " where " ~ is_new ~ ")") -%}
        {%- endfor -%}
        {%- for id_type in ['email', 'phone'] if by_contact_point -%}
            {%- do queries.append(
                "select customer_id from " ~ clusters ~ " where node in (select node from "
                ~ identifiers ~ " where id_type = '" ~ id_type ~ "' and id_value in (select "
                ~ id_type ~ " from " ~ by_contact_point ~ " where " ~ is_new ~ "))") -%}
        {%- endfor -%}
        {%- if by_cookie -%}
            {%- do queries.append(
                "select customer_id from " ~ clusters ~ " where node in (select node from "
                ~ identifiers ~ " where id_type = 'cookie' and id_value in (select cookie from "
                ~ by_cookie ~ " where " ~ is_new ~ "))") -%}
        {%- endif -%}
        {%- if by_order -%}
            {%- do queries.append(
                "select customer_id from " ~ this ~ " where order_id in (select order_id from "
                ~ by_order ~ " where " ~ is_new ~ ")") -%}
        {%- endif -%}
        {%- if by_expiry -%}
            {%- do queries.append(
                "select customer_id from " ~ this ~ " where " ~ by_expiry ~ " < " ~ as_of()) -%}
        {%- endif -%}
        {%- do run_query(
            "create or replace temporary table touched_customers as select customer_id from ("
            ~ queries | join(" union ") ~ ") where customer_id is not null") -%}
    {%- endif -%}
{%- endmacro %}
