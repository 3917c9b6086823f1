{#
    Number of a node of the identity graph: 63 bits of the hash of an identifier's key, the same
    in every build. Two identifiers of one number are found by the test of the grain.
#}
{% macro node_of(id_key) -%}
    cast(md5_number_lower({{ id_key }}) >> 1 as bigint)
{%- endmacro %}
