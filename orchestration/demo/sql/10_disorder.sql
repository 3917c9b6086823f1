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
create macro twice() as greatest(3, getvariable('persons') // 4000);

insert into demo_web.web_events
select * replace (getvariable('until') - 1 as delivered_on)
from demo_web.web_events
where delivered_on = getvariable('until') - 2 and not is_clean
order by u(event_id, 'twice'), event_id
limit twice();
