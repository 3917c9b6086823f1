{#
    A code of a source system, such as broken_lamp; NULL for anything else. Where a system has a
    code, people may have typed a sentence about somebody instead: that stays in the raw tables.
#}
{% macro code(text) -%}
    case when regexp_matches({{ text }}, '^[a-z0-9_]{1,40}$') then {{ text }} end
{%- endmacro %}
