{#
    The rules in force as dictionaries, in the order of their names: what segments.rules says of
    each. Models that follow the rules are written from it. Empty while dbt reads the project.
#}
{% macro rules_in_force() -%}
    {%- set rules = [] -%}
    {%- if execute -%}
        {#- As one text: dbt would take columns of digits for numbers. -#}
        {%- set answer = run_query(
            "select cast(to_json(list(rules order by segment_id)) as varchar) from "
            ~ ref('rules') ~ " as rules where status = 'in_force'"
        ) -%}
        {%- set rules = fromjson(answer.rows[0][0] or '[]') -%}
    {%- endif -%}
    {{- return(rules) -}}
{%- endmacro %}
