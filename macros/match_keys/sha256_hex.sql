{#
    SHA-256 of a normalised text in UTF-8, as 64 hex digits in lower case; NULL stays NULL. A text
    that is one already stays as it is: whoever hashed it has normalised it before.
#}
{% macro sha256_hex(text) -%}
    {{ adapter.dispatch('sha256_hex')(text) }}
{%- endmacro %}

{% macro default__sha256_hex(text) -%}
    case
        when length({{ text }}) = 64 and {{ text }} rlike '^[0-9a-f]{64}$' then {{ text }}
        else sha2({{ text }}, 256)
    end
{%- endmacro %}

{% macro duckdb__sha256_hex(text) -%}
    case
        when length({{ text }}) = 64 and regexp_matches({{ text }}, '^[0-9a-f]{64}$')
            then {{ text }}
        else sha256({{ text }})
    end
{%- endmacro %}
