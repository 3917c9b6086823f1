{#
    The part of the identity graph that has to be solved again: the nodes that were judged again,
    those at an end of an edge that is new or gone, and all nodes that were in one component with
    them. No tie leads out of it. In a full build it is the whole graph.
    Run as a pre-hook; leaves the temporary table component_ties(node_a, node_b), and in an
    increment component_members(node).
    Args: identifiers, edges, decisions, the relations of the graph; the model that runs it holds
    the components as they stand.
#}
{% macro touched_components(identifiers, edges, decisions) -%}
    {%- if execute -%}
        {%- if is_incremental() -%}
            {%- do run_query(
                "create or replace temporary table component_touched as "
                ~ "select node from " ~ identifiers ~ " where " ~ newly_loaded()
                ~ " union select node from " ~ edges ~ " where " ~ newly_loaded()
                ~ " union select hub_node from " ~ edges
                ~ " where hub_node is not null and " ~ newly_loaded()) -%}
            {%- do run_query(
                "insert into component_touched "
                ~ "select node_b from " ~ decisions
                ~ " where node_a in (select node from component_touched) union "
                ~ "select node_a from " ~ decisions
                ~ " where node_b in (select node from component_touched)") -%}
            {%- do run_query(
                "create or replace temporary table component_members as "
                ~ "select node from component_touched union "
                ~ "select node from " ~ this ~ " where component in ("
                ~ "select component from " ~ this
                ~ " where node in (select node from component_touched))") -%}
        {%- endif -%}
        {%- set touched = " in (select node from component_members)"
            if is_incremental() else " is not null" -%}
        {%- do run_query(
            "create or replace temporary table component_ties as "
            ~ "select hub_node as node_a, node as node_b from " ~ edges
            ~ " where hub_node <> node and node" ~ touched ~ " union all "
            ~ "select node_a, node_b from " ~ decisions
            ~ " where link = 'must' and node_b" ~ touched) -%}
    {%- endif -%}
{%- endmacro %}
