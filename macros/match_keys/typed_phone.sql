{#
    A phone number with + and its calling code, without white space (E.164); NULL for any other
    text. However else a number is typed is read by normalise_phone, before: who guesses a country
    here names a stranger.
#}
{% macro typed_phone(value) -%}
    nullif(regexp_extract({{ typed_text(value, keep_spaces=false) }}, '^[+][1-9][0-9]{6,14}$'), '')
{%- endmacro %}
