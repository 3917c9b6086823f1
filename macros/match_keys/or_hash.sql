{#
    A normalised text; where there is none because the value is a SHA-256 already (64 hex digits),
    that in lower case.
    The text is asked for first: what stands in a later branch DuckDB computes once per mention.
#}
{% macro or_hash(text, value) -%}
    coalesce(
        {{ text }},
        case
            when regexp_matches({{ value }}, '^ *[0-9a-fA-F]{64} *$') then lower(trim({{ value }}))
        end
    )
{%- endmacro %}
