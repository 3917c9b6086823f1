{#
    What no rebuild touches: the log of identities, whose rows are those of identity_changes, and the
    tombstones of customers who were erased. Runs before every build.
#}
{% macro create_registry() -%}
    {%- if execute -%}
        {%- do run_query("create schema if not exists registry") -%}
        {%- do run_query(
            "create table if not exists registry.identity_log (build_number bigint not null, "
            ~ "as_of date not null, load_id bigint not null, node bigint not null, "
            ~ "other_node bigint, status varchar not null, from_customer_id varchar, "
            ~ "to_customer_id varchar, is_founder boolean not null, reason varchar)") -%}
        {%- do run_query(
            "create table if not exists registry.erased_customers (customer_id varchar not null, "
            ~ "current_customer_id varchar not null, successor_id varchar not null, "
            ~ "erased_at timestamp not null)") -%}
        {%- do run_query(
            "create table if not exists registry.erased_records (record_hash varchar not null)") -%}
    {%- endif -%}
{%- endmacro %}
