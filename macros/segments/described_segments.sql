{#
    What the segments that are models say of themselves in the meta of their config, as texts for
    SQL. Empty while dbt reads the project: the models are known only afterwards.
#}
{% macro described_segments() -%}
    {%- set described = [] -%}
    {%- if execute -%}
        {%- for node in graph.nodes.values() | sort(attribute="name") -%}
            {%- if node.resource_type == "model" and node.name.startswith("seg_") -%}
                {%- set meta = node.config.meta -%}
                {%- do described.append({
                    "segment_id": node.alias,
                    "title": meta.title | replace("'", "''"),
                    "kind": meta.kind,
                    "owner": meta.owner,
                    "channels": meta.channels | join(" "),
                    "suggested_action": meta.suggested_action | replace("'", "''"),
                    "largest_daily_change": meta.get("largest_daily_change", "null")
                }) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {{- return(described) -}}
{%- endmacro %}
