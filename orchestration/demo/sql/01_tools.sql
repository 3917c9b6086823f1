-- Macros of the generator. Nothing here is random: every draw is a hash of the seed, an id
-- and a salt, so that a row is the same whichever thread makes it and in whatever order.

-- A number in [0, 1).
create macro u(id, salt) as
    (hash(hash(id, salt), getvariable('seed')) >> 11)::double / 9007199254740992.0;

-- A whole number from 0 to choices - 1.
create macro pick(id, salt, choices) as floor(u(id, salt) * choices)::bigint;

-- One element of a list.
create macro element(id, salt, choices) as choices[1 + pick(id, salt, len(choices))];

-- A wait with the mean 1.
create macro wait(id, salt) as -ln(1 - u(id, salt));

-- Seconds after midnight of something done at home, around the hour that the person prefers.
create macro home_clock(id, salt, hour) as (
    3600 * greatest(6.0, least(
        23.4, hour + 4 * (u(id, salt || '1') + u(id, salt || '2') + u(id, salt || '3') - 1.5)
    ))
)::bigint;

-- Seconds after midnight of something done while stores are open.
create macro store_clock(id, salt) as
    (3600 * (9 + 5.4 * (u(id, salt || '1') + u(id, salt || '2'))))::bigint;

-- The last Sunday of a month with 31 days.
create macro last_sunday(year, month) as
    make_date(year, month, 31) - dayofweek(make_date(year, month, 31))::integer;

-- Central European time of day as UTC. All brands live there; nothing happens at night, when
-- the clocks change, so that the day decides.
create macro to_utc(local_at) as local_at - case
    when local_at::date >= last_sunday(year(local_at), 3)
        and local_at::date < last_sunday(year(local_at), 10) then interval 2 hours
    else interval 1 hour
end;

-- The last moment that the demo knows.
create macro the_end() as
    getvariable('until') + interval 23 hours + interval 59 minutes + interval 59 seconds;

-- The day file that a row belongs to; NULL is history.
create macro day_file(done_at) as
    case when done_at::date > getvariable('until') - 3 then done_at::date end;

-- As day_file, but a tenth of the rows of the last three weeks comes late, in one of the day
-- files.
create macro late_file(done_at, id, is_clean) as case
    when done_at::date between getvariable('until') - 20 and getvariable('until') - 3
        and not is_clean and u(id, 'late') < 0.1
        then getvariable('until') - pick(id, 'late by', 3)::integer
    else day_file(done_at)
end;

-- The ids that the systems give their records.
create macro person_id(n) as 'P-' || lpad(n::varchar, 8, '0');
create macro account_id(n, account_no) as 'A-' || (2 * n + account_no);
create macro card_id(n) as 'C-' || (70000000 + n);
create macro contact_id(contact_no) as 'E-' || contact_no;
create macro order_id(doc) as 'O-' || doc;
create macro receipt_id(doc) as 'T-' || doc;
create macro campaign_id(brand_no, week) as 'M-' || brand_no || '-' || week;
create macro message_id(message_no) as 'MS-' || message_no;
create macro product_id(brand_no, product_no) as
    ['D', 'W', 'L'][brand_no] || '-' || lpad(product_no::varchar, 3, '0');
create macro store_id(brand_no, place) as
    'S-' || ['D', 'W', 'L'][brand_no] || lpad(place::varchar, 2, '0');
create macro visitor_id(id, salt) as
    'v-' || lpad(lower(to_hex(hash(hash(id, salt), getvariable('seed')))), 16, '0');

-- The cookie of one act: of one of a person's two devices, or of the one that a household shares.
create macro own_visitor_id(n, household, id) as case
    when household is not null and u(id, 'shared device') < 0.5
        then visitor_id(household, 'household')
    else visitor_id(2 * n + (u(id, 'device') < 0.3)::integer, 'person')
end;

-- The product of one act: more often than not of the category that the person likes.
create macro product_no(id, n) as (
    70 * case when u(id, 'liked') < 0.6 then pick(n, 'liked', 4) else pick(id, 'category', 4) end
    + 1 + floor(70 * u(id, 'product') * u(id, 'product'))
)::bigint;

-- Names, addresses and numbers as people type them.
create macro plain_letters(name) as
    regexp_replace(
        strip_accents(replace(replace(lower(name), 'ß', 'ss'), 'ł', 'l')), '[^a-z]', '', 'g'
    );

create macro typed_email(email, id, salt) as case
    when u(id, salt) < 0.02 then upper(email)
    when u(id, salt) < 0.03 then upper(email[1]) || email[2:]
    when u(id, salt) < 0.04 then ' ' || email
    when u(id, salt) < 0.06 then replace(email, '@', '+shop@')
    else email
end;

create macro typed_phone(phone, calling_code, is_native, id, salt) as case
    when phone is null or u(id, salt) < 0.45 then phone
    when u(id, salt) < 0.65 then regexp_replace(
        phone, '^\+' || calling_code || '(...)(...)(.*)$', '+' || calling_code || ' \1 \2 \3'
    )
    when u(id, salt) < 0.80 then '00' || phone[2:]
    when is_native then regexp_replace(
        phone, '^\+' || calling_code || '(...)(...)(.*)$',
        case when calling_code = '49' then '0' else '' end || '\1-\2-\3'
    )
    else phone
end;

-- One letter twice, as a finger does.
create macro mistyped(email) as email[1:2] || email[2:];

create schema demo_shop;
create schema demo_tills;
create schema demo_mail;
create schema demo_web;
create schema demo_erp;
create schema demo_catalog;
create schema demo_privacy;
create schema demo_service;
