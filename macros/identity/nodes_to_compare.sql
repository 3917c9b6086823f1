{#
    The identifiers whose status or customer may be another than the log says: those of later loads
    than its last entry. A table of its own, since DuckDB plans joins by how many rows it expects,
    and takes these for a fifth of all. Run as a pre-hook; leaves the temporary table
    nodes_to_compare(node).
    Args: identifiers, clusters, log, relations with the columns node and load_id.
#}
{% macro nodes_to_compare(identifiers, clusters, log) -%}
    {%- if execute -%}
        {%- set logged = run_query("select coalesce(max(load_id), -1) from " ~ log).rows[0][0] -%}
        {%- do run_query(
            "create or replace temporary table nodes_to_compare as "
            ~ "select node from " ~ identifiers ~ " where load_id > " ~ logged
            ~ " union select node from " ~ clusters ~ " where load_id > " ~ logged) -%}
    {%- endif -%}
{%- endmacro %}
