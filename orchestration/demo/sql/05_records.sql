-- Accounts, loyalty cards and contacts, as people typed them.

-- A day of the three years for records that no purchase dates; those of the planted are old.
create macro some_time(id, salt, is_clean) as to_utc(
    getvariable('until') - case
        when is_clean then 200 + pick(id, salt, 500)
        else pick(id, salt, 1095)
    end::integer + to_seconds(home_clock(id, salt, 14))
);

create table accounts as
with opened as (
    -- Most people open an account to order, some well before.
    select
        persons.n,
        case
            when buyers.first_account_order_at is null
                then some_time(persons.n, 'account', persons.is_clean)
            when persons.persona in ('new_buyer', 'losing_buyer') or u(persons.n, 'hurry') < 0.7
                then buyers.first_account_order_at
                    - to_seconds(240 + pick(persons.n, 'form', 1200))
            else buyers.first_account_order_at
                - to_seconds(86400 * (1 + pick(persons.n, 'early', 120)))
        end as created_at
    from persons
    left join buyers on persons.n = buyers.n
    where persons.has_account
),

second as (
    -- Some open a second account: they forgot the first, or changed their address.
    select
        persons.n,
        opened.created_at + to_seconds(86400 * (40 + pick(persons.n, 'forgotten', 400)))
            as created_at
    from persons
    inner join opened on persons.n = opened.n
    where
        not persons.is_clean
        and persons.kind in ('online', 'omni')
        and u(persons.n, 'second account') < 0.09
)

select n, 0 as account_no, created_at
from opened
union all
select n, 1 as account_no, created_at
from second
where created_at < getvariable('until') - 60;

create table cards as
select
    persons.n,
    case
        when buyers.first_card_at is null
            then some_time(persons.n, 'card', persons.is_clean)
        when u(persons.n, 'card early') < 0.7
            then buyers.first_card_at - to_seconds(300 + pick(persons.n, 'desk', 900))
        else buyers.first_card_at
            - to_seconds(86400 * (1 + pick(persons.n, 'card days', 200)))
    end as issued_at
from persons
left join buyers on persons.n = buyers.n
where persons.has_card;

-- Contacts of the home brand, and of the second brand for some of those who have one.
create table contacts as
with wanted as (
    select *, brand_no as contact_brand_no, 0 as contact_no
    from persons
    where has_contact
    union all
    select *, second_brand_no as contact_brand_no, 1 as contact_no
    from persons
    where has_contact and second_brand_no is not null and u(n, 'second contact') < 0.4
),

started as (
    select
        wanted.n,
        wanted.n * 4 + wanted.contact_no as contact_no,
        wanted.contact_brand_no as brand_no,
        wanted.persona,
        wanted.is_clean,
        wanted.hour,
        coalesce(
            first_account.created_at, cards.issued_at, buyers.first_at,
            some_time(wanted.n, 'contact', wanted.is_clean)
        ) as since
    from wanted
    left join accounts as first_account
        on wanted.n = first_account.n and first_account.account_no = 0
    left join cards on wanted.n = cards.n
    left join buyers on wanted.n = buyers.n
),

created as (
    select
        *,
        since + to_seconds(case
            when is_clean or u(contact_no, 'at once') < 0.6 then 60
            else 86400 * pick(contact_no, 'days after', 200)
        end) as later
    from started
),

dated as (
    select
        * exclude (since, later),
        case when later <= the_end() then later else since + interval 1 minute end as created_at
    from created
)

select
    *,
    persona is not distinct from 'vanished_buyer' or u(contact_no, 'subscribes') < 0.82
        as has_subscribed,
    -- When they have had enough; most never.
    case when not is_clean and u(contact_no, 'leaves') < 0.16
        then created_at + to_seconds(
            (u(contact_no, 'leaves at') * epoch(the_end() - created_at))::bigint
        )
    end as leaves_at,
    case
        when persona = 'vanished_buyer' then 0
        else 0.02 + 0.6 * power(u(contact_no, 'reads'), 2)
    end as open_rate,
    not is_clean and u(contact_no, 'dead') < 0.015 as is_dead
from dated;

-- Two persons who log in on one device.
create table households as
with sharing as (
    select
        n,
        row_number() over (order by u(n, 'housemate'), n) as place,
        count(*) over () as people
    from persons
    where not is_clean and has_account and u(n, 'shares') < 0.042
)

select n, (place - 1) // 2 as household
from sharing
where place <= people - people % 2;

-- Numbers that went from one person to another.
create table recycled_phones as
with owners as (
    select n, row_number() over (order by u(n, 'gives number up'), n) as place
    from accounts
    inner join persons using (n)
    where
        account_no = 0
        and not is_clean
        and country = 'PL'
        and created_at < getvariable('until') - 700
),

heirs as (
    select n, row_number() over (order by u(n, 'gets number'), n) as place
    from accounts
    inner join persons using (n)
    where
        account_no = 0
        and not is_clean
        and country = 'PL'
        and created_at >= getvariable('until') - 500
)

select heirs.n, persons.phone
from heirs
inner join owners on heirs.place = owners.place
inner join persons on owners.n = persons.n
where heirs.place <= 0.003 * getvariable('persons');

-- What each person gives where. A typo is made in one record of a person.
create table identifiers as
with numbered as (
    select
        persons.*,
        coalesce(recycled_phones.phone, persons.phone) as own_phone,
        not is_clean and u(persons.n, 'typo') < 0.033 as makes_typo
    from persons
    left join recycled_phones on persons.n = recycled_phones.n
),

noisy as (
    select
        *,
        makes_typo and has_card as has_typo_in_card,
        makes_typo and not has_card and has_contact as has_typo_in_contact,
        makes_typo and not has_card and not has_contact and has_account as has_typo_in_account
    from numbered
)

select
    n,
    persona,
    is_clean,
    calling_code,
    is_native,
    brand_no,
    first_name,
    last_name,
    gender,
    birth_date,
    street,
    postal_code,
    city,
    country,
    city_place,
    cities,
    email,
    second_email,
    own_phone as phone,
    has_typo_in_card or has_typo_in_contact or has_typo_in_account as has_typo,
    has_typo_in_contact,
    case
        when is_clean then email
        when has_typo_in_account then mistyped(email)
        when u(n, 'role') < 0.004 then role_address
        when u(n, 'no address') < 0.002 then 'brak@brak.pl'
        else typed_email(email, n, 'account email')
    end as account_email,
    case
        when is_clean then own_phone
        when u(n, 'account phone') < 0.35 then null
        when u(n, 'account phone') < 0.36 then '000000000'
        else typed_phone(own_phone, calling_code, is_native, n, 'account phone typed')
    end as account_phone,
    case
        when is_clean then email
        when has_typo_in_card then mistyped(email)
        when u(n, 'card email') < 0.38 then null
        when u(n, 'card email') < 0.385 then 'test@test.com'
        when u(n, 'card email') < 0.390 then 'brak@brak.pl'
        else typed_email(email, n, 'card email typed')
    end as card_email,
    case
        when is_clean then own_phone
        when u(n, 'card phone') < 0.25 then null
        when u(n, 'card phone') < 0.26 then '000000000'
        when u(n, 'card phone') < 0.27 then '123456789'
        -- The number of the shop, typed when the holder gives none.
        when u(n, 'card phone') < 0.28 then ['+4822100', '+49301200', '+42022400'][brand_no]
            || (1000 + pick(n, 'desk', greatest(1, getvariable('persons') // 10000)))
        else typed_phone(own_phone, calling_code, is_native, n, 'card phone typed')
    end as card_phone,
    case
        when is_clean then email
        when has_typo_in_contact then mistyped(email)
        when u(n, 'other email') < 0.08 then second_email
        else typed_email(email, n, 'contact email typed')
    end as contact_email,
    case
        when is_clean then own_phone
        when u(n, 'contact phone') < 0.3
            then typed_phone(own_phone, calling_code, is_native, n, 'contact phone typed')
    end as contact_phone
from noisy;

create table demo_shop.accounts as
with typed as (
    select
        accounts.n,
        accounts.created_at,
        identifiers.is_clean,
        identifiers.city_place,
        identifiers.cities,
        account_id(accounts.n, accounts.account_no) as account_id,
        brands.brand_id,
        -- The second account of a person shares the address or the number, or neither.
        case
            when accounts.account_no = 0 then identifiers.account_email
            when u(accounts.n, 'same email') < 0.3 then identifiers.email
            else identifiers.second_email
        end as email,
        case
            when accounts.account_no = 0 then identifiers.account_phone
            when u(accounts.n, 'same email') between 0.3 and 0.5 then identifiers.phone
        end as phone,
        identifiers.first_name,
        identifiers.last_name,
        case when identifiers.persona = 'high_value_buyer' or u(accounts.n, 'tells gender') < 0.75
            then identifiers.gender
        end as gender,
        case when identifiers.persona = 'birthday' or u(accounts.n, 'tells birthday') < 0.55
            then identifiers.birth_date
        end as birth_date,
        identifiers.street,
        identifiers.postal_code,
        identifiers.city,
        identifiers.country,
        false as is_test,
        identifiers.persona is not distinct from 'mover' as is_mover,
        identifiers.is_clean or u(accounts.n, 'tells address') < 0.85 as has_address
    from accounts
    inner join identifiers on accounts.n = identifiers.n
    inner join brands on identifiers.brand_no = brands.brand_no
),

opened as (
    select
        * replace (
            case when has_address then street end as street,
            case when has_address then postal_code end as postal_code,
            case when has_address then city end as city,
            case when has_address then country end as country
        ),
        null::timestamp as updated_at,
        day_file(created_at) as delivered_on
    from typed
),

-- Some have moved in the last days, and their accounts come again.
moved as (
    select
        opened.* replace (
            cities.city as city,
            postal_code(cities.country, cities.postal_prefix, opened.n, 'moved code')
                as postal_code,
            element(opened.n, 'moved to', ['Nowa', 'Neue Straße', 'Nová']) || ' 7' as street,
            to_utc(
                getvariable('until') - pick(opened.n, 'moved on', 3)::integer + interval 11 hours
            ) as updated_at
        )
    from opened
    inner join cities
        on opened.country = cities.country
        and opened.city_place % opened.cities + 1 = cities.place
    where
        not opened.is_clean
        and opened.created_at < getvariable('until') - 60
        and u(opened.n, 'moves') < 0.003
),

-- The movers have gone to a town without a store, five months ago.
gone as (
    select
        * replace (
            case country when 'PL' then 'Suwałki' when 'DE' then 'Flensburg' else 'Znojmo' end
                as city,
            case country when 'PL' then '16-400' when 'DE' then '24937' else '669 02' end
                as postal_code,
            element(n, 'moved to', ['Nowa', 'Neue Straße', 'Nová']) || ' 8' as street,
            to_utc(getvariable('until') - 150 - pick(n, 'gone on', 10)::integer + interval 11 hours)
                as updated_at
        )
    from opened
    where is_mover
)

select * from opened
union all
select * replace (updated_at::date as delivered_on) from moved
union all
select * from gone
order by created_at, account_id, updated_at nulls first;

-- Some log in with a social network, or with the app: one login for all accounts of a person.
create table demo_shop.identifiers as
select
    'accounts' as record_entity,
    account_id as record_id,
    id_type,
    case id_type
        when 'social' then 'google:' || (1000000 + n)
        else 'app-' || md5('app' || n)
    end as id_value,
    created_at as seen_at,
    null::varchar as brand_id,
    delivered_on
from demo_shop.accounts
cross join (select unnest(['social', 'app_device']) as id_type)
where updated_at is null and u(n, id_type) < 0.12
order by created_at, account_id, id_type;

create table demo_tills.loyalty_cards as
select
    card_id(cards.n) as card_id,
    brands.brand_id,
    cards.issued_at,
    null::timestamp as updated_at,
    case when accounts.created_at < cards.issued_at
        and not identifiers.is_clean
        and u(cards.n, 'links account') < 0.25
        then account_id(cards.n, 0)
    end as account_id,
    identifiers.card_email as email,
    identifiers.card_phone as phone,
    identifiers.first_name,
    identifiers.last_name,
    case when u(cards.n, 'card gender') < 0.5 then identifiers.gender end as gender,
    case when u(cards.n, 'card birthday') < 0.3 then identifiers.birth_date end as birth_date,
    identifiers.postal_code,
    identifiers.city,
    identifiers.country,
    false as is_test,
    day_file(cards.issued_at) as delivered_on
from cards
inner join identifiers on cards.n = identifiers.n
inner join brands on identifiers.brand_no = brands.brand_no
left join accounts on cards.n = accounts.n and accounts.account_no = 0
order by cards.issued_at, cards.n;
