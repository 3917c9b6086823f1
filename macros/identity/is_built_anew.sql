{#
    Whether a model of the identity graph was built anew since the last entry of the log: then every
    row carries a load that the log has seen or a later one, and only then an identifier can be gone.
    Args: model, log, relations with the column load_id.
#}
{% macro is_built_anew(model, log) -%}
    {%- if execute -%}
        {%- set seen = run_query("select coalesce(max(load_id), -1) from " ~ log).rows[0][0] -%}
        {%- set oldest = run_query("select coalesce(min(load_id), 0) from " ~ model).rows[0][0] -%}
        {{- return(oldest >= seen) -}}
    {%- endif -%}
{%- endmacro %}
