{#
    Grain: one row per identifier that was ever seen with more accounts, cards or e-mails at a time
    than the seed identity_rules allows: a kiosk, a shop's phone. It is shared from then on, until
    its company was at most half of the limit, rounded up: then it is somebody's again.
    A sighting counts as company for valid_days of the seed, without them for ever. Time is that
    of the identifier's own sightings, never the day of the build: a phone that nobody uses does
    not become private, one that a single customer uses for long does. So the verdict follows from
    the sightings alone, in whatever order they were delivered.
    An increment judges again what is on a record that was seen again: its company may be larger,
    or a test, and then a row has to go.
#}
{{ config(
    unique_key=['id_type', 'id_value'],
    post_hook="delete from {{ this }} where shared_since is null"
) }}

with sightings as (

    select * from {{ ref('entity_identifier_sightings') }}

),

tests as (

    select record_key from {{ ref('entity_profiles') }} where is_test

),

rules as (

    select * from {{ ref('identity_rules') }}

),

blocked as (

    select * from {{ ref('identity_blocked') }}

),

{% if is_incremental() -%}
touched_records as (

    select record_key from sightings where {{ newly_loaded() }}
    union
    select record_key from {{ ref('entity_profiles') }} where {{ newly_loaded() }}

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

limited as (

    select
        touched_sightings.record_key,
        touched_sightings.id_type,
        touched_sightings.id_value,
        touched_sightings.first_seen_at,
        touched_sightings.last_seen_at
    from touched_sightings
    inner join rules on touched_sightings.id_type = rules.id_type
    anti join tests on touched_sightings.record_key = tests.record_key
    where coalesce(rules.max_accounts, rules.max_cards, rules.max_emails) is not null

),

companions as (

    select
        limited.id_type,
        limited.id_value,
        beside.id_type as companion_type,
        beside.id_value as companion,
        limited.first_seen_at,
        limited.last_seen_at
    from limited
    inner join sightings as beside on limited.record_key = beside.record_key
    anti join blocked
        on beside.id_type = blocked.id_type and beside.id_value = blocked.id_value
    where beside.id_type in ('account', 'card', 'email')

),

company as (

    select
        id_type,
        id_value,
        count(distinct case when companion_type = 'account' then companion end)
            as account_count,
        count(distinct case when companion_type = 'card' then companion end) as card_count,
        count(distinct case when companion_type = 'email' then companion end) as email_count
    from companions
    group by id_type, id_value

),

crowds as (

    select
        company.id_type,
        company.id_value,
        company.account_count,
        company.card_count,
        company.email_count,
        rules.max_accounts,
        rules.max_cards,
        rules.max_emails,
        rules.valid_days
    from company
    inner join rules on company.id_type = rules.id_type
    where
        company.account_count > rules.max_accounts
        or company.card_count > rules.max_cards
        or company.email_count > rules.max_emails

),

visits as (

    select
        companions.id_type,
        companions.id_value,
        companions.companion_type,
        companions.companion,
        companions.first_seen_at as begins_at,
        companions.last_seen_at + to_days(crowds.valid_days) as ends_at
    from companions
    inner join crowds
        on companions.id_type = crowds.id_type and companions.id_value = crowds.id_value

),

visits_in_order as (

    select
        *,
        max(coalesce(ends_at, timestamp 'infinity')) over (
            partition by id_type, id_value, companion_type, companion
            order by begins_at, ends_at
            rows between unbounded preceding and 1 preceding
        ) as ended_before
    from visits

),

visits_by_stay as (

    select
        *,
        sum(case when ended_before >= begins_at then 0 else 1 end) over (
            partition by id_type, id_value, companion_type, companion
            order by begins_at, ends_at
            rows between unbounded preceding and current row
        ) as stay_number
    from visits_in_order

),

stays as (

    select
        id_type,
        id_value,
        companion_type,
        min(begins_at) as begins_at,
        max(coalesce(ends_at, timestamp 'infinity')) as ends_at
    from visits_by_stay
    group by id_type, id_value, companion_type, companion, stay_number

),

steps as (

    select
        id_type,
        id_value,
        companion_type,
        begins_at as moment,
        1 as added
    from stays
    union all
    select
        id_type,
        id_value,
        companion_type,
        ends_at as moment,
        -1 as added
    from stays

),

moments as (

    select
        id_type,
        id_value,
        moment,
        sum(case when companion_type = 'account' then added else 0 end) as accounts_then,
        sum(case when companion_type = 'card' then added else 0 end) as cards_then,
        sum(case when companion_type = 'email' then added else 0 end) as emails_then
    from steps
    group by id_type, id_value, moment

),

clocks as (

    select
        limited.id_type,
        limited.id_value,
        max(limited.last_seen_at) as last_seen_at
    from limited
    semi join crowds on limited.id_type = crowds.id_type and limited.id_value = crowds.id_value
    group by limited.id_type, limited.id_value

),

counts as (

    select
        moments.id_type,
        moments.id_value,
        moments.moment,
        sum(moments.accounts_then) over own_time as accounts_then,
        sum(moments.cards_then) over own_time as cards_then,
        sum(moments.emails_then) over own_time as emails_then
    from moments
    inner join clocks
        on moments.id_type = clocks.id_type and moments.id_value = clocks.id_value
    where moments.moment <= clocks.last_seen_at
    window own_time as (
        partition by moments.id_type, moments.id_value order by moments.moment
    )

),

judged as (

    select
        crowds.*,
        counts.moment,
        coalesce(
            counts.accounts_then > crowds.max_accounts
            or counts.cards_then > crowds.max_cards
            or counts.emails_then > crowds.max_emails,
            false
        ) as is_crowd,
        coalesce(counts.accounts_then <= ceil(crowds.max_accounts / 2), true)
        and coalesce(counts.cards_then <= ceil(crowds.max_cards / 2), true)
        and coalesce(counts.emails_then <= ceil(crowds.max_emails / 2), true) as is_alone
    from crowds
    inner join counts on crowds.id_type = counts.id_type and crowds.id_value = counts.id_value

),

last_crowds as (

    select
        id_type,
        id_value,
        max(case when is_crowd then moment end) as last_crowd_at
    from judged
    group by id_type, id_value

),

verdicts as (

    select
        judged.id_type,
        judged.id_value,
        judged.account_count,
        judged.card_count,
        judged.email_count,
        min(case when judged.is_crowd then judged.moment end) as shared_since,
        min(
            case
                when judged.is_alone and judged.moment > last_crowds.last_crowd_at
                    then judged.moment
            end
        ) as released_at
    from judged
    inner join last_crowds
        on judged.id_type = last_crowds.id_type and judged.id_value = last_crowds.id_value
    where last_crowds.last_crowd_at is not null
    group by all

),

{% if is_incremental() -%}
withdrawn as (

    select
        standing.id_type,
        standing.id_value
    from {{ this }} as standing
    semi join touched
        on standing.id_type = touched.id_type and standing.id_value = touched.id_value
    anti join verdicts
        on standing.id_type = verdicts.id_type and standing.id_value = verdicts.id_value

),
{%- endif %}

final as (

    select
        id_type,
        id_value,
        account_count,
        card_count,
        email_count,
        shared_since,
        released_at,
        {{ this_load() }} as load_id
    from verdicts
    {%- if is_incremental() %}
    union all
    select
        id_type,
        id_value,
        0 as account_count,
        0 as card_count,
        0 as email_count,
        null as shared_since,
        null as released_at,
        {{ this_load() }} as load_id
    from withdrawn
    {%- endif %}

)

select * from final
