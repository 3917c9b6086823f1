{#
    A list of structs for SQL, one for each condition of a segment, as unnest takes it apart. Its
    type is the same without any.
    Args: conditions, each with condition in words, value and passed as SQL, and what the value is
    compared with: threshold as text, or threshold_sql where it may differ between customers.
#}
{% macro condition_list(conditions) -%}
cast([
    {%- for condition in conditions -%}
        {%- set threshold = condition.threshold_sql or "null" -%}
        {%- if condition.threshold -%}
            {%- set threshold = "'" ~ condition.threshold | replace("'", "''") ~ "'" -%}
        {%- endif -%}
        row(
            {{ loop.index }},
            '{{ condition.condition | replace("'", "''") }}',
            {{ condition.value }},
            {{ threshold }},
            {{ condition.passed }}
        )
        {{- ', ' if not loop.last }}
    {%- endfor -%}
] as struct(
    condition_number integer, condition varchar, value varchar, threshold varchar, passed boolean
)[])
{%- endmacro %}
