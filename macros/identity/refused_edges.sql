{#
    Which edges of a graph must not join, so that nobody holds more than a customer may. As if the
    edges were taken one by one in the order of their rank, each joining the parts at its ends or,
    where these together would break a limit, refused for good. In sets: parts only grow, so what
    breaks a limit now would break it later, and an edge that is the best of both its ends has
    nothing before it that could change them. A round refuses all edges that break a limit and
    joins along all that are the best of both ends. Nodes of one edge that no limit counts are
    left out: they join in any case.
    Run as a pre-hook; leaves the temporary table refused_edges(node_a, node_b, rule, most,
    held_a, held_b), with what both ends held when they were kept apart.
    Args: the names of four relations.
    edges(node_a, node_b, rank): each pair once, each rank once.
    limits(node, rule, holder, most): what a node counts for; alike holders count as one.
    apart(node_a, node_b): nodes that are never joined.
    joined(node, part): nodes that are joined from the start, whatever the limits say; a part is
    named after one of its nodes.
#}
{% macro refused_edges(edges, limits, apart, joined) -%}
    {%- if execute -%}
        {%- do run_query(
            "create or replace temporary table refused_edges (node_a bigint, node_b bigint, "
            ~ "rule varchar, most integer, held_a bigint, held_b bigint)") -%}
        {%- do run_query(
            "create or replace temporary table leaves as "
            ~ "select node from (select node_a as node from " ~ edges
            ~ " union all select node_b from " ~ edges ~ ") group by node having count(*) = 1 "
            ~ "except select node from " ~ limits ~ " except select node from " ~ joined
            ~ " except select node_a from " ~ apart ~ " except select node_b from " ~ apart) -%}
        {%- do run_query(
            "create or replace temporary table open_edges as "
            ~ "select node_a, node_b, coalesce(join_a.part, node_a) as part_a, "
            ~ "coalesce(join_b.part, node_b) as part_b, rank from " ~ edges ~ " as edges "
            ~ "anti join leaves as leaf_a on edges.node_a = leaf_a.node "
            ~ "anti join leaves as leaf_b on edges.node_b = leaf_b.node "
            ~ "left join " ~ joined ~ " as join_a on edges.node_a = join_a.node "
            ~ "left join " ~ joined ~ " as join_b on edges.node_b = join_b.node "
            ~ "where coalesce(join_a.part, node_a) <> coalesce(join_b.part, node_b)") -%}
        {%- do run_query(
            "create or replace temporary table part_holders as "
            ~ "select coalesce(joined.part, limits.node) as part, rule, most, "
            ~ "list(distinct holder) as holders from " ~ limits ~ " as limits "
            ~ "left join " ~ joined ~ " as joined on limits.node = joined.node group by all") -%}
        {%- do run_query(
            "create or replace temporary table parts_apart as "
            ~ "select coalesce(join_a.part, node_a) as part_a, "
            ~ "coalesce(join_b.part, node_b) as part_b from (select node_a, node_b from " ~ apart
            ~ " union select node_b, node_a from " ~ apart ~ ") as pairs "
            ~ "left join " ~ joined ~ " as join_a on pairs.node_a = join_a.node "
            ~ "left join " ~ joined ~ " as join_b on pairs.node_b = join_b.node") -%}
        {%- set edges_left = run_query("select count(*) from open_edges").rows[0][0] -%}
        {%- set rounds = namespace(edges_left=edges_left) -%}
        {#- Each round takes off at least the edge of the lowest rank. -#}
        {%- for i in range(edges_left) if rounds.edges_left > 0 -%}
            {%- do run_query(
                "create or replace temporary table broken_limits as "
                ~ "select node_a, node_b, here.rule, here.most, len(here.holders) as held_a, "
                ~ "len(there.holders) as held_b from open_edges "
                ~ "inner join part_holders as here on open_edges.part_a = here.part "
                ~ "inner join part_holders as there on open_edges.part_b = there.part "
                ~ "and here.rule = there.rule "
                ~ "where len(list_distinct(here.holders || there.holders)) > here.most "
                ~ "union all select node_a, node_b, 'kept apart', 0, 1, 1 from open_edges "
                ~ "inner join parts_apart using (part_a, part_b)") -%}
            {%- do run_query(
                "insert into refused_edges select * from broken_limits "
                ~ "qualify row_number() over (partition by node_a, node_b order by rule) = 1") -%}
            {%- do run_query(
                "create or replace temporary table allowed_edges as "
                ~ "select * from open_edges anti join broken_limits using (node_a, node_b)") -%}
            {%- do run_query(
                "create or replace temporary table best_ranks as "
                ~ "select part, min(rank) as rank from (select part_a as part, rank "
                ~ "from allowed_edges union all select part_b, rank from allowed_edges) "
                ~ "group by part") -%}
            {%- do run_query(
                "create or replace temporary table moves as "
                ~ "select greatest(part_a, part_b) as part, least(part_a, part_b) as to_part "
                ~ "from allowed_edges "
                ~ "inner join best_ranks as best_a on part_a = best_a.part "
                ~ "and allowed_edges.rank = best_a.rank "
                ~ "inner join best_ranks as best_b on part_b = best_b.part "
                ~ "and allowed_edges.rank = best_b.rank") -%}
            {%- do run_query(
                "create or replace temporary table open_edges as "
                ~ "select node_a, node_b, coalesce(move_a.to_part, part_a) as part_a, "
                ~ "coalesce(move_b.to_part, part_b) as part_b, rank from allowed_edges "
                ~ "left join moves as move_a on part_a = move_a.part "
                ~ "left join moves as move_b on part_b = move_b.part "
                ~ "where coalesce(move_a.to_part, part_a) <> coalesce(move_b.to_part, part_b)")
                -%}
            {%- do run_query(
                "create or replace temporary table part_holders as "
                ~ "select coalesce(to_part, part) as part, rule, most, "
                ~ "list_distinct(flatten(list(holders))) as holders "
                ~ "from part_holders left join moves using (part) group by all") -%}
            {%- do run_query(
                "create or replace temporary table parts_apart as "
                ~ "select distinct coalesce(move_a.to_part, part_a) as part_a, "
                ~ "coalesce(move_b.to_part, part_b) as part_b from parts_apart "
                ~ "left join moves as move_a on part_a = move_a.part "
                ~ "left join moves as move_b on part_b = move_b.part") -%}
            {%- set rounds.edges_left = run_query(
                "select count(*) from open_edges").rows[0][0] -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}
