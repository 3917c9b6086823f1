{#
    The segments that are models of their own, by folder: models/segments/<folder>/seg_<name>.sql.
    dbt has to read the names before it knows the project, so they stand here, once; a test holds
    the list to the folders.
#}
{% macro segment_models() -%}
    {{- return([
        "high_value_buyer", "losing_buyer", "new_buyer", "vanished_buyer",
        "abandoned_cart", "birthday"
    ]) -}}
{%- endmacro %}
