{#
    Erase customers from the graph: dbt run-operation erase_customers, through
    orchestration/warehouse/registry.py, which saves the registry after it. The next build makes
    everything anew without their records; their rows in raw tables are not touched here.
    What stays is a tombstone: the ids that readers may have kept, and keyed hashes of the names of
    the records, so that none of them comes back with an old file. In the log, identifiers that no
    other record holds get numbers that mean nothing; the story of the ids can still be told. Of
    the segments that they were in nothing stays.
    Args: customer_ids, any ids that were ever published; erased_at, as text.
#}
{% macro erase_customers(customer_ids, erased_at) -%}
    {%- set history = ref("customer_id_history") -%}
    {%- set edges = ref("identity_edges") -%}
    {%- set log = source("registry", "identity_log") -%}
    {%- set given = "(select unnest("
        ~ customer_ids | tojson | replace('"', "'") ~ "::varchar[]))" -%}
    {%- if execute -%}
        {%- do create_registry() -%}
        {%- set known = run_query(
            "select customer_id from " ~ history ~ " where customer_id in " ~ given)
            .columns[0].values() -%}
        {%- set unknown = customer_ids | reject("in", known) | list -%}
        {%- if unknown -%}
            {{ exceptions.raise_compiler_error(
                "Nothing is erased: there never was a customer " ~ unknown | join(", ")) }}
        {%- endif -%}
        {%- set erased = run_query(
            "select customer_id from " ~ source("registry", "erased_customers")
            ~ " where customer_id in " ~ given).columns[0].values() -%}
        {%- if erased -%}
            {{ exceptions.raise_compiler_error(
                "Nothing is erased: erased already is " ~ erased | join(", ")) }}
        {%- endif -%}
        {%- do run_query("begin") -%}
        {%- do run_query(
            "create or replace temporary table erased_ids as "
            ~ "select customer_id, "
            ~ "coalesce(current_customer_id, customer_id) as current_customer_id from " ~ history
            ~ " where coalesce(current_customer_id, customer_id) in "
            ~ "(select coalesce(current_customer_id, customer_id) from " ~ history
            ~ " where customer_id in " ~ given ~ ")") -%}
        {%- do run_query(
            "create or replace temporary table erased_now as "
            ~ "select record_key from " ~ ref("identity_records")
            ~ " where customer_id in (select customer_id from erased_ids)") -%}
        {%- do run_query(
            "create or replace temporary table erased_nodes as "
            ~ "with nodes as (select node from " ~ edges ~ " group by node "
            ~ "having bool_and(record_key in (select record_key from erased_now)) "
            ~ "union select node from " ~ log ~ " where other_node is null and node >= 0 "
            ~ "and node not in (select node from " ~ edges ~ ") group by node "
            ~ "having arg_max(coalesce(to_customer_id, from_customer_id), build_number) "
            ~ "in (select customer_id from erased_ids)) "
            ~ "select node, -row_number() over (order by random(), node) + (select "
            ~ "least(0, coalesce(min(node), 0), coalesce(min(other_node), 0)) from " ~ log
            ~ ") as tombstone from nodes") -%}
        {%- for end in ["node", "other_node"] -%}
            {%- do run_query(
                "update " ~ log ~ " as log set " ~ end ~ " = erased_nodes.tombstone "
                ~ "from erased_nodes where log." ~ end ~ " = erased_nodes.node") -%}
        {%- endfor -%}
        {%- do run_query(
            "insert into " ~ source("registry", "erased_records")
            ~ " (record_hash, key_check, erased_at) select " ~ erased_record("record_key")
            ~ ", " ~ erased_record("''") ~ ", '" ~ erased_at ~ "' from erased_now") -%}
        {%- do run_query(
            "insert into " ~ source("registry", "erased_customers")
            ~ " select customer_id, current_customer_id, "
            ~ minted_customer_id("'again:' || customer_id") ~ ", '" ~ erased_at
            ~ "' from erased_ids anti join " ~ source("registry", "erased_customers")
            ~ " using (customer_id)") -%}
        {%- do run_query(
            "update " ~ source("registry", "erased_customers") ~ " as standing "
            ~ "set successor_id = again.successor_id from "
            ~ source("registry", "erased_customers") ~ " as again "
            ~ "where standing.successor_id = again.customer_id") -%}
        {%- do run_query(
            "delete from " ~ source("registry", "experiment_assignments")
            ~ " where customer_id in (select customer_id from erased_ids)") -%}
        {%- do run_query(
            "delete from " ~ source("registry", "membership_spells")
            ~ " where customer_id in (select customer_id from erased_ids)") -%}
        {%- do create_predictions() -%}
        {%- do run_query("commit") -%}
    {%- endif -%}
{%- endmacro %}
