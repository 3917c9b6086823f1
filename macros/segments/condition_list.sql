{#
    A list of structs for SQL, one for each condition of a segment, as unnest takes it apart.
    Args: conditions, each with condition in words, value and passed as SQL, and what the value is
    compared with: threshold as text, or threshold_sql where it may differ between customers.
#}
{% macro condition_list(conditions) -%}
[
    {%- for condition in conditions -%}
        {%- set threshold = condition.threshold_sql or "null" -%}
        {%- if condition.threshold -%}
            {%- set threshold = "'" ~ condition.threshold | replace("'", "''") ~ "'" -%}
        {%- endif -%}
        {'condition_number': {{ loop.index }},
        'condition': '{{ condition.condition | replace("'", "''") }}',
        'value': {{ condition.value }},
        'threshold': cast({{ threshold }} as varchar),
        'passed': {{ condition.passed }}}
        {{- ', ' if not loop.last }}
    {%- endfor -%}
]
{%- endmacro %}
