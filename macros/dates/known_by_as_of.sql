{#
    True for a row that had happened and been delivered by the end of the as-of day.
    Only staging asks; everything after it sees nothing else. A file without a date in its
    name is history: its rows count as known since they happened (docs/decisions.md).
    Args: happened_at, the expression of the row's time.
#}
{% macro known_by_as_of(happened_at=none) -%}
    coalesce(_delivered_on, date '0001-01-01') <= {{ as_of() }}
    {%- if happened_at %} and {{ happened_at }} < {{ as_of() }} + interval 1 day {%- endif %}
{%- endmacro %}
