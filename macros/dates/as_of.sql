{# The last day that this build knows, as a date literal. The only clock of the models. #}
{% macro as_of() -%}
    date '{{ var("as_of") or run_started_at.strftime("%Y-%m-%d") }}'
{%- endmacro %}
