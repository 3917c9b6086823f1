-- The e-mail test of Kevin Hillstrom: 64,000 customers of a shop for clothes were drawn at random
-- for a mail with men's goods, one with women's goods, or none; then two weeks were watched.
--
-- needs: hillstrom.parquet
-- origin: Kevin Hillstrom, MineThatData E-Mail Analytics and Data Mining Challenge, 2008
--
-- The data have no ids and no dates. A customer is a row of the file. The mail goes out on 1 March
-- 2008; who visited did so a day later and bought at once. What somebody spent in the year
-- before is one order, so many months before the mail as the last purchase was. A newbie opened
-- the account with that order, the others more than a year before the mail.
--
-- The arm is the attribute experiment:hillstrom_mail of each customer, as any tool that draws the
-- arms itself delivers it; seeds/segments/experiments.csv has the row of that name.

create macro sent_at() as (timestamp '2008-03-01 09:00:00');

create view customers as
select
    *,
    'H-' || lpad(cast(file_row_number + 1 as varchar), 5, '0') as customer_id,
    sent_at() - recency * interval 1 month as last_ordered_at,
    case segment
        when 'Mens E-Mail' then 'mens_mail'
        when 'Womens E-Mail' then 'womens_mail'
        when 'No E-Mail' then 'no_mail'
    end as arm
from files.hillstrom;

create view landing.accounts as
select
    customer_id as account_id,
    'hillstrom' as brand_id,
    if(newbie = 1, last_ordered_at, sent_at() - interval 13 month) as created_at
from customers;

create view landing.contacts as
select
    customer_id as contact_id,
    'hillstrom' as brand_id,
    if(newbie = 1, last_ordered_at, sent_at() - interval 13 month) as created_at,
    customer_id as account_id
from customers;

create view landing.campaigns as
select
    arm as campaign_id,
    'hillstrom' as brand_id,
    segment as name,
    'email' as channel,
    sent_at() as started_at
from customers
where arm <> 'no_mail'
group by arm, segment;

create view landing.messages as
select
    customer_id as message_id,
    'hillstrom' as brand_id,
    arm as campaign_id,
    customer_id as contact_id,
    sent_at() as sent_at
from customers
where arm <> 'no_mail';

create view landing.web_events as
select
    customer_id as event_id,
    'hillstrom' as brand_id,
    customer_id as visitor_id,
    customer_id as account_id,
    'page_view' as event_type,
    sent_at() + interval 1 day as occurred_at
from customers
where visit = 1;

create view purchases as
select
    customer_id || '-before' as order_id,
    customer_id,
    last_ordered_at as ordered_at,
    history as amount
from customers
union all
select
    customer_id || '-after' as order_id,
    customer_id,
    sent_at() + interval 1 day as ordered_at,
    spend as amount
from customers
where conversion = 1;

create view landing.orders as
select
    order_id,
    'hillstrom' as brand_id,
    ordered_at,
    customer_id as account_id,
    'completed' as status,
    'USD' as currency
from purchases;

create view landing.order_lines as
select
    order_id,
    cast(1 as integer) as line_no,
    'merchandise' as line_kind,
    cast(1 as decimal(18, 4)) as quantity,
    cast(amount as decimal(18, 4)) as net_amount
from purchases;

create view landing.attributes as
with known as (
    unpivot (
        select
            customer_id,
            arm as "experiment:hillstrom_mail",
            cast(mens as varchar) as mens,
            cast(womens as varchar) as womens,
            zip_code,
            channel
        from customers
    )
    on "experiment:hillstrom_mail", mens, womens, zip_code, channel
    into name attribute value attribute_value
)

select
    customer_id || '-' || attribute as attribute_id,
    'hillstrom' as brand_id,
    sent_at() as observed_at,
    customer_id as account_id,
    attribute,
    attribute_value as value
from known;
