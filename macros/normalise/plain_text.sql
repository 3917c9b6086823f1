{# A typed text as it is compared: lower case, no accents, single spaces; NULL if empty. #}
{% macro plain_text(text) -%}
    nullif(
        trim(
            regexp_replace(
                translate(lower(strip_accents({{ text }})), 'łøđ', 'lod'), '[^a-z0-9]+', ' ', 'g'
            )
        ),
        ''
    )
{%- endmacro %}
