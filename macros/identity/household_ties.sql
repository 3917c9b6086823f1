{#
    What holds households together: an identifier that a few customers share without being one.
    Customers stand for their founders. An identifier of more customers than max_household is a
    shop's, not a home's. A merge that was refused is no evidence: most of them are numbers that
    went to a stranger.
    Run as a pre-hook; leaves the temporary tables household_evidence(founder_node, node, evidence)
    and household_ties(node_a, node_b).
    Args: identifiers, edges, clusters, the relations of the graph; rules, the seed.
#}
{% macro household_ties(identifiers, edges, clusters, rules) -%}
    {%- if execute -%}
        {%- do run_query(
            "create or replace temporary table household_shared as "
            ~ "select identifiers.node, identifiers.id_type, rules.max_household from "
            ~ identifiers ~ " as identifiers inner join " ~ rules ~ " as rules "
            ~ "on identifiers.id_type = rules.id_type where identifiers.status = 'shared' "
            ~ "and rules.max_household is not null") -%}
        {%- do run_query(
            "create or replace temporary table household_records as "
            ~ "select distinct record_key, node from " ~ edges
            ~ " semi join household_shared using (node)") -%}
        {%- do run_query(
            "create or replace temporary table household_evidence as "
            ~ "with holders as (select distinct household_records.node, clusters.founder_node "
            ~ "from household_records inner join " ~ edges ~ " as edges "
            ~ "on household_records.record_key = edges.record_key "
            ~ "and edges.node = edges.hub_node inner join " ~ clusters ~ " as clusters "
            ~ "on edges.hub_node = clusters.node where clusters.customer_id is not null) "
            ~ "select holders.founder_node, holders.node, 'shared ' || id_type as evidence "
            ~ "from holders inner join household_shared using (node) "
            ~ "qualify count(*) over (partition by holders.node) between 2 and max_household") -%}
        {%- do run_query(
            "create or replace temporary table household_ties as "
            ~ "select founder_node as node_a, node as node_b from household_evidence") -%}
    {%- endif -%}
{%- endmacro %}
