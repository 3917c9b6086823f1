{#
    Whether a model of the identity graph was built anew since the last entry of the log: all of its
    rows are of this load, or of later ones than the log's. Only then an identifier can be gone.
    Args: model, log, relations with the column load_id.
#}
{% macro is_built_anew(model, log) -%}
    {%- if execute -%}
        {%- set logged = run_query("select coalesce(max(load_id), -1) from " ~ log).rows[0][0] -%}
        {%- set oldest = run_query("select min(load_id) from " ~ model).rows[0][0] -%}
        {{- return(oldest is none or oldest > logged or oldest == (var("load_id") or 0)) -}}
    {%- endif -%}
{%- endmacro %}
