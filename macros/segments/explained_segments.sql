{#
    What segments.explanations is written from: the names of stages, RFM segments and rules as texts
    of SQL, and the conditions of each segment that is a model, read from its view as DuckDB keeps
    it. Empty while dbt reads the project.
#}
{% macro explained_segments() -%}
    {%- set known = {'stages': '', 'rfm_segments': '', 'rules': '', 'models': []} -%}
    {%- if execute -%}
        {%- set names = "coalesce((select string_agg(distinct  || {0} || , ', ' order by "
            ~ " || {0} || ) from {1}), '')" -%}
        {%- set answer = run_query(
            "select cast(to_json({"
            ~ "'stages': " ~ names.format("stage", ref('lifecycle_stages')) ~ ", "
            ~ "'rfm_segments': " ~ names.format("rfm_segment", ref('rfm_segments')) ~ ", "
            ~ "'rules': " ~ names.format("segment_id", ref('rules') ~ " where status = 'in_force'")
            ~ ", "
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
