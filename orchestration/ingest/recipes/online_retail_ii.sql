-- Online Retail II: two years of invoices of a British online shop for gifts, dirty as it came.
--
-- needs: online_retail_ii.parquet
-- origin: UCI Machine Learning Repository, Online Retail II (Daqing Chen), CC BY 4.0
--
-- The file is both sheets of the workbook, one row per invoice line in the order of the sheets;
-- 1 to 9 December 2010, which both hold, comes from the second alone. Columns: invoice,
-- stock_code, description, quantity, invoice_ts (London time), price, customer_id, country.
--
-- Every line goes to order_lines or, when its invoice starts with C, to returns; the shop does not
-- tell which order a return belongs to. What a line is follows from its stock code:
--   postage      carriage of all kinds
--   charge       what the shop pays or bills for a service: bank, Amazon, charity, samples, packing
--   adjustment   manual entries, discounts, bad debt and tests; and goods without a price, or with
--                a negative quantity on an invoice that is no return: gifts and stock notes
--   merchandise  all other goods, gift vouchers among them
-- A line of goods names its product whatever its kind.

create table stock_codes_without_goods as
from (
    values
    ('POST', 'postage'),
    ('DOT', 'postage'),
    ('C2', 'postage'),
    ('C3', 'postage'),
    ('23444', 'postage'),
    ('AMAZONFEE', 'charge'),
    ('BANK CHARGES', 'charge'),
    ('CRUK', 'charge'),
    ('S', 'charge'),
    ('23574', 'charge'),
    ('ADJUST', 'adjustment'),
    ('ADJUST2', 'adjustment'),
    ('B', 'adjustment'),
    ('D', 'adjustment'),
    ('M', 'adjustment'),
    ('TEST001', 'adjustment'),
    ('TEST002', 'adjustment')
) as codes (stock_code, line_kind);

-- Channel Islands, European Community, Unspecified and West Indies have no ISO code.
create table countries as
from (
    values
    ('Australia', 'AU'),
    ('Austria', 'AT'),
    ('Bahrain', 'BH'),
    ('Belgium', 'BE'),
    ('Bermuda', 'BM'),
    ('Brazil', 'BR'),
    ('Canada', 'CA'),
    ('Cyprus', 'CY'),
    ('Czech Republic', 'CZ'),
    ('Denmark', 'DK'),
    ('EIRE', 'IE'),
    ('Finland', 'FI'),
    ('France', 'FR'),
    ('Germany', 'DE'),
    ('Greece', 'GR'),
    ('Hong Kong', 'HK'),
    ('Iceland', 'IS'),
    ('Israel', 'IL'),
    ('Italy', 'IT'),
    ('Japan', 'JP'),
    ('Korea', 'KR'),
    ('Lebanon', 'LB'),
    ('Lithuania', 'LT'),
    ('Malta', 'MT'),
    ('Netherlands', 'NL'),
    ('Nigeria', 'NG'),
    ('Norway', 'NO'),
    ('Poland', 'PL'),
    ('Portugal', 'PT'),
    ('RSA', 'ZA'),
    ('Saudi Arabia', 'SA'),
    ('Singapore', 'SG'),
    ('Spain', 'ES'),
    ('Sweden', 'SE'),
    ('Switzerland', 'CH'),
    ('Thailand', 'TH'),
    ('USA', 'US'),
    ('United Arab Emirates', 'AE'),
    ('United Kingdom', 'GB')
) as names (country_name, country);

create table lines as
with cleaned as (
    select
        invoice,
        file_row_number,
        -- One product is spelled 85123A and 85123a; the names agree for all that differ in case.
        upper(trim(stock_code)) as stock_code,
        nullif(trim(description), 'nan') as description,
        cast(quantity as decimal(18, 4)) as quantity,
        cast(price as decimal(18, 4)) as price,
        cast(quantity * cast(price as decimal(18, 4)) as decimal(18, 4)) as net_amount,
        cast(customer_id as varchar) as account_id,
        country as country_name,
        starts_with(invoice, 'C') as is_return,
        cast(
            row_number() over (partition by invoice order by file_row_number) as integer
        ) as line_no,
        -- An invoice typed while the minute changed has two times: the first counts.
        (min(invoice_ts) over (partition by invoice))
        at time zone 'Europe/London' at time zone 'UTC' as invoiced_at
    from files.online_retail_ii
)

select
    cleaned.*,
    countries.country,
    if(codes.stock_code is null, cleaned.stock_code, null) as product_id,
    case
        when codes.stock_code is not null then codes.line_kind
        when cleaned.price <= 0 or (cleaned.quantity < 0 and not cleaned.is_return)
            then 'adjustment'
        else 'merchandise'
    end as line_kind
from cleaned
left join stock_codes_without_goods as codes on cleaned.stock_code = codes.stock_code
left join countries on cleaned.country_name = countries.country_name;

-- An account is first heard of in its first invoice; orders have their own country.
create view landing.accounts as
select
    account_id,
    'online_retail_ii' as brand_id,
    min(invoiced_at) as created_at,
    first(country order by invoiced_at, file_row_number) filter (
        where country is not null
    ) as country
from lines
where account_id is not null
group by account_id;

-- The text of a line without a price is a note on the stock ("damaged"), not a name.
create view landing.products as
with descriptions as (
    select
        product_id,
        description,
        count(*) as count_lines
    from lines
    where product_id is not null and description is not null and price > 0
    group by product_id, description
),

names as (
    select
        product_id,
        first(description order by count_lines desc, description asc) as name
    from descriptions
    group by product_id
),

goods as (
    select
        product_id,
        min(invoiced_at) as created_at,
        last(price order by invoiced_at, file_row_number) filter (
            where price > 0 and not is_return
        ) as price
    from lines
    where product_id is not null
    group by product_id
)

select
    goods.product_id,
    'online_retail_ii' as brand_id,
    names.name,
    goods.created_at,
    goods.price
from goods
left join names on goods.product_id = names.product_id;

-- An invoice has one customer and one country.
create view landing.orders as
select
    invoice as order_id,
    'online_retail_ii' as brand_id,
    min(invoiced_at) as ordered_at,
    min(account_id) as account_id,
    'completed' as status,
    'GBP' as currency,
    min(country) as country,
    bool_and(starts_with(stock_code, 'TEST')) as is_test
from lines
where not is_return
group by invoice;

create view landing.order_lines as
select
    invoice as order_id,
    line_no,
    product_id,
    line_kind,
    quantity,
    net_amount
from lines
where not is_return;

create view landing.returns as
select
    invoice as return_id,
    line_no,
    'online_retail_ii' as brand_id,
    invoiced_at as returned_at,
    cast(null as varchar) as order_id,
    account_id,
    'GBP' as currency,
    product_id,
    line_kind,
    quantity,
    net_amount
from lines
where is_return;
