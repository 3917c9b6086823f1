-- Web sessions and their events.

-- A cart that is left behind is planted: nobody else who is known leaves one in the last days.
create macro may_leave_cart(done_at) as done_at < getvariable('until') - 12;

-- Products by brand that cannot be had: sold out, and off the list.
set variable sold_out = (
    select list(numbers order by brand_no)
    from (
        select
            products.brand_no, list(products.product_no order by products.product_no) as numbers
        from products
        inner join demo_catalog.products as listed
            on listed.product_id = product_id(products.brand_no, products.product_no)
            and listed.updated_at is null
            and listed.stock = 0
        group by products.brand_no
    )
);
set variable gone_names = (
    select list(names order by brand_no)
    from (
        select products.brand_no, list(lower(products.name) order by products.product_no) as names
        from products
        inner join demo_catalog.products as listed
            on listed.product_id = product_id(products.brand_no, products.product_no)
            and listed.discontinued_at is not null
        group by products.brand_no
    )
);

-- session_no: 4096 for each person; 0 up for browsing, 1000 up for plans, 1024 up for orders,
-- 2048 up for clicks. Visitors who are nobody have numbers above the persons', kiosks above them.
create table sessions as
with browsers as (
    select
        persons.n,
        persons.hour,
        persons.brand_no,
        persons.second_brand_no,
        accounts.created_at as account_created_at,
        households.household,
        least(40, floor(wait(persons.n, 'sessions') * case
            when persons.kind in ('online', 'omni', 'reader') and persons.has_account then 4.2
            when persons.kind in ('guest_only', 'reader') then 2
            else 0.8
        end))::bigint as sessions,
        -- From some weeks before the first trace to half a year after the last purchase.
        greatest(
            getvariable('until') - 1094,
            least(
                coalesce(accounts.created_at, contacts.created_at, buyers.first_at, the_end()),
                coalesce(buyers.first_at, the_end())
            )::date - 30
        ) as from_day,
        least(
            getvariable('until'),
            coalesce(buyers.last_at::date + 180, getvariable('until'))
        ) as to_day
    from persons
    left join accounts on persons.n = accounts.n and accounts.account_no = 0
    left join contacts on persons.n * 4 = contacts.contact_no
    left join households on persons.n = households.n
    left join buyers on persons.n = buyers.n
    where persons.persona is null
        or persons.persona in (
            'high_value_buyer', 'abandoned_cart', 'abandoned_checkout', 'birthday'
        )
),

browsing as (
    select *, unnest(range(n * 4096, n * 4096 + sessions)) as session_no
    from browsers
),

browsed as (
    select
        session_no,
        n,
        case when u(session_no, 'brand') < 0.25
            then coalesce(second_brand_no, brand_no)
            else brand_no
        end as brand_no,
        to_utc(
            from_day + floor(u(session_no, 'day') * (to_day - from_day + 1))::integer
            + to_seconds(home_clock(session_no, 'start', hour))
        ) as started_at,
        own_visitor_id(n, household, session_no) as visitor_id,
        case when account_created_at < started_at and u(session_no, 'logged in') < 0.4
            then account_id(n, 0)
        end as account_id,
        2 + pick(session_no, 'events', 7) as events,
        may_leave_cart(started_at) as has_carts
    from browsing
),

bought as (
    select
        documents.n * 4096 + 1024 + documents.k as session_no,
        documents.n,
        documents.brand_no,
        documents.done_at
            - to_seconds(4 * (30 + pick(documents.n * 4096 + 1024 + documents.k, 'pace', 180)))
            as started_at,
        own_visitor_id(documents.n, households.household, documents.doc) as visitor_id,
        case when documents.account_no is not null
            then account_id(documents.n, documents.account_no)
        end as account_id,
        5 as events,
        ['page_view', 'product_view', 'cart_add', 'checkout_step', 'purchase'] as plan,
        order_id(documents.doc) as order_id,
        documents.first_product_no,
        true as has_carts
    from documents
    left join households on documents.n = households.n
    where
        not documents.is_store
        and (documents.persona is null or documents.persona in (
            'high_value_buyer', 'vanished_buyer', 'losing_buyer', 'abandoned_cart', 'birthday',
            'one_brand_buyer', 'two_brand_buyer'
        ))
        and u(documents.doc, 'tracked') < 0.5
        and (may_leave_cart(documents.done_at) or not documents.is_cancelled)
),

clicked as (
    select
        messages.n * 4096 + 2048
            + (messages.contact_no % 4) * 512 + messages.message_no % 512 as session_no,
        messages.n,
        messages.brand_no,
        messages.clicked_at + interval 20 seconds as started_at,
        own_visitor_id(messages.n, households.household, session_no) as visitor_id,
        case when accounts.created_at < messages.clicked_at
            and (messages.is_clean or u(session_no, 'logged in') < 0.25)
            then account_id(messages.n, 0)
        end as account_id,
        2 + pick(session_no, 'events', 5) as events,
        messages.message_no,
        may_leave_cart(messages.clicked_at) as has_carts
    from messages
    left join accounts on messages.n = accounts.n and accounts.account_no = 0
    left join households on messages.n = households.n
    where messages.clicked_at is not null
),

planned_visits as (
    -- The vanished visit once in the last month and once, clicks aside, in the month before.
    -- Those who are being lost search and fill carts, and look at nothing.
    select
        n,
        unnest(case persona
            when 'vanished_buyer' then [
                {'days_ago': 9 + pick(n, 'visit', 6), 'events': ['page_view', 'product_view']},
                {'days_ago': 53 + pick(n, 'visit', 3), 'events': ['page_view', 'product_view']},
                {'days_ago': 130 + pick(n, 'visit', 60), 'events': ['page_view', 'product_view']},
                {'days_ago': 220 + pick(n, 'visit', 60), 'events': ['page_view', 'blog_read']}
            ]
            when 'losing_buyer' then [
                {'days_ago': 65 + pick(n, 'visit', 18), 'events': ['search', 'search', 'cart_add']},
                {'days_ago': 40 + pick(n, 'visit', 18), 'events': ['search', 'search']},
                {'days_ago': 16 + pick(n, 'visit', 18), 'events': ['search', 'cart_remove']}
            ]
            when 'abandoned_cart' then [
                {
                    'days_ago': 1 + pick(n, 'visit', 4),
                    'events': ['page_view', 'product_view', 'cart_add']
                }
            ]
            when 'abandoned_checkout' then [
                {
                    'days_ago': 2 + pick(n, 'visit', 4),
                    'events': ['product_view', 'cart_add', 'checkout_step']
                }
            ]
            when 'search_first' then list_transform(range(4), lambda i: {
                'days_ago': 20 + 40 * i + pick(n * 8 + i, 'visit', 20),
                'events': ['search', 'product_view', 'product_view', 'cart_add', 'product_view']
            })
            when 'price_seeker' then list_transform(range(5), lambda i: {
                'days_ago': 20 + 40 * i + pick(n * 8 + i, 'visit', 20),
                'events': ['product_view', 'product_view']
            })
            when 'accidental_visitor' then [
                {'days_ago': 12 + pick(n, 'visit', 60), 'events': ['page_view']}
            ]
            when 'blog_reader' then list_transform(range(4), lambda i: {
                'days_ago': 5 + 25 * i + pick(n * 8 + i, 'visit', 15),
                'events': ['blog_read', 'blog_read', 'page_view']
            })
            -- What those see who then stop: other prices, empty shelves, nothing found.
            when 'price_leaver' then list_transform(range(3), lambda i: {
                'days_ago': 90 + 20 * i + pick(n * 8 + i, 'visit', 8),
                'events': ['product_view', 'cart_add', 'cart_remove']
            })
            when 'stock_out' then list_transform(range(3), lambda i: {
                'days_ago': 90 + 20 * i + pick(n * 8 + i, 'visit', 8),
                'events': ['product_view', 'product_view']
            })
            when 'offer_mismatch' then list_transform(range(3), lambda i: {
                'days_ago': 90 + 20 * i + pick(n * 8 + i, 'visit', 8),
                'events': ['search', 'search']
            })
        end) as visit
    from persons
    where is_clean
),

planned as (
    select
        persons.n * 4096 + 1000
            + row_number() over (partition by persons.n order by visit.days_ago) as session_no,
        persons.n,
        persons.brand_no,
        to_utc(
            getvariable('until') - visit.days_ago::integer
            + to_seconds(home_clock(persons.n * 512 + visit.days_ago, 'visit', persons.hour))
        ) as started_at,
        own_visitor_id(persons.n, null, session_no) as visitor_id,
        account_id(persons.n, 0) as account_id,
        len(visit.events) as events,
        visit.events as plan,
        case when persons.persona = 'stock_out'
            then element(session_no, 'sold out', getvariable('sold_out')[persons.brand_no])
        end as first_product_no,
        true as has_carts
    from planned_visits
    inner join persons on planned_visits.n = persons.n
),

anonymous_visits as (
    select
        visitor,
        unnest(range(visitor * 4096, visitor * 4096 + 1 + pick(visitor, 'visits', 3)))
            as session_no
    from (
        select range as visitor
        from range(
            getvariable('persons') + 1, getvariable('persons') + getvariable('persons') // 2 + 1
        )
    )
),

anonymous as (
    select
        session_no,
        1 + pick(visitor, 'brand', 3) as brand_no,
        to_utc(
            getvariable('until') - greatest(
                0, pick(visitor, 'first day', 1095) - (session_no % 4096) * 9
            )::integer + to_seconds(home_clock(session_no, 'start', 15))
        ) as started_at,
        visitor_id(visitor, 'nobody') as visitor_id,
        case
            when u(session_no, 'from') >= 0.30 and u(session_no, 'from') < 0.36
                and u(session_no, 'meant it') < 0.5
                then 1
            else 2 + pick(session_no, 'events', 5)
        end as events,
        true as has_carts
    from anonymous_visits
),

kiosk_visits as (
    -- A screen in a store on which dozens of people log in.
    select
        kiosk,
        unnest(range(60)) as visit,
        (2 * getvariable('persons') + kiosk) * 4096 + visit as session_no,
        1 + pick(session_no, 'person', getvariable('persons')) as n
    from (
        select range as kiosk
        from range(greatest(1, getvariable('persons') // 4000))
    )
),

kiosks as (
    select
        kiosk_visits.session_no,
        kiosk_visits.n,
        persons.brand_no,
        to_utc(
            getvariable('until') - pick(session_no, 'day', 600)::integer
            + to_seconds(store_clock(session_no, 'start'))
        ) as started_at,
        visitor_id(kiosk_visits.kiosk, 'kiosk') as visitor_id,
        account_id(kiosk_visits.n, 0) as account_id,
        2 + pick(session_no, 'events', 3) as events,
        may_leave_cart(started_at) as has_carts
    from kiosk_visits
    inner join persons on kiosk_visits.n = persons.n
    inner join accounts on kiosk_visits.n = accounts.n and accounts.account_no = 0
    where not persons.is_clean and accounts.created_at < started_at
),

visits as (
    select * from browsed
    union all by name
    select * from bought
    union all by name
    select * from clicked
    union all by name
    select * from planned
    union all by name
    select * from anonymous
    union all by name
    select * from kiosks
)

-- In the order of time, which the events keep.
select
    visits.*,
    brands.brand_id,
    brands.site,
    coalesce(persons.is_clean, false) as is_clean,
    coalesce(persons.persona = 'offer_mismatch', false) as finds_nothing,
    coalesce(persons.country, brands.country) as country,
    coalesce(visits.n, visits.session_no) as taste,
    30 + pick(visits.session_no, 'pace', 180) as pace,
    case when visits.message_no is not null then coalesce(mailings.name, 'Service') end
        as mailing,
    case
        when visits.message_no is not null then null
        when persons.persona in ('price_seeker', 'price_leaver') then brands.price_comparison
        when u(visits.session_no, 'from') < 0.30 then 'google.com'
        when u(visits.session_no, 'from') < 0.36 then 'facebook.com'
        when u(visits.session_no, 'from') < 0.42 then brands.price_comparison
        when u(visits.session_no, 'from') < 0.44 then 'instagram.com'
    end as referrer,
    -- Some of those whom an advertisement brings did not mean to click.
    case
        when visits.message_no is not null then 'email'
        when persons.persona = 'accidental_visitor' then 'cpc'
        when u(visits.session_no, 'from') >= 0.30 and u(visits.session_no, 'from') < 0.36
            then 'cpc'
    end as medium,
    element(
        visits.visitor_id, 'device', ['phone', 'phone', 'phone', 'desktop', 'desktop', 'tablet']
    ) as device_type
from visits
inner join brands on visits.brand_no = brands.brand_no
left join persons on visits.n = persons.n
left join mailings
    on visits.brand_no = mailings.brand_no and visits.message_no % 512 = mailings.week
order by visits.started_at, visits.session_no;

-- No join here: the events come out in the order of the sessions.
create table demo_web.web_events as
with numbered as (
    select *, unnest(range(events)) as position
    from sessions
),

drawn as (
    select *, session_no * 16 + position as event_no, u(event_no, 'act') as act
    from numbered
),

acted as (
    -- Every session that is not planned begins with a page and a product, and searches once
    -- at most, so that searches stay below a third of what a person looks at.
    select
        *,
        case
            when plan is not null then plan[position + 1]
            when position = 0 then 'page_view'
            when position = 1 then 'product_view'
            when position = 2 and act < 0.35 then 'search'
            when act < 0.52 then 'product_view'
            when act < 0.72 then 'page_view'
            when act < 0.92 and not has_carts then 'product_view'
            when act < 0.86 then 'cart_add'
            when act < 0.89 then 'cart_remove'
            when act < 0.92 then 'checkout_step'
            when act < 0.97 then 'blog_read'
            when act < 0.975 then 'download'
            when act < 0.980 then 'quiz'
            when act < 0.983 then 'contest'
            when act < 0.993 then 'wishlist_add'
            else 'form'
        end as event_type,
        started_at + to_seconds(position * pace) as occurred_at
    from drawn
),

pictured as (
    select
        *,
        case when event_type in ('product_view', 'cart_add', 'cart_remove', 'wishlist_add')
            then product_id(
                brand_no,
                coalesce(
                    first_product_no,
                    product_no(case when plan is null then event_no else session_no end, taste)
                )
            )
        end as product_id,
        case
            when event_type <> 'search' then null
            when u(event_no, 'old') < 0.05
                then element(event_no, 'which old', getvariable('gone_names')[brand_no])
            else element(event_no, 'term', case brand_no
                when 1 then ['spade', 'garden chair', 'frying pan', 'bed linen', 'parasol', 'lamp']
                when 2 then ['drill', 'hammer', 'wall paint', 'screws', 'ladder', 'saw']
                else ['perfume', 'face cream', 'gift', 'candle', 'advent calendar', 'soap']
            end)
        end as search_term,
        case when event_type = 'checkout_step'
            then element(event_no, 'checkout', ['login', 'address', 'delivery', 'payment'])
        end as checkout_step
    from acted
)

select
    'W-' || event_no as event_id,
    brand_id,
    visitor_id,
    account_id,
    event_type,
    occurred_at,
    site,
    case event_type
        when 'search' then '/search?q=' || replace(search_term, ' ', '+')
        when 'page_view' then element(event_no, 'page', ['/', '/new', '/sale', '/stores', '/gifts'])
        when 'blog_read' then '/blog/' || (1 + pick(event_no, 'post', 40))
        when 'checkout_step' then '/checkout/' || checkout_step
        when 'quiz' then '/quiz'
        when 'contest' then '/contest'
        when 'purchase' then '/checkout/thanks'
        when 'form' then '/contact'
        when 'download' then '/catalogue.pdf'
        else '/p/' || product_id
    end as url,
    case when position = 0 then referrer end as referrer,
    case when mailing is not null then 'newsletter' when medium = 'cpc' then 'facebook' end
        as utm_source,
    medium as utm_medium,
    mailing as utm_campaign,
    product_id,
    search_term,
    case
        when event_type <> 'search' then null
        when finds_nothing or u(event_no, 'found') < 0.08 then 0
        else 1 + pick(event_no, 'results', 40)
    end as result_count,
    case when event_type = 'purchase' then order_id end as order_id,
    device_type,
    checkout_step,
    case
        when event_type = 'blog_read' then 'post-' || (1 + pick(event_no, 'post', 40))
        when event_type in ('form', 'download', 'quiz', 'contest') then event_type || '-1'
    end as content_id,
    country,
    n,
    session_no,
    is_clean,
    late_file(occurred_at, event_no, is_clean) as delivered_on
from pictured
where occurred_at <= the_end();

-- A cart for each session that filled one. Who thinks better of it empties it.
create table carts as
select
    session_no,
    n,
    brand_id,
    max(visitor_id) as visitor_id,
    max(account_id) as account_id,
    min(occurred_at) filter (where event_type = 'cart_add') as created_at,
    max(occurred_at) as changed_at,
    max(order_id) as order_id,
    case
        when max(order_id) is not null then 'ordered'
        when bool_or(event_type = 'cart_remove') then 'emptied'
        else 'open'
    end as status,
    case
        when max(order_id) is not null then 'review'
        else arg_max(checkout_step, event_id) filter (where checkout_step is not null)
    end as checkout_step,
    day_file(changed_at) as delivered_on
from demo_web.web_events
group by session_no, n, brand_id
having bool_or(event_type = 'cart_add');

create table demo_shop.carts as
select
    'CA-' || carts.session_no as cart_id,
    carts.brand_id,
    carts.created_at,
    carts.changed_at as updated_at,
    carts.account_id,
    -- Some guests give their address before they leave.
    case when carts.account_id is null and u(carts.session_no, 'cart email') < 0.15
        then identifiers.email
    end as email,
    null::varchar as card_id,
    null::varchar as contact_id,
    null::varchar as phone,
    carts.visitor_id,
    carts.status,
    carts.order_id,
    carts.checkout_step,
    case when carts.status = 'open' and carts.checkout_step = 'payment'
        and u(carts.session_no, 'problem') < 0.5
        then element(carts.session_no, 'which problem', ['payment_declined', 'coupon_rejected'])
    end as problem,
    brands.currency,
    carts.delivered_on
from carts
inner join brands on carts.brand_id = brands.brand_id
left join identifiers on carts.n = identifiers.n
order by carts.changed_at, carts.session_no;

create table demo_shop.cart_lines as
select
    'CA-' || web_events.session_no as cart_id,
    row_number() over (
        partition by web_events.session_no order by web_events.occurred_at, web_events.event_id
    ) as line_no,
    web_events.occurred_at as added_at,
    web_events.product_id,
    1 as quantity,
    products.price as unit_price,
    carts.delivered_on
from demo_web.web_events
inner join carts on web_events.session_no = carts.session_no
inner join products
    on web_events.product_id = product_id(products.brand_no, products.product_no)
where web_events.event_type = 'cart_add'
order by web_events.occurred_at, web_events.event_id;
