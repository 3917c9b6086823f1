{# Months that are over between two dates: from 31 January to 28 February none is. #}
{% macro whole_months(earlier, later) -%}
    date_sub('month', {{ earlier }}, {{ later }})
{%- endmacro %}
