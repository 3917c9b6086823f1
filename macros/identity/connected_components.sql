{#
    Labels every node of an undirected graph with the lowest node of its connected component.
    Contraction: every node looks up the lowest of its neighbours and itself, twice more follows
    that node to its own, and the edges between different labels make the next, smaller graph.
    Nodes are shuffled first: along a chain in the order of its nodes, each round would take off
    only its end. So a chain of 20,000 takes about ten rounds, each a fraction of the last.
    Run as a pre-hook; leaves the temporary table component_labels(node, label), which lists
    only nodes that have an edge.
    Args: edges, a relation with the integer columns node_a and node_b.
#}
{% macro connected_components(edges) -%}
    {%- if execute -%}
        {%- do run_query(
            "create or replace temporary table component_nodes as "
            ~ "select node, row_number() over (order by md5(cast(node as varchar)), node) as v "
            ~ "from (select node_a as node from " ~ edges ~ " where node_a <> node_b "
            ~ "union select node_b from " ~ edges ~ " where node_a <> node_b)") -%}
        {%- do run_query(
            "create or replace temporary table component_pairs as "
            ~ "select here.v, there.v as w from " ~ edges ~ " as edges "
            ~ "inner join component_nodes as here on edges.node_a = here.node "
            ~ "inner join component_nodes as there on edges.node_b = there.node "
            ~ "where here.v <> there.v") -%}
        {%- do run_query(
            "create or replace temporary table component_edges_0 as "
            ~ "select v, w from component_pairs union select w, v from component_pairs") -%}
        {%- set rounds = namespace(count=0, edges_left=1) -%}
        {%- for i in range(100) if rounds.edges_left > 0 -%}
            {%- do run_query(
                "create or replace temporary table component_low as "
                ~ "select v, least(v, min(w)) as low from component_edges_" ~ i
                ~ " group by v") -%}
            {%- for jump in range(2) -%}
                {%- do run_query(
                    "create or replace temporary table component_jump as "
                    ~ "select here.v, there.low from component_low as here "
                    ~ "inner join component_low as there on here.low = there.v") -%}
                {%- do run_query(
                    "create or replace temporary table component_low as "
                    ~ "select * from component_jump") -%}
            {%- endfor -%}
            {%- do run_query(
                "create or replace temporary table component_round_" ~ i
                ~ " as select v, low from component_low") -%}
            {%- do run_query(
                "create or replace temporary table component_edges_" ~ (i + 1) ~ " as "
                ~ "select distinct left_end.low as v, right_end.low as w "
                ~ "from component_edges_" ~ i ~ " as edges "
                ~ "inner join component_low as left_end on edges.v = left_end.v "
                ~ "inner join component_low as right_end on edges.w = right_end.v "
                ~ "where left_end.low <> right_end.low") -%}
            {%- set left = run_query("select count(*) from component_edges_" ~ (i + 1)) -%}
            {%- set rounds.edges_left = left.rows[0][0] -%}
            {%- set rounds.count = i + 1 -%}
        {%- endfor -%}
        {%- if rounds.edges_left > 0 -%}
            {{ exceptions.raise_compiler_error("connected_components did not end in 100 rounds") }}
        {%- endif -%}
        {%- do run_query(
            "create or replace temporary table component_roots as "
            ~ "select v, low as root from component_round_0") -%}
        {%- for i in range(1, rounds.count) -%}
            {%- do run_query(
                "create or replace temporary table component_composed as "
                ~ "select roots.v, coalesce(round.low, roots.root) as root "
                ~ "from component_roots as roots "
                ~ "left join component_round_" ~ i ~ " as round on roots.root = round.v") -%}
            {%- do run_query(
                "create or replace temporary table component_roots as "
                ~ "select * from component_composed") -%}
        {%- endfor -%}
        {%- do run_query(
            "create or replace temporary table component_labels as "
            ~ "select nodes.node, min(nodes.node) over (partition by roots.root) as label "
            ~ "from component_nodes as nodes "
            ~ "inner join component_roots as roots on nodes.v = roots.v") -%}
    {%- endif -%}
{%- endmacro %}
