{#
    A list of structs for SQL, one for each condition of a segment, as unnest takes it apart.
    Args: conditions, each with condition in words and value, threshold and passed as SQL.
#}
{% macro condition_list(conditions) -%}
[
    {%- for condition in conditions -%}
        {'condition_number': {{ loop.index }},
        'condition': '{{ condition.condition | replace("'", "''") }}',
        'value': {{ condition.value }},
        'threshold': cast({{ condition.threshold or 'null' }} as varchar),
        'passed': {{ condition.passed }}}
        {{- ', ' if not loop.last }}
    {%- endfor -%}
]
{%- endmacro %}
