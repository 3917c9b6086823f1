-- When, where and with which brand people buy: one row per order or receipt, not yet filled.

create table purchases as
with rhythm as (
    -- Buying as a Poisson process whose rate is gamma over the people, until a dropout that
    -- comes with the same probability after each purchase. Half of the buyers come once.
    select
        n,
        1094 - pick(n, 'first purchase', 1095) as first_days_ago,
        case when u(n, 'once') < 0.46
            then 1
            else least(
                60,
                2 + floor(
                    ln(1 - u(n, 'lifetime'))
                    / ln(1 - (0.02 + 0.30 * power(u(n, 'dropout'), 2)))
                )
            )
        end::bigint as purchases,
        greatest(8, 75 / (wait(n, 'rate') + wait(n, 'rate too'))) as gap_days
    from persons
    where
        kind <> 'reader'
        and (
            not is_clean
            or persona in ('abandoned_cart', 'abandoned_checkout', 'birthday')
        )
),

ordinary_gaps as (
    select
        n,
        first_days_ago,
        k,
        case when k = 0
            then 0
            else 86400 + least(900 * 86400, gap_days * wait(n * 64 + k, 'gap') * 86400)
        end::bigint as gap_seconds
    from (select *, unnest(range(purchases)) as k from rhythm)
),

ordinary_days as (
    select
        n,
        k,
        first_days_ago - (
            sum(gap_seconds) over (
                partition by n order by k rows between unbounded preceding and current row
            ) // 86400
        )::bigint as days_ago
    from ordinary_gaps
),

planned_days as (
    select
        n,
        unnest(case persona
            when 'new_buyer' then [6 + pick(n, 'day', 12)]
            when 'high_value_buyer' then list_transform(
                range(5 + pick(n, 'orders', 4)), lambda i: 12 + 45 * i + pick(n * 64 + i, 'day', 20)
            )
            when 'losing_buyer' then list_transform(
                [150, 260, 310, 340], lambda day: day - 4 + pick(n * 512 + day, 'day', 8)
            )
            when 'vanished_buyer' then list_transform(
                range(4 + pick(n, 'receipts', 5)), lambda i: case when i = 0
                    then 83 + pick(n, 'day', 12)
                    else 100 + 60 * i + pick(n * 64 + i, 'day', 40)
                end
            )
            when 'gift_giver' then list_transform(
                range(4 + pick(n, 'gifts', 3)), lambda i: 20 + 60 * i + pick(n * 64 + i, 'day', 30)
            )
            -- In the weeks before Christmas, one year after the other.
            when 'occasion_buyer' then list_filter(
                list_transform(
                    range(1, 4), lambda i: getvariable('until') - make_date(
                        year(getvariable('until')) - i, 12, 3 + pick(n * 64 + i, 'day', 17)
                    )
                ), lambda day: day < 1094
            )
            when 'two_brand_buyer' then list_transform(
                range(12), lambda i: 15 + 28 * i + pick(n * 64 + i, 'day', 8)
            )
            when 'one_brand_buyer' then list_transform(
                range(8), lambda i: 15 + 40 * i + pick(n * 64 + i, 'day', 12)
            )
            when 'mover' then list_transform(
                range(8), lambda i: 175 + 40 * i + pick(n * 64 + i, 'day', 10)
            )
            when 'search_first' then list_transform(
                range(4), lambda i: 30 + 120 * i + pick(n * 64 + i, 'day', 40)
            )
            when 'price_seeker' then list_transform(
                range(5), lambda i: 30 + 90 * i + pick(n * 64 + i, 'day', 30)
            )
            when 'stylish_buyer' then list_transform(
                range(5), lambda i: 35 + 70 * i + pick(n * 64 + i, 'day', 40)
            )
            when 'practical_buyer' then list_transform(
                range(6), lambda i: 35 + 60 * i + pick(n * 64 + i, 'day', 20)
            )
            when 'discount_buyer' then list_transform(
                range(5), lambda i: 35 + 80 * i + pick(n * 64 + i, 'day', 40)
            )
            -- Those who stop for a reason bought every five weeks until then.
            else list_transform(
                range(7), lambda i: 150 + 35 * i + pick(n * 64 + i, 'day', 8)
            )
        end) as days_ago
    from persons
    where
        is_clean
        and kind <> 'reader'
        and persona not in ('abandoned_cart', 'abandoned_checkout', 'birthday')
),

days as (
    select n, k, days_ago, false as is_planned
    from ordinary_days
    where days_ago >= 0
    union all
    select
        n,
        row_number() over (partition by n order by days_ago desc) - 1 as k,
        days_ago,
        true as is_planned
    from planned_days
),

placed as (
    select
        days.n,
        days.k,
        days.n * 64 + days.k as doc,
        days.is_planned,
        getvariable('until') - days.days_ago::integer as drawn_day,
        case
            when persons.persona = 'two_brand_buyer' and days.k % 2 = 1
                or persons.persona = 'one_brand_buyer' and days.k = 1
                then 1 + persons.brand_no % 3
            when persons.is_in_all_brands then 1 + pick(days.n * 64 + days.k, 'any brand', 3)
            when u(days.n * 64 + days.k, 'second brand') < 0.4
                then coalesce(persons.second_brand_no, persons.brand_no)
            else persons.brand_no
        end as brand_no,
        case persons.kind
            when 'store_only' then true
            -- Those who buy everywhere begin in the shop.
            when 'omni' then days.k > 0
                and u(days.n * 64 + days.k, 'in store') < 0.5 + 0.5 * u(days.n, 'likes stores')
            else false
        end as is_store,
        persons.kind,
        persons.persona,
        persons.is_clean,
        persons.has_account,
        persons.has_card,
        persons.hour
    from days
    inner join persons on days.n = persons.n
),

pulled as (
    -- Seasons: to the weeks before Christmas for all, to April and May for home and garden.
    select
        *,
        case
            when is_planned then drawn_day
            when u(doc, 'season') < 0.14
                then make_date(year(drawn_day), 11, 15) + pick(doc, 'advent', 39)::integer
            when u(doc, 'season') < 0.30 and brand_no = 1
                then make_date(year(drawn_day), 4, 5) + pick(doc, 'spring', 52)::integer
            else drawn_day
        end as pulled_day
    from placed
),

timed as (
    select
        * exclude (drawn_day, pulled_day, hour),
        case
            when pulled_day not between getvariable('until') - 1094 and getvariable('until')
                then drawn_day
            else pulled_day
        end as day,
        -- Stores are closed on Sundays.
        to_utc(case when is_store
            then day - (dayofweek(day) = 0)::integer + to_seconds(store_clock(doc, 'till'))
            else day + to_seconds(home_clock(doc, 'order', hour))
        end) as done_at
    from pulled
),

shown as (
    select
        n,
        k,
        doc,
        brand_no,
        is_store,
        is_planned,
        persona,
        is_clean,
        done_at,
        -- A card that is forgotten at home leaves an anonymous receipt.
        is_store and has_card and (is_clean or u(doc, 'card') < 0.9) as has_card_shown,
        not is_store and (not has_account or (not is_clean and u(doc, 'guest') < 0.05)) as is_guest
    from timed
    where
        coalesce(persona not in ('abandoned_cart', 'abandoned_checkout'), true)
        or day < getvariable('until') - 15
),

last_shown as (
    select n, max(done_at) filter (where has_card_shown) as done_at
    from shown
    group by n
)

-- The vanished are planted: nobody else has shown a card for the last time about three months
-- ago.
select shown.*
from shown
inner join last_shown on shown.n = last_shown.n
where
    shown.is_clean
    or not shown.has_card_shown
    or last_shown.done_at >= getvariable('until') - 65
    or shown.done_at < getvariable('until') - 115;

-- One row for each person who has bought.
create table buyers as
select
    n,
    count(*) filter (where not is_store) as orders,
    count(*) filter (where is_guest) as guest_orders,
    min(done_at) as first_at,
    max(done_at) as last_at,
    min(done_at) filter (where not is_store and not is_guest) as first_account_order_at,
    min(done_at) filter (where has_card_shown) as first_card_at
from purchases
group by n;
