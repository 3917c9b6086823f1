{# A typed e-mail address in lower case without white space; NULL when it is no address. #}
{% macro normalise_email(email) -%}
    nullif(
        regexp_extract(
            lower(regexp_replace({{ email }}, '[\s\x{00a0}\x{200b}]+', '', 'g')),
            '^[^@,;<>"]+@[^@,;<>"]+\.[a-z]{2,}$'
        ),
        ''
    )
{%- endmacro %}
