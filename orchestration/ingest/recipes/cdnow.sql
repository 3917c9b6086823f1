-- CDNOW: every purchase of the 23,570 customers who came to an online shop for CDs in the first
-- quarter of 1997, to the end of June 1998.
--
-- needs: cdnow_transactions.parquet
-- origin: Bruce Hardie's notes to Fader and Hardie, Forecasting Repeat Sales at CDNOW (2001)
--
-- One row per purchase and day: customer_id, date, number_of_cds, dollar_value. The file tells no
-- time of day and no product, so that each purchase is one line without one, at noon. Rows that
-- repeat are purchases of their own. A purchase of nothing for nothing stays an order: it is a gift.

create table purchases as
select
    customer_id as account_id,
    customer_id || '-' || row_number() over (
        partition by customer_id order by date, file_row_number
    ) as order_id,
    date + interval 17 hour as ordered_at,
    number_of_cds as quantity,
    cast(dollar_value as decimal(18, 4)) as net_amount
from files.cdnow_transactions;

create view landing.accounts as
select
    account_id,
    'cdnow' as brand_id,
    min(ordered_at) as created_at
from purchases
group by account_id;

create view landing.orders as
select
    order_id,
    'cdnow' as brand_id,
    ordered_at,
    account_id,
    'completed' as status,
    'USD' as currency
from purchases;

create view landing.order_lines as
select
    order_id,
    1 as line_no,
    'merchandise' as line_kind,
    quantity,
    net_amount
from purchases;
