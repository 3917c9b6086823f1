{#
    Months that are over between two dates. A month ends on the day on which it began, at the latest
    at the end of the month: from 30 or 31 May to 30 June one is over.
#}
{% macro whole_months(earlier, later) -%}
    date_sub('month', {{ earlier }}, {{ later }})
{%- endmacro %}
