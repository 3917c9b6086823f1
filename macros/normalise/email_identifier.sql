{# A normalised e-mail address without its plus tag: what two records are matched on. #}
{% macro email_identifier(email) -%}
    regexp_replace({{ email }}, '(.)\+[^@]*@', '\1@')
{%- endmacro %}
