{#
    The ties that still join in the components that break a limit: those that were not refused.
    Run as a pre-hook; leaves the temporary table links_left(node_a, node_b).
    Args: components, links, refused_merges, the relations of the graph.
#}
{% macro links_left(components, links, refused_merges) -%}
    {%- if execute -%}
        {%- do run_query(
            "create or replace temporary table links_left as "
            ~ "select distinct links.node_a, links.node_b from " ~ links ~ " as links "
            ~ "semi join (from " ~ components ~ " where breaks_a_limit) as cut "
            ~ "on links.node_b = cut.node "
            ~ "anti join " ~ refused_merges ~ " as refused "
            ~ "on least(links.node_a, links.node_b) = refused.node_a "
            ~ "and greatest(links.node_a, links.node_b) = refused.node_b "
            ~ "and not links.is_manual") -%}
    {%- endif -%}
{%- endmacro %}
