{#
    What segments.explanations is written from: the names of stages and RFM segments, and the
    conditions of each segment that is a model, read from its view as DuckDB keeps it. Empty while
    dbt reads the project.
#}
{% macro explained_segments() -%}
    {%- set known = {} -%}
    {%- if execute -%}
        {%- set answer = run_query(
            "select cast(to_json({"
            ~ "'stages': (select list(stage order by stage) from " ~ ref('lifecycle_stages') ~ "), "
            ~ "'rfm_segments': (select list(distinct rfm_segment order by rfm_segment) from "
            ~ ref('rfm_segments') ~ "), "
            ~ "'models': array(select json_merge_patch(explain_segment_view(sql), "
            ~ "json_object('segment_id', view_name)) from duckdb_views() "
            ~ "where database_name = '" ~ this.database ~ "' and schema_name = '" ~ this.schema
            ~ "' and list_contains(" ~ segment_models() ~ ", view_name) order by view_name)"
            ~ "}) as varchar)"
        ) -%}
        {%- set known = fromjson(answer.rows[0][0]) -%}
    {%- endif -%}
    {{- return(known) -}}
{%- endmacro %}
