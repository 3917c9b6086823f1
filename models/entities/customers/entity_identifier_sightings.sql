{#
    Grain: one row per source record and identifier that was ever seen on it, old versions of
    the record included: an address that was changed still tells whose record it is.
    An order or a login of an account is a sighting on the record of the account, a receipt one on
    the record of its card, also when no row tells of the account or the card itself; only a
    guest's order is a record of its own. So are cases, notes, registrations, reviews, referrals,
    answers and attributes that name neither account, card nor contact. Any system may tell of
    more identifiers of any record, but nobody of a record that was erased. A record that people
    decided about is an identifier itself: it can be joined or kept apart whatever else it holds.
    Ids of accounts, cards and visitors carry the system that they belong to (seeds/systems): the
    visitor that a shop's order names is the one of its web tool.
#}
{{ config(unique_key=['record_key', 'id_type', 'id_value']) }}

with accounts as (

    select * from {{ ref('stg_shop__accounts') }} where {{ newly_loaded() }}

),

orders as (

    select * from {{ ref('stg_shop__orders') }} where {{ newly_loaded() }} and not is_test

),

loyalty_cards as (

    select * from {{ ref('stg_store__loyalty_cards') }} where {{ newly_loaded() }}

),

receipts as (

    select * from {{ ref('stg_store__receipts') }}
    where {{ newly_loaded() }} and card_id is not null and not is_test

),

contacts as (

    select * from {{ ref('stg_email__contacts') }} where {{ newly_loaded() }}

),

web_events as (

    select * from {{ ref('stg_web__web_events') }}
    where {{ newly_loaded() }} and account_id is not null

),

mentions as (

    select * from {{ ref('entity_mentions') }} where {{ newly_loaded() }}

),

identifiers as (

    select * from {{ ref('stg_identity__identifiers') }} where {{ newly_loaded() }}

),

systems as (

    select * from {{ ref('systems') }}

),

erased as (

    select * from {{ source('registry', 'erased_records') }}

),

overrides as (

    select * from {{ ref('identity_overrides') }}

),

decided as (

    select left_record as record_key from overrides
    union
    select right_record as record_key from overrides

),

logins as (

    select
        coalesce(systems.account_system, web_events.source_system) as account_system,
        web_events.account_id,
        web_events.visitor_id,
        min(web_events.occurred_at) as first_seen_at,
        max(web_events.occurred_at) as last_seen_at,
        min(coalesce(web_events.delivered_on, date '0001-01-01')) as delivered_on,
        max(web_events.load_id) as load_id
    from web_events
    left join systems on web_events.source_system = systems.source_system
    group by all

),

card_uses as (

    select
        coalesce(systems.card_system, receipts.source_system) as card_system,
        receipts.card_id,
        min(receipts.purchased_at) as first_seen_at,
        max(receipts.purchased_at) as last_seen_at,
        min(coalesce(receipts.delivered_on, date '0001-01-01')) as delivered_on,
        max(receipts.load_id) as load_id
    from receipts
    left join systems on receipts.source_system = systems.source_system
    group by all

),

others as (

    select
        source_system,
        record_entity,
        record_id,
        id_type,
        id_value,
        seen_at,
        delivered_on,
        load_id
    from identifiers
    union all
    select
        source_system,
        source_entity as record_entity,
        source_record_id as record_id,
        case mentioned_in when 'cases' then 'case' else 'registration' end as id_type,
        mention_id as id_value,
        seen_at,
        delivered_on,
        load_id
    from mentions
    where mentioned_in in ('cases', 'registrations')

),

evidence as (

    select
        source_system,
        'accounts' as source_entity,
        account_id as source_record_id,
        source_system || ':' || account_id as account,
        cast(null as varchar) as card,
        cast(null as varchar) as contact,
        email,
        phone,
        cast(null as varchar) as cookie,
        version_at as first_seen_at,
        version_at as last_seen_at,
        delivered_on,
        load_id
    from accounts
    union all
    select
        source_system,
        case when account_id is null then 'orders' else 'accounts' end as source_entity,
        coalesce(account_id, order_id) as source_record_id,
        source_system || ':' || account_id as account,
        null as card,
        null as contact,
        email,
        phone,
        source_system || ':' || visitor_id as cookie,
        version_at as first_seen_at,
        version_at as last_seen_at,
        delivered_on,
        load_id
    from orders
    union all
    select
        loyalty_cards.source_system,
        'loyalty_cards' as source_entity,
        loyalty_cards.card_id as source_record_id,
        coalesce(systems.account_system, loyalty_cards.source_system)
        || ':' || loyalty_cards.account_id as account,
        loyalty_cards.source_system || ':' || loyalty_cards.card_id as card,
        null as contact,
        loyalty_cards.email,
        loyalty_cards.phone,
        null as cookie,
        loyalty_cards.version_at as first_seen_at,
        loyalty_cards.version_at as last_seen_at,
        loyalty_cards.delivered_on,
        loyalty_cards.load_id
    from loyalty_cards
    left join systems on loyalty_cards.source_system = systems.source_system
    union all
    select
        contacts.source_system,
        'contacts' as source_entity,
        contacts.contact_id as source_record_id,
        coalesce(systems.account_system, contacts.source_system)
        || ':' || contacts.account_id as account,
        coalesce(systems.card_system, contacts.source_system) || ':' || contacts.card_id as card,
        contacts.source_system || ':' || contacts.contact_id as contact,
        contacts.email,
        contacts.phone,
        null as cookie,
        contacts.version_at as first_seen_at,
        contacts.version_at as last_seen_at,
        contacts.delivered_on,
        contacts.load_id
    from contacts
    left join systems on contacts.source_system = systems.source_system
    union all
    select
        account_system as source_system,
        'accounts' as source_entity,
        account_id as source_record_id,
        account_system || ':' || account_id as account,
        null as card,
        null as contact,
        null as email,
        null as phone,
        account_system || ':' || visitor_id as cookie,
        first_seen_at,
        last_seen_at,
        delivered_on,
        load_id
    from logins
    union all
    select
        card_system as source_system,
        'loyalty_cards' as source_entity,
        card_id as source_record_id,
        null as account,
        card_system || ':' || card_id as card,
        null as contact,
        null as email,
        null as phone,
        null as cookie,
        first_seen_at,
        last_seen_at,
        delivered_on,
        load_id
    from card_uses
    union all
    select
        source_system,
        source_entity,
        source_record_id,
        account,
        card,
        contact,
        email,
        phone,
        null as cookie,
        seen_at as first_seen_at,
        seen_at as last_seen_at,
        delivered_on,
        load_id
    from mentions

),

condensed as (

    select
        source_system || ':' || source_entity || ':' || source_record_id as record_key,
        source_system,
        source_entity,
        source_record_id,
        account,
        card,
        contact,
        {{ email_identifier('email') }} as email,
        phone,
        cookie,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at,
        min(coalesce(delivered_on, date '0001-01-01')) as delivered_on,
        max(load_id) as load_id
    from evidence
    group by all

),

sightings as (

    {% for id_type in ['account', 'card', 'contact', 'email', 'phone', 'cookie'] -%}
    select
        record_key,
        source_system,
        source_entity,
        source_record_id,
        '{{ id_type }}' as id_type,
        {{ id_type }} as id_value,
        first_seen_at,
        last_seen_at,
        delivered_on,
        load_id
    from condensed
    where {{ id_type }} is not null
    union all
    {% endfor -%}
    select
        source_system || ':' || record_entity || ':' || record_id as record_key,
        source_system,
        record_entity as source_entity,
        record_id as source_record_id,
        id_type,
        id_value,
        min(seen_at) as first_seen_at,
        max(seen_at) as last_seen_at,
        min(coalesce(delivered_on, date '0001-01-01')) as delivered_on,
        max(load_id) as load_id
    from others
    group by source_system, record_entity, record_id, id_type, id_value

),

decided_sightings as (

    select
        sightings.record_key,
        sightings.source_system,
        sightings.source_entity,
        sightings.source_record_id,
        'record' as id_type,
        sightings.record_key as id_value,
        min(sightings.first_seen_at) as first_seen_at,
        max(sightings.last_seen_at) as last_seen_at,
        min(sightings.delivered_on) as delivered_on,
        max(sightings.load_id) as load_id
    from sightings
    semi join decided on sightings.record_key = decided.record_key
    group by
        sightings.record_key, sightings.source_system, sightings.source_entity,
        sightings.source_record_id

),

all_sightings as (

    select * from sightings
    union all
    select * from decided_sightings

),

seen as (

    select sightings.*
    from all_sightings as sightings
    anti join erased on {{ erased_record("sightings.record_key") }} = erased.record_hash
    {%- if is_incremental() %}
    union all
    select standing.*
    from {{ this }} as standing
    semi join sightings on standing.record_key = sightings.record_key
    {%- endif %}

),

folded as (

    select
        record_key,
        source_system,
        source_entity,
        source_record_id,
        id_type,
        id_value,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at,
        min(delivered_on) as delivered_on,
        max(load_id) as load_id
    from seen
    group by all

)

select * from folded
