{#
    What refused_edges needs to know of the components that break a limit: their ties by rank, what
    counts towards which limit, and what people decided. Run as a pre-hook before it; leaves the
    temporary tables cut_ties, cut_limits, cut_apart and cut_joined.
    Args: components, identifiers, edges, decisions, the relations of the graph; rules, the seed.
#}
{% macro limits_to_keep(components, identifiers, edges, decisions, rules) -%}
    {%- if execute -%}
        {%- do run_query(
            "create or replace temporary table cut_nodes as "
            ~ "select identifiers.* from " ~ identifiers ~ " as identifiers semi join "
            ~ "(from " ~ components ~ " where breaks_a_limit) as components "
            ~ "on identifiers.node = components.node") -%}
        {%- do run_query(
            "create or replace temporary table cut_ties as "
            ~ "with pairs as (select least(hub_node, node) as node_a, "
            ~ "greatest(hub_node, node) as node_b, count(*) as record_count from " ~ edges
            ~ " where hub_node <> node and node in (select node from cut_nodes) group by all) "
            ~ "select pairs.*, row_number() over (order by greatest(end_a.tier, end_b.tier), "
            ~ "pairs.record_count desc, least(end_a.last_seen_at, end_b.last_seen_at) desc, "
            ~ "pairs.node_a, pairs.node_b) as rank from pairs "
            ~ "inner join cut_nodes as end_a on pairs.node_a = end_a.node "
            ~ "inner join cut_nodes as end_b on pairs.node_b = end_b.node") -%}
        {%- do run_query(
            "create or replace temporary table cut_limits as "
            ~ "select cut_nodes.node, cut_nodes.limited_as as rule, cut_nodes.holder, "
            ~ "rules.max_holders as most from cut_nodes inner join " ~ rules ~ " as rules "
            ~ "on cut_nodes.id_type = rules.id_type where cut_nodes.limited_as is not null") -%}
        {%- do run_query(
            "create or replace temporary table cut_apart as "
            ~ "select node_a, node_b from " ~ decisions ~ " where link = 'cannot'") -%}
        {%- do run_query(
            "create or replace temporary table cut_by_hand as "
            ~ "select node_a, node_b from " ~ decisions
            ~ " where link = 'must' and node_b in (select node from cut_nodes)") -%}
        {%- do connected_components("cut_by_hand") -%}
        {%- do run_query(
            "create or replace temporary table cut_joined as "
            ~ "select node, label as part from component_labels") -%}
    {%- endif -%}
{%- endmacro %}
