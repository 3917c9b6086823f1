{#
    Labels every node of an undirected graph with the lowest node of its connected component.
    Contraction: every node looks up the lowest of its neighbours and itself, twice more follows
    that node to its own, and the edges between different labels make the next, smaller graph.
    The numbers of nodes have to lie at random, as those of node_of do: along a chain in their
    order, each round would take off only its end. So a chain of 20,000 takes about ten rounds.
    Run as a pre-hook; leaves the temporary table component_labels(node, label), which lists
    only nodes that have an edge.
    Args: edges, a relation with the integer columns node_a and node_b.
#}
{% macro connected_components(edges) -%}
    {%- if execute -%}
        {%- set rounds = namespace(count=0, edges=edges, edges_left=1) -%}
        {%- for i in range(100) if rounds.edges_left > 0 -%}
            {%- do run_query(
                "create or replace temporary table component_low as "
                ~ "select node, least(node, min(neighbour)) as low from ("
                ~ "select node_a as node, node_b as neighbour from " ~ rounds.edges
                ~ " where node_a <> node_b union all "
                ~ "select node_b, node_a from " ~ rounds.edges
                ~ " where node_a <> node_b) group by node") -%}
            {%- for jump in range(2) -%}
                {%- do run_query(
                    "create or replace temporary table component_jump as "
                    ~ "select here.node, there.low from component_low as here "
                    ~ "inner join component_low as there on here.low = there.node") -%}
                {%- do run_query("drop table component_low") -%}
                {%- do run_query("alter table component_jump rename to component_low") -%}
            {%- endfor -%}
            {%- do run_query(
                "create or replace temporary table component_edges_" ~ i ~ " as "
                ~ "select distinct least(end_a.low, end_b.low) as node_a, "
                ~ "greatest(end_a.low, end_b.low) as node_b "
                ~ "from " ~ rounds.edges ~ " as edges "
                ~ "inner join component_low as end_a on edges.node_a = end_a.node "
                ~ "inner join component_low as end_b on edges.node_b = end_b.node "
                ~ "where end_a.low <> end_b.low") -%}
            {%- if i > 0 %}{% do run_query("drop table " ~ rounds.edges) %}{% endif -%}
            {%- do run_query("drop table if exists component_round_" ~ i) -%}
            {%- do run_query("alter table component_low rename to component_round_" ~ i) -%}
            {%- set rounds.edges = "component_edges_" ~ i -%}
            {%- set rounds.edges_left = run_query(
                "select count(*) from " ~ rounds.edges).rows[0][0] -%}
            {%- set rounds.count = i + 1 -%}
        {%- endfor -%}
        {%- if rounds.edges_left > 0 -%}
            {{ exceptions.raise_compiler_error("connected_components did not end in 100 rounds") }}
        {%- endif -%}
        {%- do run_query(
            "create or replace temporary table component_labels as "
            ~ "select node, low as label from component_round_" ~ (rounds.count - 1)) -%}
        {%- for i in range(rounds.count - 2, -1, -1) -%}
            {%- do run_query(
                "create or replace temporary table component_composed as "
                ~ "select round.node, coalesce(later.label, round.low) as label "
                ~ "from component_round_" ~ i ~ " as round "
                ~ "left join component_labels as later on round.low = later.node") -%}
            {%- do run_query("drop table component_labels") -%}
            {%- do run_query("alter table component_composed rename to component_labels") -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}
