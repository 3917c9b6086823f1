{#
    A night in which identity goes wrong must not reach readers: an identifier that everybody
    types joins strangers, a changed rule splits families. A failing row is what this build did
    beyond its bounds, and how often:
    - monster: customers who came to more identifiers than identity_max_identifiers, devices and
      cookies left out: a browser that forgets makes a new one every week.
    - merged, moved or closed: more than identity_max_changed_percent of the customers whom
      readers know, and at least 100, lost their id or went to somebody else; those who were
      erased are not counted.
    When it was meant, let it pass: make build ACCEPT=yes.
#}
{{ config(meta={'dagster': {'ref': {'name': 'identity_changes'}}}) }}

with changes as (

    select * from {{ ref('identity_changes') }} where other_node is null

),

clusters as (

    select * from {{ ref('identity_clusters') }} where customer_id is not null

),

log as (

    select * from {{ source('registry', 'identity_log') }}

),

erased as (

    select * from {{ source('registry', 'erased_customers') }}

),

known as (

    select count(distinct to_customer_id) as customer_count from log

),

person_nodes as (

    select identifiers.node
    from {{ ref('identity_identifiers') }} as identifiers
    inner join {{ ref('identity_rules') }} as rules on identifiers.id_type = rules.id_type
    where rules.is_person

),

arrivals as (

    select
        changes.to_customer_id as customer_id,
        count(*) as identifier_count
    from changes
    semi join person_nodes on changes.node = person_nodes.node
    where changes.to_customer_id is not null
    group by changes.to_customer_id

),

sizes as (

    select
        clusters.customer_id,
        count(*) as identifier_count
    from clusters
    semi join arrivals on clusters.customer_id = arrivals.customer_id
    semi join person_nodes on clusters.node = person_nodes.node
    group by clusters.customer_id

),

monsters as (

    select sizes.customer_id
    from sizes
    inner join arrivals on sizes.customer_id = arrivals.customer_id
    where
        sizes.identifier_count > {{ var("identity_max_identifiers") }}
        and sizes.identifier_count - arrivals.identifier_count
        <= {{ var("identity_max_identifiers") }}

),

moved as (

    select count(distinct from_customer_id) as customer_count
    from changes
    anti join erased on changes.from_customer_id = erased.customer_id
    where from_customer_id is distinct from to_customer_id

),

problems as (

    select
        'monster' as problem,
        count(*) as customer_count
    from monsters
    union all
    select
        'merged, moved or closed' as problem,
        moved.customer_count
    from moved
    cross join known
    where
        moved.customer_count >= 100
        and moved.customer_count
        > known.customer_count * {{ var("identity_max_changed_percent") }} / 100.0

)

select
    problem,
    customer_count
from problems
where customer_count > 0 and not {{ var("accept_identity_changes") }}
