{#
    Who is one person follows from the rules, and from nothing else. A failing row is a rule with
    the number of identifiers or records that break it:
    - over its limit: an identifier joins records although it was seen with more accounts, cards
      or e-mails than seeds/identity_rules.csv allows.
    - in no customer: an identifier that joins records belongs to none, although it is more than a
      device.
    - visitor as a customer: a customer is known by devices alone.
    - tied, but of several customers: a record ties two identifiers, nothing refused to join them,
      and they belong to different customers.
    - record of another customer: a record is given to another customer than its hub.
    - too much for a customer: a customer holds more than max_holders allows, and no decision of a
      person joined that.
    - kept apart, but joined: two records that seeds/identity_overrides keeps apart are of one
      customer.
    - must be one, but are two: two records that the seed joins are of different customers, since
      it keeps apart what it joins over others.
    Records are looked at whose customer gained or lost something since the last test: all records
    of an identifier that joins are of one customer, so nothing outside them can break a rule.
#}
{{ config(meta={'dagster': {'ref': {'name': 'identity_records'}}}) }}

with identifiers as (

    select * from {{ ref('identity_identifiers') }}

),

clusters as (

    select * from {{ ref('identity_clusters') }}

),

records as (

    select * from {{ ref('identity_records') }}

),

rules as (

    select * from {{ ref('identity_rules') }}

),

tests as (

    select record_key from {{ ref('entity_profiles') }} where is_test

),

changed_customers as (

    select customer_id from clusters where {{ untested() }}
    union
    select customer_id from records where {{ untested() }}

),

changed_records as (

    select record_key
    from records
    where
        {{ untested() }}
        or customer_id in (select changed.customer_id from changed_customers as changed)

),

sightings as (

    select
        sightings.record_key,
        sightings.id_type,
        sightings.id_value,
        sightings.last_seen_at,
        identifiers.status,
        identifiers.conducts_since,
        clusters.customer_id
    from {{ ref('entity_identifier_sightings') }} as sightings
    inner join identifiers
        on sightings.id_type = identifiers.id_type and sightings.id_value = identifiers.id_value
    semi join changed_records on sightings.record_key = changed_records.record_key
    left join clusters on identifiers.node = clusters.node
    anti join tests on sightings.record_key = tests.record_key

),

company as (

    select
        conducting.id_type,
        conducting.id_value,
        count(distinct case when beside.id_type = 'account' then beside.id_value end)
            as account_count,
        count(distinct case when beside.id_type = 'card' then beside.id_value end) as card_count,
        count(distinct case when beside.id_type = 'email' then beside.id_value end)
            as email_count
    from sightings as conducting
    inner join sightings as beside on conducting.record_key = beside.record_key
    where
        conducting.status = 'conducting'
        and coalesce(conducting.last_seen_at >= conducting.conducts_since, true)
        and beside.status <> 'blocked'
    group by conducting.id_type, conducting.id_value

),

ties as (

    select
        edges.hub_node as node_a,
        edges.node as node_b
    from {{ ref('identity_edges') }} as edges
    semi join changed_records on edges.record_key = changed_records.record_key
    anti join {{ ref('identity_refused_merges') }} as refused
        on
            least(edges.hub_node, edges.node) = refused.node_a
            and greatest(edges.hub_node, edges.node) = refused.node_b
    where edges.hub_node is not null

),

hubs as (

    select
        edges.record_key,
        clusters.customer_id
    from {{ ref('identity_edges') }} as edges
    inner join clusters on edges.hub_node = clusters.node
    semi join changed_records on edges.record_key = changed_records.record_key
    where edges.node = edges.hub_node

),

holders as (

    select
        clusters.customer_id,
        identifiers.limited_as,
        rules.max_holders,
        count(distinct identifiers.holder) as holder_count
    from clusters
    inner join identifiers on clusters.node = identifiers.node
    inner join rules on identifiers.id_type = rules.id_type
    semi join changed_customers on clusters.customer_id = changed_customers.customer_id
    where identifiers.limited_as is not null
    group by all

),

joined_by_hand as (

    select clusters.customer_id
    from {{ ref('identity_decisions') }} as decisions
    inner join clusters on decisions.node_a = clusters.node
    where decisions.link = 'must'

),

decided as (

    select
        overrides.link,
        left_records.customer_id as left_customer_id,
        right_records.customer_id as right_customer_id
    from {{ ref('identity_overrides') }} as overrides
    inner join records as left_records on overrides.left_record = left_records.record_key
    inner join records as right_records on overrides.right_record = right_records.record_key

),

problems as (

    select 'over its limit' as problem
    from company
    inner join rules on company.id_type = rules.id_type
    where
        company.account_count > rules.max_accounts
        or company.card_count > rules.max_cards
        or company.email_count > rules.max_emails
    union all
    select 'in no customer' as problem
    from identifiers
    inner join rules on identifiers.id_type = rules.id_type
    left join clusters on identifiers.node = clusters.node
    where
        identifiers.status = 'conducting'
        and rules.is_person
        and clusters.customer_id is null
    union all
    select 'visitor as a customer' as problem
    from clusters
    inner join identifiers on clusters.node = identifiers.node
    inner join rules on identifiers.id_type = rules.id_type
    semi join changed_customers on clusters.customer_id = changed_customers.customer_id
    group by clusters.customer_id
    having not bool_or(rules.is_person)
    union all
    select 'tied, but of several customers' as problem
    from ties
    inner join clusters as end_a on ties.node_a = end_a.node
    inner join clusters as end_b on ties.node_b = end_b.node
    where end_a.customer_id is distinct from end_b.customer_id
    union all
    select 'record of another customer' as problem
    from records
    inner join hubs on records.record_key = hubs.record_key
    where records.customer_id is distinct from hubs.customer_id
    union all
    select 'too much for a customer' as problem
    from holders
    anti join joined_by_hand on holders.customer_id = joined_by_hand.customer_id
    where holders.holder_count > holders.max_holders
    union all
    select 'kept apart, but joined' as problem
    from decided
    where link = 'cannot' and left_customer_id = right_customer_id
    union all
    select 'must be one, but are two' as problem
    from decided
    where link = 'must' and left_customer_id is distinct from right_customer_id

)

select
    problem,
    count(*) as problem_count
from problems
group by problem
