{#
    What refused_edges needs to know of the components that break a limit: their ties by rank, what
    counts towards which limit, and what people decided. Run as a pre-hook before it; leaves the
    temporary tables cut_links, cut_limits, cut_apart and cut_joined.
    Args: components, identifiers, links, edges, the relations of the graph.
#}
{% macro limits_to_keep(components, identifiers, links, edges) -%}
    {%- set rules = ref('identity_rules') -%}
    {%- set overrides = ref('identity_overrides') -%}
    {%- if execute -%}
        {%- do run_query(
            "create or replace temporary table cut_nodes as "
            ~ "select components.component, identifiers.* from " ~ components ~ " as components "
            ~ "inner join " ~ identifiers ~ " as identifiers "
            ~ "on components.node = identifiers.node where components.breaks_a_limit") -%}
        {%- do run_query(
            "create or replace temporary table cut_links as "
            ~ "with pairs as (select least(node_a, node_b) as node_a, "
            ~ "greatest(node_a, node_b) as node_b, count(*) as record_count from " ~ links
            ~ " where not is_manual and node_b in (select node from cut_nodes) group by all) "
            ~ "select pairs.*, row_number() over (order by greatest(end_a.tier, end_b.tier), "
            ~ "pairs.record_count desc, least(end_a.last_seen_at, end_b.last_seen_at) desc, "
            ~ "pairs.node_a, pairs.node_b) as rank from pairs "
            ~ "inner join cut_nodes as end_a on pairs.node_a = end_a.node "
            ~ "inner join cut_nodes as end_b on pairs.node_b = end_b.node") -%}
        {%- do run_query(
            "create or replace temporary table cut_limits as "
            ~ "select cut_nodes.node, case when rules.own_entity is null then rules.id_type "
            ~ "else rules.id_type || ' of ' || split_part(cut_nodes.id_value, ':', 1) end as rule, "
            ~ "cut_nodes.holder, rules.max_holders as most from cut_nodes "
            ~ "inner join " ~ rules ~ " as rules on cut_nodes.id_type = rules.id_type "
            ~ "where rules.max_holders is not null") -%}
        {%- do run_query(
            "create or replace temporary table cut_apart as "
            ~ "select left_edges.node as node_a, right_edges.node as node_b from " ~ overrides
            ~ " as overrides inner join " ~ edges ~ " as left_edges "
            ~ "on overrides.left_record = left_edges.record_key "
            ~ "inner join " ~ edges ~ " as right_edges "
            ~ "on overrides.right_record = right_edges.record_key "
            ~ "where overrides.link = 'cannot' and left_edges.node = left_edges.hub_node "
            ~ "and right_edges.node = right_edges.hub_node") -%}
        {%- do run_query(
            "create or replace temporary table cut_manual as "
            ~ "select node_a, node_b from " ~ links
            ~ " where is_manual and node_b in (select node from cut_nodes)") -%}
        {%- do connected_components("cut_manual") -%}
        {%- do run_query(
            "create or replace temporary table cut_joined as "
            ~ "select node, label as part from component_labels") -%}
    {%- endif -%}
{%- endmacro %}
