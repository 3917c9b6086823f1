{#
    What refused_edges needs to know of the pairs that are to be linked. Customers stand for their
    founders, and hold together what their identifiers hold. They are apart where a person or the
    identity itself said so, and where the model found that they differ. Run as a pre-hook before
    it; leaves the temporary tables link_edges, link_limits, link_apart and link_joined.
    Args: predictions, of the model; identifiers, clusters, decisions, refused_merges, the
    relations of identity; rules, the seed.
#}
{% macro links_to_judge(predictions, identifiers, clusters, decisions, refused_merges, rules) -%}
    {%- if execute -%}
        {%- do run_query(
            "create or replace temporary table link_pairs as "
            ~ "select end_a.founder_node as node_a, end_b.founder_node as node_b, "
            ~ "predictions.decision, predictions.reason, predictions.link_weight, "
            ~ "predictions.id_a, predictions.id_b from " ~ predictions ~ " as predictions "
            ~ "inner join " ~ clusters ~ " as end_a on predictions.id_a = end_a.customer_id "
            ~ "and end_a.node = end_a.founder_node "
            ~ "inner join " ~ clusters ~ " as end_b on predictions.id_b = end_b.customer_id "
            ~ "and end_b.node = end_b.founder_node") -%}
        {%- do run_query(
            "create or replace temporary table link_edges as "
            ~ "select node_a, node_b, row_number() over ("
            ~ "order by link_weight desc, node_a, node_b) as rank "
            ~ "from link_pairs where decision = 'linked'") -%}
        {%- do run_query(
            "create or replace temporary table link_limits as "
            ~ "select distinct clusters.founder_node as node, identifiers.limited_as as rule, "
            ~ "identifiers.holder, rules.max_holders as most from " ~ clusters ~ " as clusters "
            ~ "semi join (select node_a as node from link_edges union "
            ~ "select node_b from link_edges) as ends on clusters.founder_node = ends.node "
            ~ "inner join " ~ identifiers ~ " as identifiers on clusters.node = identifiers.node "
            ~ "inner join " ~ rules ~ " as rules on identifiers.id_type = rules.id_type "
            ~ "where identifiers.limited_as is not null") -%}
        {%- do run_query(
            "create or replace temporary table link_apart as "
            ~ "with said as (select node_a, node_b, 'kept apart by a person' as rule from "
            ~ decisions ~ " where link = 'cannot' union all "
            ~ "select node_a, node_b, 'refused by identity' from " ~ refused_merges ~ "), "
            ~ "apart as (select end_a.founder_node as node_a, end_b.founder_node as node_b, "
            ~ "said.rule from said "
            ~ "inner join " ~ clusters ~ " as end_a on said.node_a = end_a.node "
            ~ "inner join " ~ clusters ~ " as end_b on said.node_b = end_b.node union all "
            ~ "select node_a, node_b, reason from link_pairs where decision = 'refused') "
            ~ "select least(node_a, node_b) as node_a, greatest(node_a, node_b) as node_b, "
            ~ "min(rule) as rule from apart group by all") -%}
        {%- do run_query(
            "create or replace temporary table link_joined (node bigint, part bigint)") -%}
    {%- endif -%}
{%- endmacro %}
