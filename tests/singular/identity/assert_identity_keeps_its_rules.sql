{#
    Who is one person follows from the rules, and from nothing else. A failing row is a rule with
    the number of identifiers or records that break it:
    - over its limit: an identifier joins records although it was seen with more accounts, cards
      or e-mails than seeds/identity_rules.csv allows.
    - not in one customer: an identifier that joins records belongs to several customers, or to
      none although it is more than a cookie.
    - visitor as a customer: a customer is known by cookies alone.
    - record of several customers: the identifiers that a record holds belong to different ones.
    - record of another customer: a record is given to a customer whom none of them belongs to.
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
        or customer_id in (select customer_id from changed_customers)

),

sightings as (

    select
        sightings.record_key,
        sightings.id_type,
        sightings.id_value,
        identifiers.status,
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
        and conducting.id_type in ('email', 'phone', 'cookie')
        and beside.status <> 'blocked'
    group by conducting.id_type, conducting.id_value

),

held as (

    select
        record_key,
        min(customer_id) as lowest_customer_id,
        max(customer_id) as highest_customer_id
    from sightings
    where status = 'conducting'
    group by record_key

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
    select 'not in one customer' as problem
    from identifiers
    left join clusters on identifiers.node = clusters.node
    where identifiers.status = 'conducting'
    group by identifiers.node
    having
        count(clusters.customer_id) > 1
        or (count(clusters.customer_id) = 0 and min(identifiers.id_type) <> 'cookie')
    union all
    select 'visitor as a customer' as problem
    from clusters
    inner join identifiers on clusters.node = identifiers.node
    where clusters.customer_id is not null
    group by clusters.customer_id
    having bool_and(identifiers.id_type = 'cookie')
    union all
    select 'record of several customers' as problem
    from held
    where lowest_customer_id <> highest_customer_id
    union all
    select 'record of another customer' as problem
    from records
    inner join held on records.record_key = held.record_key
    where records.customer_id is distinct from held.lowest_customer_id

)

select
    problem,
    count(*) as problem_count
from problems
group by problem
