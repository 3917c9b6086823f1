{#
    What TikTok compares of a person, before it is hashed; NULL for what is empty or invalid, a hash
    as it is. orchestration/activation/match_keys.py does the same, docs/exports.md has the rules.
    Args: field, email or phone; value, SQL of a text.
#}
{% macro tiktok_key(field, value) -%}
    {%- if field == 'email' -%}
        {{ or_hash(email_identifier(typed_email(value)), value) }}
    {%- elif field == 'phone' -%}
        {{ or_hash(typed_phone(value), value) }}
    {%- else -%}
        {{ exceptions.raise_compiler_error('TikTok compares no ' ~ field) }}
    {%- endif -%}
{%- endmacro %}
