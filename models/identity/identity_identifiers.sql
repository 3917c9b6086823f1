{#
    Grain: one row per identifier. Only a conducting identifier joins records. One that the seed
    blocked_identifiers matches is nobody's; one that was seen with more accounts, cards or
    e-mails than the seed identity_rules allows (a kiosk, a shop's phone) is shared; one that only
    test records hold is a test.
    What counts towards a limit per customer has a holder. That of an account or a card is the
    first name on it: two accounts of one name are one person who forgot the first, two names on
    two accounts are two people, whatever they share.
    An increment judges again what is on a record that was seen again: its company may be larger.
#}
{{ config(unique_key='node') }}

with sightings as (

    select * from {{ ref('entity_identifier_sightings') }}

),

profiles as (

    select * from {{ ref('entity_profiles') }}

),

tests as (

    select record_key from profiles where is_test

),

named as (

    select
        record_key,
        translate(lower(strip_accents(split_part(trim(first_name), ' ', 1))), 'łøđ', 'lod')
            as given_name
    from profiles
    where trim(first_name) <> ''

),

rules as (

    select * from {{ ref('identity_rules') }}

),

blocked_values as (

    select * from {{ ref('blocked_identifiers') }}

),

{% if is_incremental() -%}
touched_records as (

    select record_key from sightings where {{ newly_loaded() }}
    union
    select record_key from profiles where {{ newly_loaded() }}

),

touched as (

    select
        sightings.id_type,
        sightings.id_value
    from sightings
    semi join touched_records on sightings.record_key = touched_records.record_key
    group by sightings.id_type, sightings.id_value

),

near_records as (

    select sightings.record_key
    from sightings
    semi join touched
        on sightings.id_type = touched.id_type and sightings.id_value = touched.id_value
    group by sightings.record_key

),

near_sightings as (

    select sightings.*
    from sightings
    semi join near_records on sightings.record_key = near_records.record_key

),
{%- else -%}
near_sightings as (

    select * from sightings

),

touched as (

    select
        id_type,
        id_value
    from sightings
    group by id_type, id_value

),
{%- endif %}

real_sightings as (

    select near_sightings.*
    from near_sightings
    anti join tests on near_sightings.record_key = tests.record_key

),

identifiers as (

    select
        near_sightings.id_type,
        near_sightings.id_value,
        min(near_sightings.first_seen_at) as first_seen_at,
        max(near_sightings.last_seen_at) as last_seen_at,
        min(near_sightings.delivered_on) as delivered_on
    from near_sightings
    semi join touched
        on
            near_sightings.id_type = touched.id_type
            and near_sightings.id_value = touched.id_value
    group by near_sightings.id_type, near_sightings.id_value

),

really_seen as (

    select
        id_type,
        id_value,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at,
        min(delivered_on) as delivered_on,
        count(*) as record_count
    from real_sightings
    group by id_type, id_value

),

values_near as (

    select
        id_type,
        id_value
    from near_sightings
    group by id_type, id_value

),

value_parts as (

    select
        id_type,
        id_value,
        'local_part' as part,
        split_part(id_value, '@', 1) as value
    from values_near
    where id_type = 'email'
    union all
    select
        id_type,
        id_value,
        'domain' as part,
        split_part(id_value, '@', 2) as value
    from values_near
    where id_type = 'email'

),

blocked_matches as (

    select
        value_parts.id_type,
        value_parts.id_value,
        blocked_values.reason
    from value_parts
    inner join blocked_values
        on
            value_parts.id_type = blocked_values.id_type
            and value_parts.part = blocked_values.part
            and value_parts.value = blocked_values.value
    union all
    select
        values_near.id_type,
        values_near.id_value,
        blocked_values.reason
    from values_near
    inner join blocked_values
        on
            values_near.id_type = blocked_values.id_type
            and blocked_values.part = 'pattern'
            and regexp_matches(values_near.id_value, blocked_values.value)

),

blocked as (

    select
        id_type,
        id_value,
        min(reason) as reason
    from blocked_matches
    group by id_type, id_value

),

strong_sightings as (

    select real_sightings.*
    from real_sightings
    anti join blocked
        on
            real_sightings.id_type = blocked.id_type
            and real_sightings.id_value = blocked.id_value
    where real_sightings.id_type in ('account', 'card', 'email')

),

company as (

    select
        weak.id_type,
        weak.id_value,
        count(distinct case when strong.id_type = 'account' then strong.id_value end)
            as account_count,
        count(distinct case when strong.id_type = 'card' then strong.id_value end) as card_count,
        count(distinct case when strong.id_type = 'email' then strong.id_value end)
            as email_count
    from real_sightings as weak
    inner join strong_sightings as strong on weak.record_key = strong.record_key
    inner join rules on weak.id_type = rules.id_type
    where coalesce(rules.max_accounts, rules.max_cards, rules.max_emails) is not null
    group by weak.id_type, weak.id_value

),

judged as (

    select
        identifiers.id_type,
        identifiers.id_value,
        {{ keyed_hash("identifiers.id_type || ':' || identifiers.id_value") }} as id_key,
        rules.tier,
        case
            when rules.max_holders is null then null
            when rules.own_entity is null then rules.id_type
            else rules.id_type || ' of ' || split_part(identifiers.id_value, ':', 1)
        end as limited_as,
        {{ keyed_hash("'holder:' || named.given_name") }} as holder_key,
        coalesce(really_seen.first_seen_at, identifiers.first_seen_at) as first_seen_at,
        coalesce(really_seen.last_seen_at, identifiers.last_seen_at) as last_seen_at,
        coalesce(really_seen.delivered_on, identifiers.delivered_on) as delivered_on,
        coalesce(really_seen.record_count, 0) as record_count,
        coalesce(company.account_count, 0) as account_count,
        coalesce(company.card_count, 0) as card_count,
        coalesce(company.email_count, 0) as email_count,
        blocked.reason as blocked_reason,
        coalesce(
            company.account_count > rules.max_accounts
            or company.card_count > rules.max_cards
            or company.email_count > rules.max_emails,
            false
        ) as is_over_limit
    from identifiers
    inner join rules on identifiers.id_type = rules.id_type
    left join really_seen
        on
            identifiers.id_type = really_seen.id_type
            and identifiers.id_value = really_seen.id_value
    left join company
        on identifiers.id_type = company.id_type and identifiers.id_value = company.id_value
    left join blocked
        on identifiers.id_type = blocked.id_type and identifiers.id_value = blocked.id_value
    left join named
        on
            regexp_replace(identifiers.id_value, ':', ':' || rules.own_entity || ':')
            = named.record_key

),

arrived as (

    select
        {{ node_of('id_key') }} as node,
        id_key,
        id_type,
        id_value,
        tier,
        case
            when record_count = 0 then 'test'
            when blocked_reason is not null then 'blocked'
            when is_over_limit then 'shared'
            else 'conducting'
        end as status,
        case
            when record_count = 0 then 'seen on test records only'
            when blocked_reason is not null then blocked_reason
            when is_over_limit then
                'seen with ' || account_count || ' accounts, ' || card_count || ' cards, '
                || email_count || ' e-mails'
        end as reason,
        limited_as,
        case
            when limited_as is not null
                then {{ node_of("coalesce(holder_key, id_key)") }}
        end as holder,
        first_seen_at,
        last_seen_at,
        delivered_on,
        record_count,
        {{ this_load() }} as load_id,
        {{ this_load() }} as seen_load_id
    from judged

),

standing as (

    {{ standing_rows('arrived') }}

),

final as (

    select
        arrived.node,
        arrived.id_key,
        arrived.id_type,
        arrived.id_value,
        arrived.tier,
        arrived.status,
        arrived.reason,
        arrived.limited_as,
        arrived.holder,
        arrived.first_seen_at,
        arrived.last_seen_at,
        arrived.delivered_on,
        arrived.record_count,
        coalesce(standing.load_id, arrived.load_id) as load_id,
        arrived.seen_load_id
    from arrived
    left join standing
        on
            arrived.node = standing.node
            and arrived.status = standing.status
            and arrived.holder is not distinct from standing.holder
            and arrived.delivered_on = standing.delivered_on
            and arrived.first_seen_at = standing.first_seen_at

)

select * from final
