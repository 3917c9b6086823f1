{#
    128-bit hash of a text with the project's pepper (SEGMENT_OF_ONE_PEPPER), so that nobody who
    sees the hash can find the text by trying; whoever keeps real people's data sets their own.
#}
{% macro keyed_hash(text) -%}
    md5('{{ env_var("SEGMENT_OF_ONE_PEPPER", "segment_of_one") }}' || ':' || {{ text }})
{%- endmacro %}
