{#
    Grain: one row per identifier. Only a conducting identifier joins records; one that is nobody's
    (identity.blocked), that is shared (identity.sharing) or that only test records hold does not.
    A sighting that ended valid_days of the seed identity_rules before the identifier's last one,
    or before it was released from sharing, joins no more: the number may be another's now.
    Nothing has to be computed again for that only because a day went by.
    What counts towards a limit per customer has a holder. That of an account or a card is the
    first name on it: two accounts of one name are one person who forgot the first, two names on
    two accounts are two people, whatever they share.
    An increment judges again what is on a record that was seen again.
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

blocked as (

    select * from {{ ref('identity_blocked') }}

),

sharing as (

    select * from {{ ref('identity_sharing') }}

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

touched_sightings as (

    select sightings.*
    from sightings
    semi join touched
        on sightings.id_type = touched.id_type and sightings.id_value = touched.id_value

),
{%- else -%}
touched_sightings as (

    select * from sightings

),
{%- endif %}

identifiers as (

    select
        id_type,
        id_value,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at,
        min(delivered_on) as delivered_on
    from touched_sightings
    group by id_type, id_value

),

real_sightings as (

    select touched_sightings.*
    from touched_sightings
    anti join tests on touched_sightings.record_key = tests.record_key

),

really_seen as (

    select
        id_type,
        id_value,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at,
        min(last_seen_at) as last_seen_first_at,
        min(delivered_on) as delivered_on,
        count(*) as record_count
    from real_sightings
    group by id_type, id_value

),

expiries as (

    select
        really_seen.id_type,
        really_seen.id_value,
        really_seen.last_seen_at - to_days(rules.valid_days) as expired_until,
        sharing.released_at
    from really_seen
    inner join rules on really_seen.id_type = rules.id_type
    left join sharing
        on
            really_seen.id_type = sharing.id_type
            and really_seen.id_value = sharing.id_value
    where
        really_seen.last_seen_first_at <= really_seen.last_seen_at - to_days(rules.valid_days)
        or really_seen.last_seen_first_at < sharing.released_at

),

expired as (

    select
        real_sightings.id_type,
        real_sightings.id_value,
        min(real_sightings.last_seen_at) as conducts_since
    from real_sightings
    inner join expiries
        on
            real_sightings.id_type = expiries.id_type
            and real_sightings.id_value = expiries.id_value
    where
        coalesce(real_sightings.last_seen_at > expiries.expired_until, true)
        and coalesce(real_sightings.last_seen_at >= expiries.released_at, true)
    group by real_sightings.id_type, real_sightings.id_value

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
        blocked.reason as blocked_reason,
        sharing.shared_since is not null and sharing.released_at is null as is_shared,
        'seen with ' || sharing.account_count || ' accounts, ' || sharing.card_count
        || ' cards, ' || sharing.email_count || ' e-mails' as shared_reason,
        expired.conducts_since
    from identifiers
    inner join rules on identifiers.id_type = rules.id_type
    left join really_seen
        on
            identifiers.id_type = really_seen.id_type
            and identifiers.id_value = really_seen.id_value
    left join blocked
        on identifiers.id_type = blocked.id_type and identifiers.id_value = blocked.id_value
    left join sharing
        on identifiers.id_type = sharing.id_type and identifiers.id_value = sharing.id_value
    left join expired
        on identifiers.id_type = expired.id_type and identifiers.id_value = expired.id_value
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
            when is_shared then 'shared'
            else 'conducting'
        end as status,
        case
            when record_count = 0 then 'seen on test records only'
            when blocked_reason is not null then blocked_reason
            when is_shared then shared_reason
        end as reason,
        case
            when record_count > 0 and blocked_reason is null and not is_shared
                then conducts_since
        end as conducts_since,
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
        arrived.conducts_since,
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
            and arrived.conducts_since is not distinct from standing.conducts_since
            and arrived.holder is not distinct from standing.holder
            and arrived.delivered_on = standing.delivered_on
            and arrived.first_seen_at = standing.first_seen_at

)

select * from final
