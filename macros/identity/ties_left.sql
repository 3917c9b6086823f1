{#
    The ties that still join in the components that break a limit: those that were not refused.
    Run as a pre-hook; leaves the temporary table ties_left(node_a, node_b).
    Args: components, edges, decisions, refused_merges, the relations of the graph.
#}
{% macro ties_left(components, edges, decisions, refused_merges) -%}
    {%- if execute -%}
        {%- do run_query(
            "create or replace temporary table cut_nodes as "
            ~ "select node from " ~ components ~ " where breaks_a_limit") -%}
        {%- do run_query(
            "create or replace temporary table ties_left as "
            ~ "select edges.hub_node as node_a, edges.node as node_b from " ~ edges ~ " as edges "
            ~ "semi join cut_nodes on edges.node = cut_nodes.node "
            ~ "anti join " ~ refused_merges ~ " as refused "
            ~ "on least(edges.hub_node, edges.node) = refused.node_a "
            ~ "and greatest(edges.hub_node, edges.node) = refused.node_b "
            ~ "where edges.hub_node <> edges.node union all "
            ~ "select decisions.node_a, decisions.node_b from " ~ decisions ~ " as decisions "
            ~ "semi join cut_nodes on decisions.node_b = cut_nodes.node "
            ~ "where decisions.link = 'must'") -%}
    {%- endif -%}
{%- endmacro %}
