{# Join condition: the value falls into the step of a seed with at_least and below. #}
{% macro falls_into(step, dimension, value) -%}
    {{ step }}.dimension = '{{ dimension }}'
    and {{ value }} >= {{ step }}.at_least
    and ({{ value }} < {{ step }}.below or {{ step }}.below is null)
{%- endmacro %}
