{#
    The links between customers, who stand for their founders. Run as a pre-hook; leaves the
    temporary table link_ties(node_a, node_b).
    Args: scored_pairs, clusters, relations.
#}
{% macro link_ties(scored_pairs, clusters) -%}
    {%- if execute -%}
        {%- do run_query(
            "create or replace temporary table link_ties as "
            ~ "select end_a.founder_node as node_a, end_b.founder_node as node_b from "
            ~ scored_pairs ~ " as pairs "
            ~ "inner join " ~ clusters ~ " as end_a on pairs.customer_id_a = end_a.customer_id "
            ~ "and end_a.node = end_a.founder_node "
            ~ "inner join " ~ clusters ~ " as end_b on pairs.customer_id_b = end_b.customer_id "
            ~ "and end_b.node = end_b.founder_node where pairs.decision = 'linked'") -%}
    {%- endif -%}
{%- endmacro %}
