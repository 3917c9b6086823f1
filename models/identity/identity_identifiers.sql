{#
    Grain: one row per identifier. Only a conducting identifier joins records. One that the seed
    blocked_identifiers matches is nobody's; one that was seen with more accounts, cards or
    e-mails than the seed identity_rules allows (a kiosk, a shop's phone) is shared.
    node orders identifiers by delivery, then by first sight: the lowest of a customer is the
    founder, so that what is delivered later never renames a customer.
#}
with sightings as (

    select * from {{ ref('entity_identifier_sightings') }}

),

tests as (

    select record_key from {{ ref('entity_profiles') }} where is_test

),

rules as (

    select * from {{ ref('identity_rules') }}

),

blocked_patterns as (

    select * from {{ ref('blocked_identifiers') }}

),

real_sightings as (

    select sightings.*
    from sightings
    anti join tests on sightings.record_key = tests.record_key

),

identifiers as (

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

blocked as (

    select
        identifiers.id_type,
        identifiers.id_value,
        min(blocked_patterns.reason) as reason
    from identifiers
    inner join blocked_patterns
        on
            identifiers.id_type = blocked_patterns.id_type
            and regexp_matches(identifiers.id_value, blocked_patterns.pattern)
    group by identifiers.id_type, identifiers.id_value

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
    where weak.id_type in ('email', 'phone', 'cookie')
    group by weak.id_type, weak.id_value

),

judged as (

    select
        identifiers.*,
        rules.tier,
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
    left join company
        on identifiers.id_type = company.id_type and identifiers.id_value = company.id_value
    left join blocked
        on identifiers.id_type = blocked.id_type and identifiers.id_value = blocked.id_value

),

final as (

    select
        row_number() over (
            order by delivered_on, first_seen_at, tier, id_type, id_value
        ) as node,
        {{ keyed_hash("id_type || ':' || id_value") }} as id_key,
        id_type,
        id_value,
        tier,
        case
            when blocked_reason is not null then 'blocked'
            when is_over_limit then 'shared'
            else 'conducting'
        end as status,
        case
            when blocked_reason is not null then blocked_reason
            when is_over_limit then
                'seen with ' || account_count || ' accounts, ' || card_count || ' cards, '
                || email_count || ' e-mails'
        end as reason,
        first_seen_at,
        last_seen_at,
        delivered_on,
        record_count
    from judged

)

select * from final
