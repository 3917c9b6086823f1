{#
    The graph that connected_components solves for the components of identifiers. In a full build
    it is the whole graph. In an increment a component in which nothing was taken away stands for
    all of its members, so that new ties join whole components; one in which an identifier
    conducts no more on some record comes apart into its members, and is solved again. Those that
    break a limit are always among them: where they are cut depends on who was seen last.
    Run as a pre-hook; leaves the temporary table component_ties(node_a, node_b), and in an
    increment component_members(node, stands_for, is_to_write, standing_component,
    standing_breaks_a_limit) for all members of components that were touched, and what is new.
    Args: identifiers, edges, decisions, the relations of the graph; the model that runs it holds
    the components as they stand.
#}
{% macro touched_components(identifiers, edges, decisions) -%}
    {%- if execute and not is_incremental() -%}
        {%- do run_query(
            "create or replace temporary table component_ties as "
            ~ "select hub_node as node_a, node as node_b from " ~ edges
            ~ " where hub_node <> node union all "
            ~ "select node_a, node_b from " ~ decisions ~ " where link = 'must'") -%}
    {%- elif execute -%}
        {%- set is_new = newly_loaded() -%}
        {%- do run_query(
            "create or replace temporary table component_touched as "
            ~ "select node from " ~ identifiers ~ " where " ~ is_new
            ~ " union select node from " ~ edges ~ " where " ~ is_new
            ~ " union select hub_node from " ~ edges ~ " where hub_node is not null and "
            ~ is_new) -%}
        {%- do run_query(
            "create or replace temporary table component_asked as "
            ~ "select node from component_touched "
            ~ "union select node from " ~ this ~ " where breaks_a_limit "
            ~ "union select node_a from " ~ decisions
            ~ " union select node_b from " ~ decisions) -%}
        {%- do run_query(
            "create or replace temporary table component_standing as "
            ~ "select standing.node, standing.component from " ~ this ~ " as standing "
            ~ "semi join component_asked on standing.node = component_asked.node "
            ~ "where standing.component is not null") -%}
        {%- do run_query(
            "create or replace temporary table component_apart as "
            ~ "select distinct component_standing.component from " ~ edges ~ " as edges "
            ~ "inner join component_standing on edges.node = component_standing.node "
            ~ "where edges.hub_node is null and edges." ~ is_new) -%}
        {%- do run_query(
            "create or replace temporary table component_members as "
            ~ "select members.node, case when component_apart.component is null "
            ~ "then members.component else members.node end as stands_for, "
            ~ "component_apart.component is not null or component_touched.node is not null "
            ~ "as is_to_write, members.component as standing_component, "
            ~ "members.breaks_a_limit as standing_breaks_a_limit from " ~ this ~ " as members "
            ~ "semi join component_standing on members.component = component_standing.component "
            ~ "left join component_apart on members.component = component_apart.component "
            ~ "left join component_touched on members.node = component_touched.node") -%}
        {%- do run_query(
            "insert into component_members "
            ~ "select node, node, true, null, null from component_touched "
            ~ "anti join component_standing using (node)") -%}
        {%- do run_query(
            "create or replace temporary table component_named_ties as "
            ~ "select hub_node as node_a, node as node_b from " ~ edges
            ~ " where hub_node <> node and (" ~ is_new ~ " or node in (select node "
            ~ "from component_members where node = stands_for and is_to_write)) "
            ~ "union all select node_a, node_b from " ~ decisions ~ " where link = 'must'") -%}
        {%- do run_query(
            "create or replace temporary table component_ties as "
            ~ "select end_a.stands_for as node_a, end_b.stands_for as node_b "
            ~ "from component_named_ties as ties "
            ~ "inner join component_members as end_a on ties.node_a = end_a.node "
            ~ "inner join component_members as end_b on ties.node_b = end_b.node") -%}
    {%- endif -%}
{%- endmacro %}
