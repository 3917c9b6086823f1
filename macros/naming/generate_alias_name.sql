{#
    A model's prefix tells its layer in the project, where names must be unique; the relation
    drops it, since its schema tells the layer: seg_new_buyer is segments.new_buyer.
#}
{% macro generate_alias_name(custom_alias_name=none, node=none) -%}
    {%- if custom_alias_name -%}
        {{ custom_alias_name | trim }}
    {%- elif node.resource_type != 'model' -%}
        {{ node.name }}
    {%- else -%}
        {{ modules.re.sub("^(entity|identity|linkage|features|pii|seg|aud)_", "", node.name) }}
    {%- endif -%}
{%- endmacro %}
