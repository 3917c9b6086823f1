{#
    What Meta compares of a person, before it is hashed; NULL for what is empty or invalid, a hash
    as it is. orchestration/activation/match_keys.py does the same, docs/exports.md has the rules.
    Names keep letters of every alphabet, a city is spelt with a-z alone. Of a British postal code
    the sector is compared, of an American one five digits, of others all: 00-950 is 00950.
    Args: field as in the branches; value, SQL of a text. The parts of a birth date are asked for
    with the date, YYYY-MM-DD.
#}
{% macro meta_key(field, value) -%}
    {%- set key -%}
        {%- if field == 'email' -%}
            {{ typed_email(value) }}
        {%- elif field == 'phone' -%}
            substr({{ typed_phone(value) }}, 2)
        {%- elif field in ['first_name', 'last_name'] -%}
            {{ _meta_name(value) }}
        {%- elif field == 'city' -%}
            {{ _meta_city(value) }}
        {%- elif field == 'postal_code' -%}
            {{ _meta_postal_code(value) }}
        {%- elif field == 'country' -%}
            nullif(regexp_extract({{ typed_text(value) }}, '^[a-z]{2}$'), '')
        {%- elif field == 'gender' -%}
            substr(
                nullif(regexp_extract({{ typed_text(value) }}, '^(?:f|female|m|male)$'), ''), 1, 1
            )
        {%- elif field == 'birth_year' -%}
            substr({{ _meta_birth_date(value) }}, 1, 4)
        {%- elif field == 'birth_month' -%}
            substr({{ _meta_birth_date(value) }}, 6, 2)
        {%- elif field == 'birth_day' -%}
            substr({{ _meta_birth_date(value) }}, 9, 2)
        {%- else -%}
            {{ exceptions.raise_compiler_error('Meta compares no ' ~ field) }}
        {%- endif -%}
    {%- endset -%}
    {{ or_hash(key, value) }}
{%- endmacro %}

{% macro _meta_name(value) -%}
    nullif(
        regexp_replace(
            regexp_replace(
                {{ typed_text(value, keep_spaces=false) }}, '[{{ punctuation() }}]+', '', 'g'
            ),
            '^[0-9]+$',
            ''
        ),
        ''
    )
{%- endmacro %}

{# A hash is no city, although it has letters. #}
{% macro _meta_city(value) -%}
    {%- set letters -%}
        strip_accents({{ typed_text(value, keep_spaces=false) }})
    {%- endset -%}
    nullif(
        regexp_replace(
            translate(
                replace(replace(replace({{ letters }}, 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'),
                'łøđðħıŧ',
                'loddhit'
            ),
            '^[0-9a-f]{64}$|[^a-z]+',
            '',
            'g'
        ),
        ''
    )
{%- endmacro %}

{% macro _meta_postal_code(value) -%}
    nullif(
        regexp_extract(
            regexp_replace(
                replace({{ typed_text(value, keep_spaces=false) }}, '-', ''),
                '^([0-9]{5})[0-9]{4}$|^([a-z]{1,2}[0-9][a-z0-9]?[0-9])[a-z]{2}$',
                '\1\2'
            ),
            '^[a-z0-9]{3,10}$'
        ),
        ''
    )
{%- endmacro %}

{% macro _meta_birth_date(value) -%}
    cast(
        try_cast(
            regexp_extract(
                {{ typed_text(value, keep_spaces=false) }}, '^(?:19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}$'
            ) as date
        ) as varchar
    )
{%- endmacro %}
