{#
    Aggregate: the value of a column on the latest record that has one.
    Args: column; recency, a text that orders records totally, the latest last.
#}
{% macro latest_known(column, recency) -%}
    max_by({{ column }}, {{ recency }}) filter (where {{ column }} is not null)
{%- endmacro %}
