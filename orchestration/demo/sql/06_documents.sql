-- Orders and receipts with their lines, and what comes back.

create table documents as
with known as (
    select
        purchases.*,
        brands.currency,
        identifiers.gender,
        greatest(buyers.first_at, first_account.created_at) >= getvariable('until') - 45
            as is_newcomer,
        case
            when purchases.is_store or purchases.is_guest then null
            when second_account.created_at < purchases.done_at
                and u(purchases.doc, 'which account') < 0.5 then 1
            else 0
        end as account_no
    from purchases
    inner join brands on purchases.brand_no = brands.brand_no
    inner join buyers on purchases.n = buyers.n
    inner join identifiers on purchases.n = identifiers.n
    left join accounts as first_account
        on purchases.n = first_account.n and first_account.account_no = 0
    left join accounts as second_account
        on purchases.n = second_account.n and second_account.account_no = 1
),

-- The shelves of a brand's categories, as far from their ends as planted buyers need it.
shelved as (
    select
        *,
        cume_dist() over (
            partition by brand_no, split_part(category_path, ' >', 1) order by price_eur
        ) as price_share,
        u(id, 'gone') < 0.05 as is_gone
    from products
    where product_no <= 300
),

-- What the planted buyers buy: one thing of the right price.
planned_choices as (
    select
        brand_no,
        list(product_no order by product_no) filter (where category_no = 5) as premium,
        list(product_no order by product_no) filter (
            where category_no < 5 and price_share > 0.85 and not is_gone
        ) as stylish,
        list(product_no order by product_no) filter (
            where price_share between 0.48 and 0.72 and not is_gone
        ) as practical,
        list(product_no order by product_no) filter (
            where category_path like 'Home and Garden >%' and price_eur between 58 and 88
        ) as medium,
        list(product_no order by product_no) filter (
            where category_no < 5 and price_eur between 90 and 150
        ) as large
    from shelved
    group by brand_no
),

filled as (
    select
        known.*,
        case
            when known.persona = 'high_value_buyer'
                then element(known.doc, 'plan', planned_choices.premium)
            when known.persona = 'losing_buyer'
                then element(known.doc, 'plan', planned_choices.medium)
            when known.persona = 'vanished_buyer'
                then element(known.doc, 'plan', planned_choices.large)
            when known.persona = 'stylish_buyer'
                then element(known.doc, 'plan', planned_choices.stylish)
            -- The same again and again.
            when known.persona = 'practical_buyer'
                then element(known.n, 'plan', planned_choices.practical)
            -- Only men, so that no other woman looks like a buyer of high value.
            when known.gender = 'male' and not known.is_clean and u(known.doc, 'dear') < 0.008
                then element(known.doc, 'which dear', planned_choices.premium)
            else product_no(known.doc * 16, known.n)
        end as first_product_no,
        case
            when known.is_planned then 1
            else least(8, 1 + floor(1.65 * wait(known.doc, 'lines')))
        end as drawn_lines,
        case
            when known.persona = 'price_seeker' then 0.2
            when known.persona = 'discount_buyer' then 0.3
            when known.is_planned then 0
            when u(known.doc, 'sale') < 0.10 then 0.1
            when u(known.doc, 'sale') < 0.17 then 0.2
            when u(known.doc, 'sale') < 0.20 then 0.3
            else 0
        end as discount
    from known
    inner join planned_choices on known.brand_no = planned_choices.brand_no
)

select
    * exclude (drawn_lines, gender),
    -- The new buyers of one thing are planted: the first documents of others have two.
    case when is_newcomer and not is_planned
        then greatest(2, drawn_lines)
        else drawn_lines
    end::bigint as lines,
    not is_store and discount = 0.1 as has_coupon,
    not is_store and (
        coalesce(persona in ('gift_giver', 'gift_leaver'), false) or not is_clean and u(doc, 'gift') < case
            when month(done_at) = 12 and day(done_at) < 24 then 0.4
            when brand_no = 3 then 0.12
            else 0.03
        end
    ) as is_gift,
    is_gift and (persona is not distinct from 'gift_leaver' or u(doc, 'wrapped') < 0.7)
        as is_gift_wrapped,
    is_gift and u(doc, 'message') < 0.5 as has_gift_message,
    -- A present goes to whom it is for; other parcels to the buyer's place of work.
    is_gift and u(doc, 'parcel') < 0.6 as is_sent_to_friend,
    not is_store and not is_gift and not is_clean and u(doc, 'parcel') < 0.04 as is_sent_to_work,
    not is_store and not is_clean and u(doc, 'cancelled') < 0.03 as is_cancelled,
    case when is_store then late_file(done_at, doc, is_clean) else day_file(done_at) end
        as delivered_on
from filled;

create table document_lines as
with numbered as (
    select
        doc,
        n,
        brand_no,
        is_store,
        is_clean or is_newcomer as is_plain,
        discount,
        delivered_on,
        first_product_no,
        unnest(range(1, lines + 1)) as line_no
    from documents
),

chosen as (
    select
        * exclude (first_product_no),
        doc * 16 + line_no as line_id,
        case
            when line_no = 1 then first_product_no
            when product_no(line_id, n) = first_product_no then first_product_no % 280 + 1
            else product_no(line_id, n)
        end as product_no
    from numbered
),

priced as (
    select
        chosen.*,
        products.price_eur,
        products.price,
        case
            when products.price_eur > 25 or chosen.is_plain then 1
            -- Brought back to the till.
            when chosen.is_store and chosen.line_no > 1 and u(chosen.line_id, 'back') < 0.02
                then -1
            when u(chosen.line_id, 'quantity') < 0.25 then 2 + pick(chosen.line_id, 'more', 2)
            else 1
        end::decimal(18, 4) as quantity
    from chosen
    inner join products
        on chosen.brand_no = products.brand_no and chosen.product_no = products.product_no
),

summed as (
    select
        *,
        sum(quantity * price_eur) over (
            partition by doc order by line_no rows between unbounded preceding and current row
        ) as basket_eur
    from priced
)

-- What would take a basket over 330 EUR is put back; the first two lines never do.
select
    doc,
    line_no,
    brand_no,
    is_store,
    delivered_on,
    product_id(brand_no, product_no) as product_id,
    quantity,
    round(greatest(quantity, 0) * price * discount, 2)::decimal(18, 4) as discount_amount,
    (quantity * price)::decimal(18, 4) - discount_amount as net_amount,
    (quantity * price_eur)::decimal(18, 4) as gross_eur
from summed
where line_no <= 2 or basket_eur <= 330
order by doc, line_no;

-- Postage on small orders and the charge for wrapping.
create table extra_lines as
with baskets as (
    select doc, max(line_no) as lines, sum(gross_eur) as basket_eur
    from document_lines
    where not is_store
    group by doc
),

charged as (
    select
        baskets.doc,
        baskets.lines,
        documents.delivered_on,
        brands.postage,
        brands.wrapping,
        baskets.basket_eur < 50 as has_postage,
        documents.is_gift_wrapped
    from baskets
    inner join documents on baskets.doc = documents.doc
    inner join brands on documents.brand_no = brands.brand_no
)

select doc, lines + 1 as line_no, 'postage' as line_kind, postage as net_amount, delivered_on
from charged
where has_postage
union all
select
    doc,
    lines + 1 + has_postage::integer as line_no,
    'charge' as line_kind,
    wrapping as net_amount,
    delivered_on
from charged
where is_gift_wrapped
order by doc, line_no;

create table demo_shop.order_lines as
select
    order_id(doc) as order_id,
    line_no,
    product_id,
    'merchandise' as line_kind,
    quantity,
    discount_amount,
    net_amount,
    delivered_on
from document_lines
where not is_store
union all
select
    order_id(doc) as order_id,
    line_no,
    null as product_id,
    line_kind,
    1 as quantity,
    0 as discount_amount,
    net_amount,
    delivered_on
from extra_lines;

create table demo_tills.receipt_lines as
select
    receipt_id(doc) as receipt_id,
    line_no,
    product_id,
    'merchandise' as line_kind,
    quantity,
    discount_amount,
    net_amount,
    delivered_on
from document_lines
where is_store;

create table demo_tills.receipts as
select
    receipt_id(documents.doc) as receipt_id,
    brands.brand_id,
    documents.done_at as purchased_at,
    store_id(
        documents.brand_no,
        case
            when identifiers.country = brands.country
                -- The smallest store has closed.
                and (
                    identifiers.city_place < identifiers.cities
                    or documents.done_at < getvariable('until') - 1
                )
                and u(documents.doc, 'at home') < 0.85
                then identifiers.city_place
            else 1 + pick(documents.doc, 'store', 10)
        end
    ) as store_id,
    (1 + pick(documents.doc, 'till', 6))::varchar as till_id,
    case when documents.has_card_shown then card_id(documents.n) end as card_id,
    documents.currency,
    false as is_test,
    documents.delivered_on
from documents
inner join brands on documents.brand_no = brands.brand_no
inner join identifiers on documents.n = identifiers.n
where documents.is_store
order by documents.done_at, documents.doc;

-- Six in a hundred orders come back, half of them whole.
create table demo_shop.returns as
with returned as (
    select
        doc,
        n,
        is_clean,
        case when account_no is not null then account_id(n, account_no) end as account_id,
        currency,
        u(doc, 'whole') < 0.5 as is_whole,
        done_at + to_seconds(
            86400 * (6 + pick(doc, 'returned after', 15)) + 3600 * pick(doc, 'return hour', 5)
        ) as returned_at
    from documents
    where
        not is_store
        and not is_clean
        and not is_cancelled
        and u(doc, 'returned') < 0.06
)

select
    'R-' || returned.doc as return_id,
    lines.line_no,
    brands.brand_id,
    returned.returned_at,
    order_id(returned.doc) as order_id,
    returned.account_id,
    returned.currency,
    lines.product_id,
    'merchandise' as line_kind,
    -lines.quantity as quantity,
    -lines.net_amount as net_amount,
    element(
        returned.doc, 'reason', ['too small', 'damaged', 'not as shown', 'changed mind', null]
    ) as reason,
    late_file(returned.returned_at, returned.doc, returned.is_clean) as delivered_on
from returned
inner join document_lines as lines on returned.doc = lines.doc
inner join brands on lines.brand_no = brands.brand_no
where
    returned.returned_at <= the_end()
    and (returned.is_whole or lines.line_no = 1)
order by returned.returned_at, returned.doc, lines.line_no;

-- An order is delivered again on each of the last days on which its state changed.
create table demo_shop.orders as
with moments as (
    select
        documents.*,
        brands.brand_id,
        done_at + to_seconds(300 + pick(doc, 'paid after', 7200)) as paid_at,
        done_at + to_seconds(86400 + pick(doc, 'shipped after', 40000)) as shipped_at,
        done_at + to_seconds(3 * 86400 + pick(doc, 'completed after', 150000)) as completed_at,
        done_at + to_seconds(20000 + pick(doc, 'cancelled after', 90000)) as cancelled_at
    from documents
    inner join brands on documents.brand_no = brands.brand_no
    where not is_store
),

deliveries as (
    select
        case when days_ago < 3 then getvariable('until') - days_ago::integer end as delivered_on,
        case when days_ago < 3 then getvariable('until') - days_ago::integer end::timestamp
            as from_at,
        (getvariable('until') - days_ago::integer + 1)::timestamp as to_at
    from (select range as days_ago from range(4))
),

versions as (
    select
        moments.* exclude (delivered_on),
        deliveries.delivered_on,
        deliveries.from_at,
        case
            when is_cancelled and cancelled_at < to_at then 'cancelled'
            when not is_cancelled and completed_at < to_at then 'completed'
            when not is_cancelled and shipped_at < to_at then 'shipped'
            when paid_at < to_at then 'paid'
            else 'placed'
        end as status,
        case status
            when 'cancelled' then cancelled_at
            when 'completed' then completed_at
            when 'shipped' then shipped_at
            when 'paid' then paid_at
        end as updated_at
    from moments
    inner join deliveries on moments.done_at < deliveries.to_at
)

select
    order_id(versions.doc) as order_id,
    versions.brand_id,
    versions.done_at as ordered_at,
    versions.updated_at,
    case when versions.account_no is not null
        then account_id(versions.n, versions.account_no)
    end as account_id,
    case
        when versions.account_no = 1 and u(versions.n, 'same email') >= 0.3
            then identifiers.second_email
        when versions.is_clean then identifiers.email
        else typed_email(identifiers.email, versions.doc, 'order email')
    end as email,
    case
        when versions.is_clean then identifiers.phone
        when versions.account_no = 1 or u(versions.doc, 'order phone') < 0.2 then null
        else typed_phone(
            identifiers.phone, identifiers.calling_code, identifiers.is_native, versions.doc,
            'order phone typed'
        )
    end as phone,
    case when u(versions.doc, 'tracked') < case when versions.is_guest then 0.5 else 0.75 end
        then own_visitor_id(versions.n, households.household, versions.doc)
    end as visitor_id,
    versions.status,
    versions.currency,
    case when versions.has_coupon
        then element(month(versions.done_at), versions.brand_id, ['SPRING', 'HELLO', 'THANKS'])
            || '10'
    end as coupon_code,
    versions.is_gift_wrapped,
    versions.has_gift_message,
    identifiers.postal_code,
    identifiers.city,
    identifiers.country,
    case
        when versions.is_sent_to_friend
            then friends.first_name || ' ' || friends.last_name
        else identifiers.first_name || ' ' || identifiers.last_name
    end as recipient_name,
    case
        when versions.is_sent_to_friend then friends.street
        when versions.is_sent_to_work
            then element(versions.n, 'work', ['Rynek', 'Marktplatz', 'Náměstí']) || ' 1'
    end as delivery_street,
    case
        when versions.is_sent_to_friend then friends.postal_code
        when versions.is_sent_to_work
            then postal_code(
                identifiers.country, left(identifiers.postal_code, 2), versions.n, 'work code'
            )
    end as delivery_postal_code,
    case
        when versions.is_sent_to_friend then friends.city
        when versions.is_sent_to_work then identifiers.city
    end as delivery_city,
    case
        when versions.is_sent_to_friend then friends.country
        when versions.is_sent_to_work then identifiers.country
    end as delivery_country,
    false as is_test,
    versions.delivered_on
from versions
inner join identifiers on versions.n = identifiers.n
inner join identifiers as friends
    on 1 + (versions.n + pick(versions.n, 'friend', 97)) % getvariable('persons') = friends.n
left join households on versions.n = households.n
where
    versions.from_at is null
    or coalesce(versions.updated_at, versions.done_at) >= versions.from_at
order by versions.done_at, versions.doc, versions.updated_at nulls first;

-- What was tried and paid; who cancels gets the money back.
create table demo_shop.payments as
with totals as (
    select doc, sum(net_amount) as amount
    from (
        select doc, net_amount from document_lines where not is_store
        union all
        select doc, net_amount from extra_lines
    )
    group by doc
),

moments as (
    select
        documents.doc,
        brands.brand_id,
        documents.currency,
        totals.amount,
        documents.is_cancelled,
        element(
            documents.n, 'pays by', ['card', 'card', 'transfer', 'wallet', 'cash_on_delivery']
        ) as method,
        documents.done_at + to_seconds(300 + pick(documents.doc, 'paid after', 7200)) as paid_at,
        documents.done_at + to_seconds(20000 + pick(documents.doc, 'cancelled after', 90000))
            as cancelled_at
    from documents
    inner join totals on documents.doc = totals.doc
    inner join brands on documents.brand_no = brands.brand_no
    where not documents.is_store
),

steps as (
    select
        *, 1 as step, 'failed' as status, paid_at - interval 2 minutes as done_at,
        'declined' as failure_reason
    from moments
    where method in ('card', 'wallet') and u(doc, 'declined') < 0.04
    union all
    select *, 2, 'paid', paid_at, null
    from moments
    union all
    select *, 3, 'refunded', cancelled_at + interval 1 day, null
    from moments
    where is_cancelled
)

select
    'PY-' || (doc * 4 + step) as payment_id,
    brand_id,
    done_at as paid_at,
    order_id(doc) as order_id,
    method,
    status,
    currency,
    amount,
    failure_reason,
    day_file(done_at) as delivered_on
from steps
where done_at <= the_end()
order by done_at, doc, step;

-- Firms and some others ask for an invoice, which the ERP writes.
create table demo_erp.invoices as
with issued as (
    select
        payments.*,
        documents.doc,
        documents.n,
        documents.account_no,
        documents.done_at + interval 1 day as issued_at,
        payments.paid_at + interval 1 day as settled_at
    from demo_shop.payments as payments
    inner join documents on payments.order_id = order_id(documents.doc)
    where payments.status = 'paid' and u(documents.doc, 'invoice') < 0.1
)

select
    'F-' || doc as invoice_id,
    brand_id,
    issued_at,
    null::timestamp as updated_at,
    order_id,
    case when account_no is not null then account_id(n, account_no) end as account_id,
    currency,
    amount,
    issued_at::date + 14 as due_on,
    case when settled_at <= issued_at then issued_at end as paid_at,
    day_file(issued_at) as delivered_on
from issued
where issued_at <= the_end()
order by issued_at, doc;
