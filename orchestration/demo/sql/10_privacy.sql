-- Consents and requests to be forgotten.

-- Given with the newsletter, taken back on leaving it.
create table demo_mail.consent_events as
with decided as (
    select
        contacts.contact_no, contacts.n, contacts.brand_no, contacts.is_clean,
        1 as step, contacts.created_at as done_at, 'email' as channel, 'granted' as decision
    from contacts
    where contacts.has_subscribed
    union all
    select
        contacts.contact_no, contacts.n, contacts.brand_no, contacts.is_clean,
        2 as step, contacts.created_at as done_at, 'sms' as channel, 'granted' as decision
    from contacts
    inner join identifiers on contacts.n = identifiers.n
    where contacts.has_subscribed and identifiers.contact_phone is not null
    union all
    select
        contacts.contact_no, contacts.n, contacts.brand_no, contacts.is_clean,
        3 as step, departures.left_at as done_at, 'email' as channel, 'withdrawn' as decision
    from departures
    inner join contacts on departures.contact_no = contacts.contact_no
)

select
    'CM-' || (decided.contact_no * 4 + decided.step) as event_id,
    brands.brand_id,
    decided.done_at as occurred_at,
    'marketing' as purpose,
    decided.channel,
    decided.decision,
    null::varchar as account_id,
    null::varchar as card_id,
    contact_id(decided.contact_no) as contact_id,
    identifiers.contact_email as email,
    null::varchar as phone,
    case when decided.done_at < getvariable('until') - 400 then '2024-05' else '2025-05' end
        as text_version,
    late_file(decided.done_at, decided.contact_no * 4 + decided.step, decided.is_clean)
        as delivered_on
from decided
inner join brands on decided.brand_no = brands.brand_no
inner join identifiers on decided.n = identifiers.n
order by decided.done_at, decided.contact_no, decided.step;

-- Decided in the preference centre of the shop.
create table demo_privacy.consent_events as
with holders as (
    select accounts.n, accounts.created_at, identifiers.brand_no, identifiers.is_clean
    from accounts
    inner join identifiers on accounts.n = identifiers.n
    where accounts.account_no = 0 and identifiers.persona is distinct from 'new_buyer'
),

granted as (
    select *, 1 as step, 'profiling' as purpose, created_at + interval 30 seconds as done_at
    from holders
    where u(n, 'profiling') < 0.55
    union all
    select *, 2 as step, 'ad_audiences' as purpose, created_at + interval 31 seconds as done_at
    from holders
    where u(n, 'ads') < 0.4
),

decided as (
    select n, brand_no, is_clean, step, purpose, done_at, 'granted' as decision
    from granted
    union all
    select
        n,
        brand_no,
        is_clean,
        step + 2 as step,
        purpose,
        done_at + to_seconds(
            (u(n * 4 + step, 'until') * epoch(the_end() - done_at))::bigint
        ) as done_at,
        'withdrawn' as decision
    from granted
    where not is_clean and u(n * 4 + step, 'withdrawn') < 0.07
)

select
    'CP-' || (decided.n * 8 + decided.step) as event_id,
    brands.brand_id,
    decided.done_at as occurred_at,
    decided.purpose,
    'all' as channel,
    decided.decision,
    account_id(decided.n, 0) as account_id,
    null::varchar as card_id,
    null::varchar as contact_id,
    null::varchar as email,
    null::varchar as phone,
    '2025-01' as text_version,
    late_file(decided.done_at, decided.n * 8 + decided.step, decided.is_clean) as delivered_on
from decided
inner join brands on decided.brand_no = brands.brand_no
order by decided.done_at, decided.n, decided.step;

-- A few ask to be forgotten, by account, card or e-mail address.
create table erasures as
with asking as (
    select n, row_number() over (order by u(n, 'asks'), n) as place
    from persons
    where not is_clean and has_account and has_card and has_contact
)

select
    asking.n,
    asking.place,
    case when asking.place = 1
        then getvariable('until') + interval 9 hours
        else getvariable('until') - (5 + pick(asking.n, 'asked', 200))::integer + interval 9 hours
    end as done_at
from asking
where asking.place <= greatest(3, getvariable('persons') // 2000);

create table demo_privacy.erasure_requests as
select
    'ER-' || erasures.place as request_id,
    erasures.done_at as requested_at,
    case when erasures.place % 3 = 0 then account_id(erasures.n, 0) end as account_id,
    case when erasures.place % 3 = 1 then card_id(erasures.n) end as card_id,
    case when erasures.place % 3 = 2 then identifiers.email end as email,
    null::varchar as phone,
    day_file(erasures.done_at) as delivered_on
from erasures
inner join identifiers on erasures.n = identifiers.n
order by erasures.done_at, erasures.place;
