{# True for a day in the last rfm_window_days; always when that is 0. #}
{% macro within_rfm_window(day) -%}
    {%- if var('rfm_window_days') == 0 -%}
        true
    {%- else -%}
        {{ day }} > {{ as_of() }} - interval {{ var('rfm_window_days') }} day
    {%- endif -%}
{%- endmacro %}
