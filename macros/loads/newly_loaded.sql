{#
    True for the rows that an incremental model has not seen: those of later loads than any in
    it. A literal, not a subquery, so that DuckDB skips the Parquet files of earlier loads.
    The build runs a full refresh when as_of moves back or uncovers rows of earlier loads.
#}
{% macro newly_loaded() -%}
    {%- if is_incremental() -%}
        {%- set latest = run_query("select coalesce(max(load_id), 0) from " ~ this) -%}
        load_id > {{ latest.rows[0][0] }}
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}
