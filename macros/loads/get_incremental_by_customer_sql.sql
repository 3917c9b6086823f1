{#
    The incremental strategy by_customer, for tables whose rows belong to customers: every row of
    a touched customer is replaced. Who was merged into somebody else, or has nothing left,
    leaves. The model takes its customers from touched_customers, which its pre-hook made.
#}
{% macro get_incremental_by_customer_sql(arg_dict) -%}
    {%- set columns = get_quoted_csv(arg_dict["dest_columns"] | map(attribute="name")) -%}
    delete from {{ arg_dict["target_relation"] }}
    where customer_id in (select customer_id from touched_customers);

    insert into {{ arg_dict["target_relation"] }} ({{ columns }})
    select {{ columns }} from {{ arg_dict["temp_relation"] }}
{%- endmacro %}
