-- The Complete Journey 2.0: the receipts that 2,469 households brought home from the stores of a
-- grocer in 2017, and the coupons that they were sent by post.
--
-- needs: campaign_descriptions.parquet, campaigns.parquet, coupon_redemptions.parquet,
-- needs: demographics.parquet, products.parquet, transactions.parquet
-- origin: dunnhumby / 84.51°, The Complete Journey 2.0
--
-- transaction_timestamp is UTC; the dates of campaigns and redemptions are days in New York.
-- A household stands for the loyalty card and the postal address that it is known by.
--
-- net_amount is sales_value, what the grocer received. All three discounts together are
-- discount_amount, though the maker and not the grocer bears coupon_disc. Quantities stay as they
-- are: most petrol counts thousandths of a gallon.
--
-- Every line is merchandise, except coupons that the till booked as a line of its own, of a
-- product that the catalogue does not know and of no quantity: those are adjustments. Lines of the
-- departments COUPON and MISCELLANEOUS stay: nearly all have a quantity and most a price.

-- The moment in UTC at which a day starts in New York.
create macro start_of(day) as (
    cast(day as timestamp) at time zone 'America/New_York' at time zone 'UTC'
);

create macro title_case(shouted) as (
    array_to_string(
        list_transform(
            regexp_extract_all(lower(shouted), '[a-z0-9'']+|[^a-z0-9'']+'),
            lambda word: upper(word[1]) || word[2:]
        ),
        ''
    )
);

create view lines as
with numbered as (
    select
        *,
        row_number() over (partition by basket_id order by file_row_number) as line_no
    from files.transactions
)

select
    numbered.*,
    products.product_id is null and numbered.quantity = 0 as is_coupon
from numbered
left join files.products as products on numbered.product_id = products.product_id;

create view landing.campaigns as
select
    cast(campaign_id as varchar) as campaign_id,
    'complete_journey' as brand_id,
    'Campaign ' || campaign_id || ' (' || campaign_type || ')' as name,
    'direct_mail' as channel,
    start_of(start_date) as started_at,
    -- Coupons are still redeemed on the last day.
    start_of(end_date + interval 1 day) - interval 1 second as ended_at
from files.campaign_descriptions;

create view landing.messages as
select
    mailings.campaign_id || '-' || mailings.household_id as message_id,
    'complete_journey' as brand_id,
    campaigns.campaign_id,
    cast(mailings.household_id as varchar) as contact_id,
    campaigns.started_at as sent_at
from files.campaigns as mailings
inner join landing.campaigns as campaigns
    on cast(mailings.campaign_id as varchar) = campaigns.campaign_id;

-- A household redeems only coupons of campaigns that it was sent.
create view landing.message_events as
with numbered as (
    select
        *,
        campaign_id || '-' || household_id as message_id,
        row_number() over (
            partition by campaign_id, household_id
            order by redemption_date, coupon_upc, file_row_number
        ) as redemption_no
    from files.coupon_redemptions
)

select
    message_id || '-' || redemption_no as event_id,
    message_id,
    'redeemed' as event_type,
    start_of(redemption_date) as occurred_at,
    cast(coupon_upc as varchar) as detail
from numbered;

-- A household is known from its first receipt or from the first campaign that it was sent.
create table households as
with sightings as (
    select
        cast(household_id as varchar) as household_id,
        transaction_timestamp as seen_at
    from files.transactions
    union all
    select
        contact_id as household_id,
        sent_at as seen_at
    from landing.messages
)

select
    household_id,
    min(seen_at) as known_since
from sightings
group by household_id;

create view landing.loyalty_cards as
select
    household_id as card_id,
    'complete_journey' as brand_id,
    known_since as issued_at
from households;

create view landing.contacts as
select
    household_id as contact_id,
    'complete_journey' as brand_id,
    known_since as created_at,
    household_id as card_id
from households
where household_id in (select messages.contact_id from landing.messages as messages);

-- What a third of the households are like, as far as it is known; nobody says since when.
create view landing.attributes as
with known as (
    unpivot (
        select * replace (cast(household_id as varchar) as household_id) from files.demographics
    )
    on age, income, home_ownership, marital_status, household_size, household_comp, kids_count
    into name attribute value attribute_value
)

select
    known.household_id || '-' || known.attribute as attribute_id,
    'complete_journey' as brand_id,
    households.known_since as observed_at,
    known.household_id as card_id,
    known.attribute,
    known.attribute_value as value
from known
inner join households on known.household_id = households.household_id;

create view landing.stores as
select
    cast(store_id as varchar) as store_id,
    'complete_journey' as brand_id,
    min(transaction_timestamp) as opened_at
from files.transactions
group by store_id;

-- A basket has one household, one store and one time.
create view landing.receipts as
select
    cast(basket_id as varchar) as receipt_id,
    'complete_journey' as brand_id,
    min(transaction_timestamp) as purchased_at,
    cast(min(store_id) as varchar) as store_id,
    cast(min(household_id) as varchar) as card_id,
    'USD' as currency
from files.transactions
group by basket_id;

create view landing.receipt_lines as
select
    cast(basket_id as varchar) as receipt_id,
    cast(line_no as integer) as line_no,
    if(is_coupon, null, cast(product_id as varchar)) as product_id,
    if(is_coupon, 'adjustment', 'merchandise') as line_kind,
    cast(quantity as decimal(18, 4)) as quantity,
    cast(
        cast(retail_disc as decimal(18, 4))
        + cast(coupon_disc as decimal(18, 4))
        + cast(coupon_match_disc as decimal(18, 4)) as decimal(18, 4)
    ) as discount_amount,
    cast(sales_value as decimal(18, 4)) as net_amount
from lines;

-- The catalogue has no dates and lacks a few goods that were sold.
create view landing.products as
with goods as (
    select product_id from files.products
    union
    select product_id from lines
    where not is_coupon
)

select
    cast(goods.product_id as varchar) as product_id,
    'complete_journey' as brand_id,
    start_of(date '2017-01-01') as created_at,
    nullif(
        concat_ws(
            ' > ',
            title_case(catalogue.department),
            title_case(catalogue.product_category),
            title_case(catalogue.product_type)
        ),
        ''
    ) as category_path,
    catalogue.brand || ' ' || catalogue.manufacturer_id as product_brand
from goods
left join files.products as catalogue on goods.product_id = catalogue.product_id;
