{#
    The log of identities, which no rebuild touches; its rows are those of identity_changes. Runs
    before every build.
#}
{% macro create_registry() -%}
    {%- if execute -%}
        {%- do run_query("create schema if not exists registry") -%}
        {%- do run_query(
            "create table if not exists registry.identity_log (build_number bigint not null, "
            ~ "as_of date not null, load_id bigint not null, node bigint not null, "
            ~ "other_node bigint, status varchar not null, from_customer_id varchar, "
            ~ "to_customer_id varchar, is_founder boolean not null, reason varchar)") -%}
    {%- endif -%}
{%- endmacro %}
