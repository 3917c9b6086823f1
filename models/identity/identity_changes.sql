{#
    Grain: one row per identifier that belongs to another customer than the log says, or conducts
    no more, or again; and per pair of identifiers whose merge is refused now and was not, or the
    other way round. What is not in the log conducts and has no customer.
    The end of a build in which everything passed appends these rows to the log
    (macros/identity/keep_identity_log.sql); tests look at them before.
    The large relations have no import CTE: DuckDB writes one that is read twice out in full.
#}
{{ config(
    materialized='table',
    pre_hook="{{ nodes_to_compare(ref('identity_identifiers'), ref('identity_clusters'), "
             "source('registry', 'identity_log')) }}"
) }}
{%- set log = source('registry', 'identity_log') -%}
{%- set clusters = ref('identity_clusters') -%}
{%- set identifiers = ref('identity_identifiers') -%}
{%- set is_anew = is_built_anew(clusters, log) %}

with build as (

    select coalesce(max(build_number), 0) + 1 as build_number
    from {{ log }}

),

refused_merges as (

    select * from {{ ref('identity_refused_merges') }}

),

present as (

    select
        identifiers.node,
        identifiers.status,
        identifiers.reason,
        clusters.customer_id,
        coalesce(clusters.node = clusters.founder_node, false) as is_founder
    from {{ identifiers }} as identifiers
    inner join {{ clusters }} as clusters on identifiers.node = clusters.node
    {% if not is_anew -%}
    semi join nodes_to_compare on identifiers.node = nodes_to_compare.node
    {%- endif %}

),

logged as (

    select
        log.node,
        arg_max(log.status, log.build_number) as status,
        arg_max_null(log.to_customer_id, log.build_number) as to_customer_id
    from {{ log }} as log
    {% if not is_anew -%}
    semi join nodes_to_compare on log.node = nodes_to_compare.node
    {%- endif %}
    where log.other_node is null
    group by log.node

),

moved as (

    select
        present.node,
        cast(null as bigint) as other_node,
        present.status,
        logged.to_customer_id as from_customer_id,
        present.customer_id as to_customer_id,
        present.is_founder,
        present.reason
    from present
    left join logged on present.node = logged.node
    where
        present.customer_id is distinct from logged.to_customer_id
        or present.status <> coalesce(logged.status, 'conducting')

),

gone as (

    select
        logged.node,
        cast(null as bigint) as other_node,
        'gone' as status,
        logged.to_customer_id as from_customer_id,
        cast(null as varchar) as to_customer_id,
        false as is_founder,
        case when logged.node < 0 then 'erased' else 'on no record any more' end as reason
    from logged
    anti join {{ identifiers }} as identifiers on logged.node = identifiers.node
    where logged.status <> 'gone'

),

logged_pairs as (

    select
        node,
        other_node,
        status
    from {{ log }}
    where other_node is not null
    qualify row_number() over (partition by node, other_node order by build_number desc) = 1

),

refused_nodes as (

    select node_a as node from refused_merges
    union
    select node_b as node from refused_merges

),

ends as (

    select
        clusters.node,
        clusters.customer_id
    from {{ clusters }} as clusters
    inner join refused_nodes on clusters.node = refused_nodes.node

),

refused as (

    select
        refused_merges.node_a as node,
        refused_merges.node_b as other_node,
        'refused' as status,
        ends_a.customer_id as from_customer_id,
        ends_b.customer_id as to_customer_id,
        false as is_founder,
        refused_merges.reason
    from refused_merges
    left join ends as ends_a on refused_merges.node_a = ends_a.node
    left join ends as ends_b on refused_merges.node_b = ends_b.node
    left join logged_pairs
        on
            refused_merges.node_a = logged_pairs.node
            and refused_merges.node_b = logged_pairs.other_node
    where coalesce(logged_pairs.status, 'allowed') = 'allowed'

),

allowed as (

    select
        logged_pairs.node,
        logged_pairs.other_node,
        'allowed' as status,
        cast(null as varchar) as from_customer_id,
        cast(null as varchar) as to_customer_id,
        false as is_founder,
        cast(null as varchar) as reason
    from logged_pairs
    anti join refused_merges
        on
            logged_pairs.node = refused_merges.node_a
            and logged_pairs.other_node = refused_merges.node_b
    where logged_pairs.status = 'refused'

),

changes as (

    select * from moved
    union all
    select * from gone
    union all
    select * from refused
    union all
    select * from allowed

),

final as (

    select
        build.build_number,
        {{ as_of() }} as as_of,
        {{ this_load() }} as load_id,
        changes.node,
        changes.other_node,
        changes.status,
        changes.from_customer_id,
        changes.to_customer_id,
        changes.is_founder,
        changes.reason
    from changes
    cross join build

)

select * from final
