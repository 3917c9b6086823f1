-- What the mail tool sent, what became of it, and who left.

-- A newsletter a week for each brand; every eighth is a text message. Week 0 is the newest.
create table mailings as
select
    brands.brand_no,
    weeks.week,
    campaign_id(brands.brand_no, weeks.week) as campaign_id,
    getvariable('until') - (brands.mailing_day + 7 * weeks.week)::integer as day,
    to_utc(day + interval 8 hours) as started_at,
    case
        when weeks.week % 8 = 4 then 'sms'
        when weeks.week % 32 = 14 then 'web_push'
        when weeks.week % 32 = 22 then 'app_push'
        when weeks.week % 32 = 30 then 'social'
        when weeks.week % 32 = 18 then 'voice'
        else 'email'
    end as channel,
    element(
        weeks.week, brands.name,
        ['New arrivals', 'Weekend offers', 'Inspiration', 'Season highlights', 'Last chance']
    ) || ' ' || strftime(day, '%Y-%m-%d') as name
from brands
cross join (select range as week from range(156)) as weeks;

create table demo_mail.campaigns as
select
    mailings.campaign_id,
    brands.brand_id,
    mailings.name,
    mailings.channel,
    mailings.started_at,
    null::timestamp as updated_at,
    mailings.started_at + interval 2 days as ended_at,
    day_file(mailings.started_at) as delivered_on
from mailings
inner join brands on mailings.brand_no = brands.brand_no
union all
select
    'M-' || brand_no || '-welcome' as campaign_id,
    brand_id,
    'Welcome' as name,
    'email' as channel,
    (getvariable('until') - 1200)::timestamp as started_at,
    null::timestamp as updated_at,
    null::timestamp as ended_at,
    null::date as delivered_on
from brands
order by started_at, campaign_id;

-- message_no: 512 for each contact; 0 to 155 the weeks, 200 the welcome, 256 and up the orders.
create table messages as
with readers as (
    select
        contacts.* exclude (is_dead),
        contacts.is_dead or identifiers.has_typo_in_contact as is_dead,
        brands.mailing_day,
        identifiers.contact_phone is not null as has_phone,
        -- Every week, every second or every fourth.
        case
            when contacts.persona = 'vanished_buyer' or u(contacts.contact_no, 'often') < 0.08
                then 1
            when u(contacts.contact_no, 'often') < 0.35 then 2
            else 4
        end as every,
        date_diff('day', contacts.created_at::date, getvariable('until')) as days_known
    from contacts
    inner join brands on contacts.brand_no = brands.brand_no
    inner join identifiers on contacts.n = identifiers.n
),

weekly as (
    select
        readers.*,
        unnest(range(
            readers.contact_no % readers.every,
            1 + (readers.days_known - 1 - readers.mailing_day) // 7,
            readers.every
        )) as week
    from readers
    where readers.has_subscribed and readers.days_known > readers.mailing_day
),

mailed as (
    select
        weekly.contact_no * 512 + weekly.week as message_no,
        weekly.contact_no,
        weekly.n,
        weekly.brand_no,
        weekly.persona,
        weekly.is_clean,
        weekly.hour,
        weekly.open_rate,
        weekly.is_dead,
        mailings.campaign_id,
        mailings.channel,
        weekly.week,
        mailings.started_at
            + to_seconds(pick(weekly.contact_no * 512 + weekly.week, 'queue', 2400)) as sent_at
    from weekly
    inner join mailings on weekly.brand_no = mailings.brand_no and weekly.week = mailings.week
    where
        (weekly.leaves_at is null or mailings.started_at < weekly.leaves_at)
        and (mailings.channel not in ('sms', 'voice') or weekly.has_phone)
),

welcomed as (
    select
        contact_no * 512 + 200 as message_no,
        contact_no,
        n,
        brand_no,
        persona,
        is_clean,
        hour,
        open_rate + 0.25 as open_rate,
        is_dead,
        'M-' || brand_no || '-welcome' as campaign_id,
        'email' as channel,
        null::bigint as week,
        created_at + interval 4 minutes as sent_at
    from readers
    where has_subscribed
),

confirmed as (
    -- The contact of the home brand also hears about its orders.
    select
        readers.contact_no * 512 + 256 + purchases.k as message_no,
        readers.contact_no,
        readers.n,
        readers.brand_no,
        readers.persona,
        readers.is_clean,
        readers.hour,
        0.7 as open_rate,
        readers.is_dead,
        null as campaign_id,
        'email' as channel,
        null::bigint as week,
        purchases.done_at + interval 3 minutes as sent_at
    from readers
    inner join purchases
        on readers.n = purchases.n and readers.brand_no = purchases.brand_no
    where
        not purchases.is_store
        and readers.contact_no % 4 = 0
        and purchases.done_at > readers.created_at
),

called as (
    -- The sales department rings some of those who left a number.
    select
        contact_no * 512 + 201 as message_no,
        contact_no,
        n,
        brand_no,
        persona,
        is_clean,
        hour,
        0 as open_rate,
        false as is_dead,
        null as campaign_id,
        'phone' as channel,
        null::bigint as week,
        to_utc(
            getvariable('until') - pick(contact_no, 'called on', 300)::integer
            + to_seconds(store_clock(contact_no, 'call'))
        ) as sent_at
    from readers
    where has_phone and not is_clean and u(contact_no, 'called') < 0.04
),

sent as (
    select * from mailed
    union all
    select * from welcomed
    union all
    select * from confirmed
    union all
    select called.*
    from called
    inner join contacts on called.contact_no = contacts.contact_no
    where called.sent_at > contacts.created_at
),

received as (
    select
        *,
        -- One provider has kept mail back for a month.
        channel = 'email' and (
            is_dead
            or not is_clean and u(message_no, 'bounced') < case
                when mailbox like '%@interia.pl' and sent_at >= getvariable('until') - 29 then 0.4
                else 0.006
            end
        ) as is_bounced,
        channel not in ('sms', 'voice', 'phone') and case
            -- The vanished still read, but less: one of the last month, three of the month before.
            when persona = 'vanished_buyer' and week < 9 then week in (2, 5, 6, 7)
            when persona = 'vanished_buyer' then u(message_no, 'opened') < 0.5
            else u(message_no, 'opened') < open_rate
        end and not is_bounced as is_opened,
        is_opened and case
            when persona = 'vanished_buyer' then week in (5, 6)
            else u(message_no, 'clicked') < 0.16
        end as is_clicked
    from sent
    inner join (select n, lower(contact_email) as mailbox from identifiers) as mailboxes using (n)
    where sent_at <= the_end()
),

noticed as (
    -- Opened at the reader's own hour, or at once when that has passed.
    select
        *,
        case when is_opened then greatest(
            to_utc(sent_at::date + to_seconds(home_clock(message_no, 'open', hour))),
            sent_at + to_seconds(60 + floor(3600 * wait(message_no, 'soon'))::bigint)
        ) end as would_open_at
    from received
)

-- In the order of time, which the events keep.
select
    noticed.* exclude (
        persona, hour, open_rate, mailbox, is_opened, is_clicked, would_open_at
    ),
    brands.brand_id,
    case when would_open_at <= the_end() - interval 1 hour then would_open_at end as opened_at,
    case when is_clicked
        then opened_at + to_seconds(15 + pick(message_no, 'click after', 120))
    end as clicked_at
from noticed
inner join brands on noticed.brand_no = brands.brand_no
order by noticed.sent_at, noticed.message_no;

-- Those who have had enough leave with the last newsletter that they got, or in the
-- preference centre when they got none.
create table departures as
with last_letters as (
    select contact_no, arg_max(message_no, sent_at) as message_no, max(sent_at) as sent_at
    from messages
    where week is not null and channel = 'email' and not is_bounced
    group by contact_no
)

select
    contacts.contact_no,
    last_letters.message_no,
    coalesce(
        last_letters.sent_at + to_seconds(600 + pick(contacts.contact_no, 'thinks', 5000)),
        contacts.leaves_at
    ) as left_at
from contacts
left join last_letters on contacts.contact_no = last_letters.contact_no
where contacts.has_subscribed and contacts.leaves_at is not null
order by left_at, contacts.contact_no;

create table demo_mail.messages as
select
    message_id(message_no) as message_id,
    brand_id,
    campaign_id,
    contact_id(contact_no) as contact_id,
    sent_at,
    case when campaign_id is null then channel end as channel,
    case when channel = 'phone' then 'sales' end as department,
    day_file(sent_at) as delivered_on
from messages;

create table demo_mail.message_events as
with happened as (
    select
        message_no, 1 as step, 'bounced' as event_type, sent_at + interval 9 seconds as done_at,
        case when is_dead then '550 mailbox unavailable' else '452 mailbox full' end as detail,
        is_clean
    from messages
    where is_bounced
    union all
    select message_no, 2, 'delivered', sent_at + interval 5 seconds, null, is_clean
    from messages
    where not is_bounced
    union all
    select message_no, 3, 'opened', opened_at, null, is_clean
    from messages
    where opened_at is not null
    union all
    select
        message_no, 4, 'clicked', clicked_at,
        '/p/' || product_id(brand_no, product_no(message_no, n)), is_clean
    from messages
    where clicked_at is not null
    union all
    select
        message_no, 5, 'redeemed', clicked_at + interval 25 minutes, 'THANKS10', is_clean
    from messages
    where clicked_at is not null and not is_clean and u(message_no, 'redeemed') < 0.03
    union all
    select message_no, 6, 'complained', opened_at + interval 40 seconds, null, is_clean
    from messages
    where opened_at is not null and not is_clean and u(message_no, 'complained') < 0.001
    union all
    select message_no, 0, 'replied', sent_at + interval 1 minute, null, is_clean
    from messages
    where channel = 'phone' and u(message_no, 'answers the phone') < 0.6
    union all
    select message_no, 7, 'unsubscribed', left_at, null, false
    from departures
    where message_no is not null
)

select
    'ME-' || (message_no * 8 + step) as event_id,
    message_id(message_no) as message_id,
    event_type,
    done_at as occurred_at,
    detail,
    is_clean,
    late_file(done_at, message_no * 8 + step, is_clean) as delivered_on
from happened;

-- A contact is delivered again on the day on which it left.
create table demo_mail.contacts as
with typed as (
    select
        contacts.contact_no,
        brands.brand_id,
        contacts.created_at,
        departures.left_at,
        identifiers.contact_email as email,
        identifiers.contact_phone as phone,
        case when accounts.created_at < contacts.created_at
            and (contacts.is_clean or u(contacts.contact_no, 'knows account') < 0.3)
            then account_id(contacts.n, 0)
        end as account_id,
        case when cards.issued_at < contacts.created_at
            and (contacts.is_clean or u(contacts.contact_no, 'knows card') < 0.12)
            then card_id(contacts.n)
        end as card_id,
        identifiers.first_name,
        identifiers.last_name,
        contacts.has_subscribed
    from contacts
    inner join brands on contacts.brand_no = brands.brand_no
    inner join identifiers on contacts.n = identifiers.n
    left join departures on contacts.contact_no = departures.contact_no
    left join accounts on contacts.n = accounts.n and accounts.account_no = 0
    left join cards on contacts.n = cards.n
),

versions as (
    -- As it was before it left.
    select
        * exclude (has_subscribed),
        has_subscribed as is_subscribed,
        null::timestamp as updated_at,
        day_file(created_at) as delivered_on
    from typed
    where left_at is null or day_file(left_at) is distinct from day_file(created_at)
    union all
    select
        * exclude (has_subscribed),
        false as is_subscribed,
        left_at as updated_at,
        day_file(left_at) as delivered_on
    from typed
    where left_at is not null
)

select contact_id(contact_no) as contact_id, * exclude (contact_no), false as is_test
from versions
order by created_at, contact_no, updated_at nulls first;
