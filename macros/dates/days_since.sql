{# Whole days from a moment to the as-of day: 0 on the day itself, NULL where there is none. #}
{% macro days_since(moment) -%}
    ({{ as_of() }} - cast({{ moment }} as date))
{%- endmacro %}
