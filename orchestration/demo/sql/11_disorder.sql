-- Test records and what is delivered twice.

insert into demo_shop.accounts by name
select
    'A-TEST-' || test as account_id,
    'domowo' as brand_id,
    getvariable('until') - 300 + interval 10 hours as created_at,
    'test' || test || '@domowo.pl' as email,
    'Test' as first_name,
    'Tester' as last_name,
    true as is_test
from (select range as test from range(1, 13));

insert into demo_shop.orders by name
select
    'O-TEST-' || test as order_id,
    'domowo' as brand_id,
    getvariable('until') - 290 + interval 10 hours as ordered_at,
    'A-TEST-' || test as account_id,
    'test' || test || '@domowo.pl' as email,
    'placed' as status,
    'PLN' as currency,
    false as is_gift_wrapped,
    true as is_test
from (select range as test from range(1, 13));

insert into demo_shop.order_lines by name
select
    'O-TEST-' || tests.test as order_id,
    lines.line_no,
    product_id(1, tests.test * 20 + lines.line_no) as product_id,
    'merchandise' as line_kind,
    1 as quantity,
    0 as discount_amount,
    99.99 as net_amount
from (select range as test from range(1, 13)) as tests
cross join (select range as line_no from range(1, 3)) as lines;

-- Events of the first of the three day files that come once more in the second.
create macro repeated() as greatest(3, getvariable('persons') // 4000);

insert into demo_web.web_events
select * replace (getvariable('until') - 1 as delivered_on)
from demo_web.web_events
where occurred_at::date = getvariable('until') - 2 and not is_clean
order by u(event_id, 'repeated'), event_id
limit repeated();

insert into demo_mail.message_events
select * replace (getvariable('until') - 1 as delivered_on)
from demo_mail.message_events
where occurred_at::date = getvariable('until') - 2 and not is_clean
order by u(event_id, 'repeated'), event_id
limit repeated();

-- Files that somebody made by hand: their lines, and what is wrong with some.
create macro days_ago(days) as strftime(getvariable('until') - days, '%Y-%m-%d') || ' 10:00:00';

create table imported_lines as
select *
from (
    values
        (
            'demo_shop', 'accounts', 0,
            'account_id,brand_id,created_at,email,first_name,last_name,birth_date,country', null
        ),
        (
            'demo_shop', 'accounts', 1,
            'A-IMPORT-1,domowo,' || days_ago(400) || ',import1@poczta.pl,Anna,Nowak,,PL', null
        ),
        (
            'demo_shop', 'accounts', 2,
            ',domowo,' || days_ago(399) || ',import2@poczta.pl,Piotr,Lis,,PL', 'no account_id'
        ),
        (
            'demo_shop', 'accounts', 3,
            'A-IMPORT-3,domowo,2025-02-30 10:00:00,import3@poczta.pl,Ewa,Kot,,PL',
            'created_at is no date'
        ),
        (
            'demo_shop', 'accounts', 4,
            'A-IMPORT-4,werkhof,' || days_ago(398) || ',import4@post.de,Uwe,"Klein, Dr.",,DE', null
        ),
        (
            'demo_shop', 'accounts', 5,
            'A-IMPORT-5,lilla,' || days_ago(397) || ',import5@posta.cz,Jana,Malá,soon,CZ',
            'birth_date is no date'
        ),
        (
            'demo_shop', 'accounts', 6,
            'A-IMPORT-6,lilla,' || days_ago(396) || ',import6@posta.cz,Jan,Malý,,CZ,CZ,CZ',
            'too many values'
        ),
        (
            'demo_shop', 'accounts', 7,
            'A-IMPORT-7,lilla,' || days_ago(395) || ',import7@posta.cz,Petr,Novák,,CZ', null
        ),
        ('demo_mail', 'contacts', 0, 'contact_id;brand_id;created_at;email;is_subscribed', null),
        (
            'demo_mail', 'contacts', 1,
            'E-IMPORT-1;domowo;' || days_ago(400) || ';import1@poczta.pl;false', null
        ),
        (
            'demo_mail', 'contacts', 2,
            'E-IMPORT-2;;' || days_ago(399) || ';import8@poczta.pl;false', 'no brand_id'
        ),
        (
            'demo_mail', 'contacts', 3,
            'E-IMPORT-3;werkhof;' || days_ago(398) || ';import9@post.de;perhaps',
            'is_subscribed is no boolean'
        ),
        (
            'demo_mail', 'contacts', 4,
            'E-IMPORT-4;werkhof;' || days_ago(397) || ';import4@post.de;false', null
        ),
        (
            'demo_web', 'web_events', 0,
            'event_id,brand_id,visitor_id,event_type,occurred_at,result_count', null
        ),
        (
            'demo_web', 'web_events', 1,
            'W-IMPORT-1,domowo,v-import-1,page_view,' || days_ago(90) || ',', null
        ),
        (
            'demo_web', 'web_events', 2,
            'W-IMPORT-2,domowo,,page_view,' || days_ago(90) || ',', 'no visitor_id'
        ),
        (
            'demo_web', 'web_events', 3,
            'W-IMPORT-3,domowo,v-import-1,search,' || days_ago(90) || ',many',
            'result_count is no number'
        ),
        ('demo_web', 'web_events', 4, 'W-IMPORT-4,domowo,v-import-1', 'too few values'),
        (
            'demo_web', 'web_events', 5,
            'W-IMPORT-5,domowo,v-import-1,product_view,' || days_ago(90) || ',', null
        )
) as t (source_system, source_entity, row_no, line, problem);
