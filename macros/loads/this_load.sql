{#
    The last load that this build knows: what an incremental model marks the rows with that it
    changes, so that the models after it find them. The build passes it as the var load_id; in an
    increment without it the changes could not be found any more.
#}
{% macro this_load() -%}
    {%- if execute and var("load_id") is none and is_incremental() -%}
        {{ exceptions.raise_compiler_error(
            "An increment needs the var load_id, the last load of the raw tables: build with "
            ~ "make build, or pass --vars '{load_id: <number>}' or --full-refresh to dbt") }}
    {%- endif -%}
    cast({{ var("load_id") or 0 }} as bigint)
{%- endmacro %}
