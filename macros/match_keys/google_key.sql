{#
    What Google compares of a person, before it is hashed; NULL for what is empty or invalid, a hash
    as it is. orchestration/activation/match_keys.py does the same, docs/exports.md has the rules.
    postal_code and region_code are sent as they are, so that a hash is no value of theirs.
    Args: field as in the branches; value, SQL of a text.
#}
{% macro google_key(field, value) -%}
    {%- if field == 'email' -%}
        {{ or_hash(_google_email(value), value) }}
    {%- elif field == 'phone' -%}
        {{ or_hash(typed_phone(value), value) }}
    {%- elif field in ['given_name', 'family_name'] -%}
        {{ or_hash(_google_name(value), value) }}
    {%- elif field == 'postal_code' -%}
        {{ _google_postal_code(value) }}
    {%- elif field == 'region_code' -%}
        upper(nullif(regexp_extract({{ typed_text(value) }}, '^[a-z]{2}$'), ''))
    {%- else -%}
        {{ exceptions.raise_compiler_error('Google compares no ' ~ field) }}
    {%- endif -%}
{%- endmacro %}

{# Mail to gmail.com arrives whatever dots and tags are typed; elsewhere they are other people. #}
{% macro _google_email(value) -%}
    {%- set email = typed_email(value) -%}
    case
        when regexp_matches({{ email }}, '@(?:gmail|googlemail)[.]com$')
            then replace(regexp_extract({{ email_identifier(email) }}, '^[^@]+'), '.', '')
                || '@'
                || regexp_extract({{ email }}, '[^@]+$')
        else {{ email }}
    end
{%- endmacro %}

{# A title that stands alone stays: Pan is a family name. #}
{% macro _google_name(value) -%}
    {%- set titles = [
        'mr', 'mrs', 'ms', 'miss', 'mx', 'sir', 'dr', 'prof', 'pan', 'pani', 'mgr', 'inż', 'inz',
        'hab', 'ks', 'herr', 'frau'
    ] -%}
    {%- set suffixes = ['jr', 'sr', 'ii', 'iii', 'iv', 'phd', 'ph[.]d', 'md', 'esq'] -%}
    nullif(
        regexp_replace(
            regexp_replace(
                regexp_replace(
                    {{ typed_text(value) }}, '^(?:(?:{{ titles | join("|") }})(?:[.] ?| ))+', ''
                ),
                '(?:(?:, ?| )(?:{{ suffixes | join("|") }})[.]?)+$',
                ''
            ),
            '^[0-9 {{ punctuation() }}]+$',
            ''
        ),
        ''
    )
{%- endmacro %}

{% macro _google_postal_code(value) -%}
    upper(
        nullif(regexp_extract({{ typed_text(value) }}, '^[a-z0-9](?:[ -]?[a-z0-9]){2,9}$'), '')
    )
{%- endmacro %}
