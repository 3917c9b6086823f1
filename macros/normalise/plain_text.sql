{# A typed text as it is compared: lower case, no accents, one space between words; NULL if empty. #}
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
