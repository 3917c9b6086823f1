import csv
import json
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from orchestration.contract import Entity, load_contract
from orchestration.demo.generator import SYSTEMS, make_demo
from orchestration.paths import PROJECT, Paths

CONTRACT = load_contract()
PERSONAS = (
    "abandoned_cart",
    "abandoned_checkout",
    "accidental_visitor",
    "birthday",
    "discount_buyer",
    "gift_leaver",
    "high_value_buyer",
    "losing_buyer",
    "new_buyer",
    "practical_buyer",
    "stylish_buyer",
    "vanished_buyer",
)


def quiet(_line: str) -> None:
    """Progress that nobody reads."""


class Demo:
    """One demo group: a view for each system and entity, the truth, and what is known of it."""

    def __init__(self, paths: Paths, persons: int, seed: int, until: date) -> None:
        make_demo(paths, persons, seed, until, quiet)
        self.paths = paths
        self.persons = persons
        self.until = until
        self.planted: dict[str, Any] = json.loads((paths.truth / "planted.json").read_text())
        self.connection = duckdb.connect()
        self.connection.execute(f"set variable until = date '{until}'")
        self.entities = [
            (folder.parent.name, CONTRACT[folder.name])
            for folder in sorted(paths.landing.glob("*/*"))
        ]
        for system, entity in self.entities:
            self.connection.execute(f"create schema if not exists {system}")
            self.connection.execute(
                f"create view {system}.{entity.name} as from read_parquet("
                f"'{paths.landing / system / entity.name}/*.parquet', filename = true)"
            )
        for file in paths.truth.glob("*.parquet"):
            self.connection.execute(f"create view {file.stem} as from read_parquet('{file}')")
        for name in ("cities", "exchange_rates"):
            file = PROJECT / "seeds" / f"{name}.csv"
            self.connection.execute(f"create view {name} as from read_csv('{file}')")
        self.connection.execute(VIEWS)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql).fetchall()

    def value(self, sql: str) -> Any:
        [(value,)] = self.rows(sql)
        return value

    def people(self, sql: str) -> set[str]:
        return {person for (person,) in self.rows(sql)}

    def labelled(self, label: str) -> set[str]:
        return self.people(f"select person_id from person_labels where label = '{label}'")

    def files(self) -> list[Path]:
        return sorted(self.paths.landing.rglob("*.parquet"))


# What the tests ask about, made from the landed files alone, with people from the truth.
VIEWS = """
create table person_of as
select source_entity, source_record_id as id, any_value(person_id) as person_id
from record_person
group by all
having count(distinct person_id) = 1;

create table accounts_now as
select accounts.*, person_of.person_id
from demo_shop.accounts
join person_of on source_entity = 'accounts' and id = account_id
qualify row_number() over (
    partition by account_id order by coalesce(updated_at, created_at) desc
) = 1;

create table contacts_now as
select contacts.*, person_of.person_id
from demo_mail.contacts
join person_of on source_entity = 'contacts' and id = contact_id
qualify row_number() over (
    partition by contact_id order by coalesce(updated_at, created_at) desc
) = 1;

create table orders_now as
select orders.*, person_of.person_id
from demo_shop.orders
join person_of on source_entity = 'orders' and id = order_id
qualify row_number() over (
    partition by order_id order by coalesce(updated_at, ordered_at) desc
) = 1;

create table rates as
select currency, arg_max(rate, valid_from) as rate
from exchange_rates
group by currency;

create table purchases as
select
    person_id, order_id as document, 'shop' as channel, ordered_at as done_at, status,
    count(*) filter (where line_kind = 'merchandise') as lines,
    sum(quantity) filter (where line_kind = 'merchandise') as units,
    sum(net_amount * rate) filter (where line_kind = 'merchandise') as eur,
    list(distinct product_id) filter (where line_kind = 'merchandise') as products
from orders_now
join demo_shop.order_lines using (order_id)
join rates using (currency)
group by all
union all
select
    person_id, receipt_id, 'store', purchased_at, 'completed',
    count(*), sum(quantity), sum(net_amount * rate), list(distinct product_id)
from demo_tills.receipts
join person_of on source_entity = 'receipts' and id = receipt_id
join demo_tills.receipt_lines using (receipt_id)
join rates using (currency)
group by all;

-- Who did it: the account that is logged in, else the person whose cookie it is.
create table web as
select distinct
    web_events.* exclude (filename),
    coalesce(by_account.person_id, by_visitor.person_id) as person_id
from demo_web.web_events
left join person_of as by_account
    on by_account.source_entity = 'accounts' and by_account.id = web_events.account_id
left join person_of as by_visitor
    on by_visitor.source_entity = 'visitors' and by_visitor.id = web_events.visitor_id;

create table mail as
select distinct
    message_events.event_id, message_events.event_type, message_events.occurred_at,
    contacts_now.person_id
from demo_mail.message_events
join demo_mail.messages using (message_id)
join contacts_now using (contact_id);

create macro days_ago(done_at) as date_diff('day', done_at::date, getvariable('until'));
"""

IN_JUNE = date(2026, 6, 30)
BEFORE_MARCH = date(2026, 2, 24)


@pytest.fixture(
    scope="module",
    params=[(1_500, 7, IN_JUNE), (1_000, 3, BEFORE_MARCH)],
    ids=["in June", "before 1 March"],
)
def demo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    persons, seed, until = request.param
    return Demo(Paths(tmp_path_factory.mktemp("demo")), persons, seed, until)


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the demo be made by one thread."""
    connect = duckdb.connect

    def connect_with_one_thread(file: Path) -> duckdb.DuckDBPyConnection:
        return connect(file, config={"threads": 1})

    monkeypatch.setattr(duckdb, "connect", connect_with_one_thread)


def times(entity: Entity) -> str:
    """SQL of the time that decides on the file of a row."""
    return f"coalesce({', '.join(c for c in (entity.version, entity.event_at) if c)})"


# The same again


@pytest.mark.usefixtures("one_thread")
def test_one_thread_makes_the_same_rows_in_the_same_order(demo: Demo, tmp_path: Path) -> None:
    again = Paths(tmp_path / "again")
    parameters: dict[str, Any] = demo.planted["parameters"]
    make_demo(again, parameters["persons"], parameters["seed"], demo.until, quiet)
    names = [file.relative_to(demo.paths.data) for file in demo.files()]
    made = sorted(again.landing.rglob("*.parquet"))
    assert [file.relative_to(again.data) for file in made] == names
    truth = [Path("truth/record_person.parquet"), Path("truth/person_labels.parquet")]
    different = [
        str(name)
        for name in names + truth
        if not pq.read_table(demo.paths.data / name).equals(pq.read_table(again.data / name))
    ]
    assert different == []
    assert json.loads((again.truth / "planted.json").read_text()) == demo.planted


def test_another_seed_makes_other_people(demo: Demo, tmp_path: Path) -> None:
    other = Demo(Paths(tmp_path), 1_000, 99, demo.until)
    emails = "select distinct email from demo_shop.accounts where email not like '%biuro%'"
    shared = demo.people(emails) & other.people(emails)
    assert len(shared) < 30


def test_a_new_demo_replaces_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    own = paths.landing / "my_shop" / "orders" / "history.parquet"
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    make_demo(paths, 1_000, 1, IN_JUNE, quiet)
    make_demo(paths, 1_000, 1, IN_JUNE - timedelta(days=10), quiet)
    assert own.read_text() == "mine"
    days = {file.stem for file in paths.landing.glob("demo_web/web_events/*.parquet")}
    assert days == {"history", "2026-06-18", "2026-06-19", "2026-06-20"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["landing", "truth"]


@pytest.mark.parametrize("persons", [0, 999, 10_000_000])
def test_too_few_or_too_many_persons_are_refused(persons: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"persons must be from 1,000 to 9,999,999"):
        make_demo(Paths(tmp_path / "data"), persons, 1, IN_JUNE, quiet)
    assert not (tmp_path / "data").exists()


# The shape of the contract


def test_every_entity_of_the_contract_is_delivered(demo: Demo) -> None:
    assert {system for system, _ in demo.entities} == set(SYSTEMS)
    assert {entity.name for _, entity in demo.entities} == set(CONTRACT)


def test_files_have_the_columns_and_types_of_the_contract(demo: Demo) -> None:
    for file in demo.files():
        described = demo.rows(
            f"select column_name, lower(column_type) from (describe from read_parquet('{file}'))"
        )
        expected = [(c.name, c.data_type) for c in CONTRACT[file.parent.name].columns]
        assert described == expected, file


def test_values_keep_to_the_contract(demo: Demo) -> None:
    wrong = []
    for system, entity in demo.entities:
        for column in entity.columns:
            rules = []
            if column.required:
                rules.append(f"{column.name} is not null")
            if column.values:
                values = ", ".join(f"'{value}'" for value in column.values)
                rules.append(f"{column.name} in ({values})")
            if column.pattern:
                rules.append(f"regexp_matches({column.name}, '{column.pattern}')")
            if column.minimum is not None:
                rules.append(f"{column.name} >= {column.minimum}")
            if column.maximum is not None:
                rules.append(f"{column.name} <= {column.maximum}")
            wrong += [
                (system, entity.name, rule)
                for rule in rules
                if demo.value(f"select count(*) from {system}.{entity.name} where not ({rule})")
            ]
    assert wrong == []


def test_keys_are_unique_but_for_the_rows_planted_twice(demo: Demo) -> None:
    repeated = {}
    for system, entity in demo.entities:
        key = ", ".join(entity.key)
        if entity.kind == "record":
            key += f", {times(entity)}"
        rows = demo.value(f"select count(*) - count(distinct ({key})) from {system}.{entity.name}")
        if rows:
            repeated[f"{system}/{entity.name}"] = rows
    assert repeated == demo.planted["repeated_rows"]
    assert set(repeated) == {"demo_mail/message_events", "demo_web/web_events"}


def test_a_row_planted_twice_is_the_same_and_in_a_later_file(demo: Demo) -> None:
    for name in demo.planted["repeated_rows"]:
        table = name.replace("/", ".")
        twice = demo.rows(f"""
            select count(distinct rows), list(parse_filename(filename, true) order by filename)
            from (select event_id, filename, (columns(* exclude (filename)))::varchar as rows
                  from {table})
            group by event_id
            having count(distinct filename) > 1
        """)
        assert len(twice) == demo.planted["repeated_rows"][name]
        days = [str(demo.until - timedelta(days=2)), str(demo.until - timedelta(days=1))]
        assert all(files == days for _, files in twice)


@pytest.mark.parametrize(
    ("child", "column", "parent", "key"),
    [
        ("demo_shop.order_lines", "order_id", "demo_shop.orders", "order_id"),
        ("demo_shop.orders", "account_id", "demo_shop.accounts", "account_id"),
        ("demo_shop.returns", "order_id", "demo_shop.orders", "order_id"),
        ("demo_shop.returns", "account_id", "demo_shop.accounts", "account_id"),
        ("demo_shop.order_lines", "product_id", "demo_catalog.products", "product_id"),
        ("demo_tills.receipts", "store_id", "demo_tills.stores", "store_id"),
        ("demo_tills.receipts", "card_id", "demo_tills.loyalty_cards", "card_id"),
        ("demo_tills.receipt_lines", "receipt_id", "demo_tills.receipts", "receipt_id"),
        ("demo_tills.receipt_lines", "product_id", "demo_catalog.products", "product_id"),
        ("demo_tills.loyalty_cards", "account_id", "demo_shop.accounts", "account_id"),
        ("demo_mail.messages", "contact_id", "demo_mail.contacts", "contact_id"),
        ("demo_mail.messages", "campaign_id", "demo_mail.campaigns", "campaign_id"),
        ("demo_mail.message_events", "message_id", "demo_mail.messages", "message_id"),
        ("demo_mail.contacts", "account_id", "demo_shop.accounts", "account_id"),
        ("demo_mail.contacts", "card_id", "demo_tills.loyalty_cards", "card_id"),
        ("demo_mail.consent_events", "contact_id", "demo_mail.contacts", "contact_id"),
        ("demo_web.web_events", "account_id", "demo_shop.accounts", "account_id"),
        ("demo_web.web_events", "order_id", "demo_shop.orders", "order_id"),
        ("demo_web.web_events", "product_id", "demo_catalog.products", "product_id"),
        ("demo_privacy.consent_events", "account_id", "demo_shop.accounts", "account_id"),
        ("demo_catalog.products", "replacement_product_id", "demo_catalog.products", "product_id"),
        ("demo_service.cases", "account_id", "demo_shop.accounts", "account_id"),
        ("demo_service.cases", "card_id", "demo_tills.loyalty_cards", "card_id"),
        ("demo_service.cases", "order_id", "demo_shop.orders", "order_id"),
        ("demo_service.cases", "receipt_id", "demo_tills.receipts", "receipt_id"),
        ("demo_service.cases", "product_id", "demo_catalog.products", "product_id"),
        ("demo_service.notes", "case_id", "demo_service.cases", "case_id"),
        ("demo_service.registrations", "order_id", "demo_shop.orders", "order_id"),
        ("demo_service.reviews", "order_id", "demo_shop.orders", "order_id"),
        ("demo_service.referrals", "friend_account_id", "demo_shop.accounts", "account_id"),
        ("demo_service.referrals", "order_id", "demo_shop.orders", "order_id"),
    ],
)
def test_every_child_has_a_parent(
    demo: Demo, child: str, column: str, parent: str, key: str
) -> None:
    assert demo.value(f"select count({column}) from {child}") > 0
    orphans = f"select {column} from {child} where {column} not in (select {key} from {parent})"
    assert demo.rows(orphans) == []


def test_every_document_has_merchandise(demo: Demo) -> None:
    for documents, lines, key in (
        ("demo_shop.orders", "demo_shop.order_lines", "order_id"),
        ("demo_tills.receipts", "demo_tills.receipt_lines", "receipt_id"),
    ):
        empty = demo.rows(f"""
            select {key} from {documents}
            where {key} not in (select {key} from {lines} where line_kind = 'merchandise')
        """)
        assert empty == []


# Time and files


def test_nothing_happens_after_the_last_day(demo: Demo) -> None:
    end = datetime.combine(demo.until, datetime.max.time())
    for system, entity in demo.entities:
        for column in (c for c in (entity.event_at, entity.version) if c):
            latest = demo.value(f"select max({column}) from {system}.{entity.name}")
            assert latest is None or latest <= end, (system, entity.name, column)


def test_rows_are_in_the_file_of_their_day_or_late_as_planted(demo: Demo) -> None:
    late: dict[str, int] = {}
    for system, entity in demo.entities:
        if not (entity.event_at or entity.version):
            continue
        rows = demo.rows(f"""
            select parse_filename(filename, true) as file, {times(entity)}::date as day, count(*)
            from {system}.{entity.name}
            group by all
        """)
        first = demo.until - timedelta(days=2)
        for file, day, count in rows:
            if file == "history":
                assert day < first, (system, entity.name)
            elif day < first:
                assert date.fromisoformat(file) - day <= timedelta(days=20)
                late[f"{system}/{entity.name}"] = late.get(f"{system}/{entity.name}", 0) + count
    assert late == demo.planted["late_rows"]
    assert {"demo_web/web_events", "demo_mail/message_events"} <= set(late)


def test_lines_are_in_the_file_of_their_document(demo: Demo) -> None:
    apart = demo.value("""
        select count(*)
        from demo_tills.receipt_lines as lines
        join demo_tills.receipts as documents using (receipt_id)
        where parse_filename(lines.filename) != parse_filename(documents.filename)
    """) + demo.value("""
        select count(*)
        from demo_shop.order_lines as lines
        join (
            select order_id, arg_min(filename, coalesce(updated_at, ordered_at)) as filename
            from demo_shop.orders
            group by order_id
        ) as documents using (order_id)
        where parse_filename(lines.filename) != parse_filename(documents.filename)
    """)
    assert apart == 0


def test_orders_that_go_on_are_delivered_again(demo: Demo) -> None:
    ranks = "case status when 'placed' then 1 when 'paid' then 2 when 'shipped' then 3 else 4 end"
    [(again, backwards)] = demo.rows(f"""
        select count(*), count(*) filter (where earlier >= later)
        from (
            select {ranks} as later, lag({ranks}) over (
                partition by order_id order by coalesce(updated_at, ordered_at)
            ) as earlier
            from demo_shop.orders
        )
        where earlier is not null
    """)
    assert again > 0
    assert backwards == 0


def test_people_shop_when_they_are_awake_and_stores_are_open(demo: Demo) -> None:
    local = "timezone('Europe/Warsaw', timezone('UTC', {}))"
    [(sundays, first, last)] = demo.rows(f"""
        select
            count(*) filter (where dayofweek(done_at) = 0),
            min(done_at::time),
            max(done_at::time)
        from (select {local.format("purchased_at")} as done_at from demo_tills.receipts)
    """)
    assert sundays == 0
    assert time(9) <= first < last <= time(20)
    night = demo.value(f"""
        select count(*) from orders_now where hour({local.format("ordered_at")}) < 6
    """)
    assert night == 0


# Volumes and behaviour


@pytest.mark.parametrize(
    ("entity", "low", "high"),
    [
        ("demo_shop.accounts", 0.65, 0.95),
        ("demo_tills.loyalty_cards", 0.35, 0.55),
        ("demo_mail.contacts", 0.5, 0.75),
        ("demo_shop.orders", 1.8, 2.9),
        ("demo_tills.receipts", 1.3, 2.2),
        ("demo_mail.messages", 9, 16),
        ("demo_mail.message_events", 11, 20),
        ("demo_web.web_events", 20, 32),
        ("demo_service.cases", 0.15, 0.4),
        ("demo_service.notes", 0.015, 0.05),
        ("demo_service.registrations", 0.1, 0.35),
        ("demo_service.reviews", 0.08, 0.2),
        ("demo_service.referrals", 0.002, 0.02),
        ("demo_service.answers", 0.2, 0.7),
        ("demo_service.attributes", 0.15, 0.4),
    ],
)
def test_volumes_grow_with_the_persons(demo: Demo, entity: str, low: float, high: float) -> None:
    assert low < demo.value(f"select count(*) from {entity}") / demo.persons < high


def test_people_behave_as_shoppers_do(demo: Demo) -> None:
    def share(sql: str) -> float:
        return float(demo.value(sql))

    once = "select avg((n = 1)::integer) from (select count(*) as n from purchases group by {})"
    assert 0.4 < share(once.format("person_id")) < 0.6
    assert 40 < share("select avg(eur) from purchases where eur < 331") < 85
    assert 0.06 < share("select avg((account_id is null)::integer) from orders_now") < 0.18
    assert 0.015 < share("select avg((status = 'cancelled')::integer) from orders_now") < 0.05
    returned = "select count(distinct order_id) from demo_shop.returns"
    assert 0.035 < share(returned) / share("select count(*) from orders_now") < 0.08
    winter = "select count(*) from purchases where month(done_at) in (11, 12)"
    assert share(winter) / share("select count(*) from purchases") > 2 / 12
    wrapped = "select avg(is_gift_wrapped::integer) from orders_now where month(ordered_at) {} 12"
    assert share(wrapped.format("=")) > 2 * share(wrapped.format("<>"))
    assert share("select count(*) from demo_shop.order_lines where line_kind = 'postage'") > 0
    assert share("select count(*) from demo_tills.receipt_lines where quantity < 0") > 0
    assert share("select count(*) from demo_mail.contacts where not is_subscribed") > 0
    assert share("select count(*) from demo_shop.accounts where is_test") == 12


def test_purchases_on_the_web_are_orders_of_the_same_account_and_moment(demo: Demo) -> None:
    [(purchases, wrong)] = demo.rows("""
        select count(*), count(*) filter (
            where orders_now.ordered_at is distinct from web.occurred_at
                or orders_now.account_id is distinct from web.account_id
        )
        from web
        join orders_now using (order_id)
    """)
    assert purchases > 100
    assert wrong == 0


def test_searches_tell_how_much_they_found(demo: Demo) -> None:
    [(searches, counted, without_result)] = demo.rows("""
        select count(*), count(result_count), count(*) filter (where result_count = 0)
        from web
        where event_type = 'search'
    """)
    assert searches == counted > without_result > 0


def test_cases_end_when_they_are_closed(demo: Demo) -> None:
    [(cases, undecided, early, resolutions)] = demo.rows("""
        select
            count(*),
            count(*) filter (where (status = 'closed') <> (resolution is not null)
                or (status = 'closed') <> (closed_at is not null)
                or (satisfaction is not null and status <> 'closed')),
            count(*) filter (where closed_at <= opened_at),
            count(distinct resolution)
        from demo_service.cases
    """)
    assert cases > 50
    assert (undecided, early, resolutions) == (0, 0, 5)
    kinds = "from demo_service.cases where order_id is null and receipt_id is null"
    assert demo.value(f"select count(*) {kinds}") > 0
    stories = demo.people("""
        select distinct array_to_string(list(status order by coalesce(updated_at, opened_at)), ', ')
        from demo_service.cases
        group by case_id
    """)
    assert stories == {"open", "waiting", "open, closed", "waiting, closed"}


def test_dear_goods_are_registered_those_bought_without_a_card_too(demo: Demo) -> None:
    [(registrations, not_ordered, without_trace, cheapest)] = demo.rows("""
        select
            count(*),
            count(*) filter (
                where order_id is not null
                    and (order_id, product_id) not in (
                        select (order_id, product_id) from demo_shop.order_lines
                    )
            ),
            count(*) filter (
                where not exists (
                    from purchases
                    where purchases.person_id = person_of.person_id
                        and list_contains(purchases.products, registrations.product_id)
                )
            ),
            min(products.price * rates.rate)
        from demo_service.registrations
        join person_of on source_entity = 'registrations' and id = registration_id
        join demo_catalog.products using (product_id)
        join (select distinct brand_id, currency from demo_shop.orders) as brands
            on products.brand_id = brands.brand_id
        join rates on brands.currency = rates.currency
    """)
    assert registrations > 100
    assert not_ordered == 0
    assert 0 < without_trace < registrations / 2
    assert cheapest > 55


def test_service_knows_people_by_all_that_they_may_leave(demo: Demo) -> None:
    [(rows, accounts, cards, by_email_alone, by_phone_alone, nobody)] = demo.rows("""
        select
            count(*),
            count(account_id),
            count(card_id),
            count(*) filter (
                where coalesce(account_id, card_id, phone) is null and email is not null
            ),
            count(*) filter (
                where coalesce(account_id, card_id, email) is null and phone is not null
            ),
            count(*) filter (where coalesce(account_id, card_id, email, phone) is null)
        from (
            select account_id, card_id, email, phone from demo_service.cases
            union all
            select account_id, card_id, email, phone from demo_service.registrations
            union all
            select account_id, card_id, email, phone from demo_service.reviews
        )
    """)
    assert rows / 3 < accounts < rows * 2 / 3
    assert min(cards, by_email_alone, by_phone_alone) > rows / 20
    assert 0 < nobody < rows / 10
    strangers = "from demo_service.answers where form = 'preference_centre' and account_id is null"
    assert demo.value(f"select count(*) {strangers}") == 0


def test_nobody_who_is_planted_has_troubled_the_service(demo: Demo) -> None:
    stories = {"service_problem", "declared_leaver"}
    troubled = demo.people(
        "select person_id from record_person where source_system = 'demo_service'"
    )
    assert troubled
    planted = {p for persona in set(PERSONAS) - stories for p in demo.labelled(persona)}
    assert not troubled & planted


# The mess


def test_people_leave_identifiers_as_people_do(demo: Demo) -> None:
    def count(sql: str) -> int:
        return int(demo.value(f"select count(*) from {sql}"))

    assert count("demo_shop.accounts where email <> lower(trim(email))") > 0
    assert count("demo_shop.accounts where email like '%+shop@%'") > 0
    for typed in ("+%", "00%", "%-%-%", "+% % %"):
        assert count(f"demo_shop.accounts where phone like '{typed}'") > 0
    assert count("demo_tills.loyalty_cards where phone in ('000000000', '123456789')") > 0
    kiosks = demo.value("""
        select max(accounts) from (
            select count(distinct account_id) as accounts from demo_web.web_events
            group by visitor_id
        )
    """)
    assert kiosks >= 12
    known = set(demo.people("select id from person_of where source_entity = 'visitors'"))
    shared = demo.people("""
        select visitor_id from web where account_id is not null group by visitor_id
        having count(distinct person_id) > 1
    """)
    assert shared
    assert not shared & known


def test_addresses_belong_to_one_person_or_to_nobody(demo: Demo) -> None:
    shared = demo.people("""
        select lower(trim(replace(email, '+shop', ''))) as typed
        from (
            select email, person_id from accounts_now
            union all
            select email, person_id from contacts_now
            union all
            select email, person_id from orders_now
        )
        where email is not null
        group by typed
        having count(distinct person_id) > 1
    """)
    nobodys = ("biuro@", "info@", "kontakt@", "brak@", "test@")
    assert all(email.startswith(nobodys) for email in shared)


def test_few_phones_go_from_one_person_to_another(demo: Demo) -> None:
    shared = demo.people("""
        select right(regexp_replace(phone, '[^0-9]', '', 'g'), 9) as typed
        from orders_now
        where phone is not null
        group by typed
        having count(distinct person_id) > 1
    """)
    assert len(shared) <= 0.003 * demo.persons


def test_the_planted_are_free_of_noise(demo: Demo) -> None:
    personas = ", ".join(f"'{persona}'" for persona in PERSONAS)
    messy = demo.rows(f"""
        with planted as (select person_id from person_labels where label in ({personas})),
        typed as (
            select person_id, email, phone from accounts_now
            union all
            select person_id, email, phone from contacts_now
            union all
            select person_id, email, phone from orders_now
            union all
            select person_id, email, phone from demo_tills.loyalty_cards
            join person_of on source_entity = 'loyalty_cards' and id = card_id
        )
        select person_id from planted join typed using (person_id)
        group by person_id
        having count(distinct email) <> 1 or count(*) <> count(email)
            or count(distinct phone) <> 1 or bool_or(phone not like '+%')
    """)
    assert messy == []
    noisy = demo.labelled("typo_email") | demo.labelled("two_accounts")
    noisy |= demo.labelled("household_device") | demo.labelled("erasure_request")
    assert not noisy & {p for persona in PERSONAS for p in demo.labelled(persona)}


def test_the_truth_names_every_record_once(demo: Demo) -> None:
    for entity, table, key in (
        ("accounts", "demo_shop.accounts", "account_id"),
        ("orders", "demo_shop.orders", "order_id"),
        ("contacts", "demo_mail.contacts", "contact_id"),
        ("loyalty_cards", "demo_tills.loyalty_cards", "card_id"),
        ("receipts", "demo_tills.receipts where card_id is not null", "receipt_id"),
        ("cases", "demo_service.cases", "case_id"),
        ("notes", "demo_service.notes", "note_id"),
        ("registrations", "demo_service.registrations", "registration_id"),
        ("reviews", "demo_service.reviews", "review_id"),
        ("referrals", "demo_service.referrals", "referral_id"),
        ("answers", "demo_service.answers", "answer_id"),
        ("attributes", "demo_service.attributes", "attribute_id"),
    ):
        delivered = demo.people(f"select distinct {key} from {table}")
        known = demo.people(f"select id from person_of where source_entity = '{entity}'")
        assert {record for record in delivered if "TEST" not in record} == known
    assert (
        demo.value(
            "select count(*) - count(distinct (source_entity, source_record_id)) from record_person"
        )
        == 0
    )


def test_files_made_by_hand_have_as_many_bad_rows_as_planted(demo: Demo) -> None:
    found = {
        str(file.relative_to(demo.paths.landing)): file
        for file in demo.paths.landing.rglob("*.csv")
    }
    assert set(found) == set(demo.planted["dirty_files"])
    for name, expected in demo.planted["dirty_files"].items():
        assert f"{demo.until - timedelta(days=1)}_import" in name
        delimiter = ";" if "contacts" in name else ","
        with found[name].open(encoding="utf-8", newline="") as lines:
            header, *rows = csv.reader(lines, delimiter=delimiter)
        assert len(rows) == expected["rows"]
        bad = [
            number
            for number, row in enumerate(rows, start=1)
            if len(row) != len(header) or not loadable(dict(zip(header, row, strict=True)), name)
        ]
        assert bad == [problem["row"] for problem in expected["bad"]]
        assert expected["good"] == len(rows) - len(bad)


def loadable(row: dict[str, str], name: str) -> bool:
    """Whether each value of a row can be what the contract wants."""
    for column in CONTRACT[name.split("/")[1]].columns:
        value = row.get(column.name, "")
        if not value:
            if column.required:
                return False
            continue
        try:
            if column.data_type in ("timestamp", "date"):
                datetime.fromisoformat(value)
            elif column.data_type == "integer":
                int(value)
        except ValueError:
            return False
        if column.data_type == "boolean" and value not in ("true", "false"):
            return False
    return True


# The personas


def test_labels_count_what_is_planted(demo: Demo) -> None:
    counts = dict(demo.rows("select label, count(*) from person_labels group by label"))
    assert counts == demo.planted["labels"]
    assert set(PERSONAS) <= set(counts)
    assert all(counts[persona] >= 5 for persona in PERSONAS)
    people = [person for persona in PERSONAS for person in demo.labelled(persona)]
    assert len(people) == len(set(people))


def test_new_buyers_have_one_order_of_one_thing_and_no_newsletter(demo: Demo) -> None:
    candidates = """
        select person_id
        from accounts_now
        join purchases using (person_id)
        where person_id not in (select person_id from contacts_now where is_subscribed)
            and person_id not in (
                select person_id from demo_privacy.consent_events
                join person_of on source_entity = 'accounts' and id = account_id
                where decision = 'granted'
            )
        group by person_id
        having count(distinct document) = 1 and {}
    """
    planted = demo.labelled("new_buyer")
    close = "max(days_ago(created_at)) <= 40 and max(lines) = 1"
    exact = """max(days_ago(created_at)) < 20 and max(lines) = 1 and max(units) = 1
        and max(status) = 'completed' and max(channel) = 'shop'"""
    assert demo.people(candidates.format(close)) == planted
    assert demo.people(candidates.format(exact)) == planted
    assert not planted & demo.people("select person_id from contacts_now")
    assert not planted & demo.people("select person_id from web where person_id is not null")


def test_high_value_buyers_are_women_in_big_cities_who_spend_every_time(demo: Demo) -> None:
    women = """
        select person_id
        from accounts_now
        join cities on cities.country = accounts_now.country
            and cities.city = lower(accounts_now.city)
        join purchases using (person_id)
        where gender = 'female' and population >= 500000
        group by person_id
        having {}
    """
    planted = demo.labelled("high_value_buyer")
    assert demo.people(women.format("count(*) filter (where eur > 350) >= 1")) == planted
    exact = "count(*) filter (where days_ago(done_at) <= 365) >= 5 and min(eur) >= 460"
    assert demo.people(women.format(exact)) == planted
    assert (
        demo.value("""
        select max(eur) from purchases
        where person_id in (select person_id from accounts_now where gender = 'female')
            and person_id not in (
                select person_id from person_labels where label = 'high_value_buyer'
            )
    """)
        <= 331
    )


def test_losing_buyers_come_less_often_and_search(demo: Demo) -> None:
    searching = """
        select person_id
        from web
        where days_ago(occurred_at) <= 90
        group by person_id
        having count(*) filter (where event_type = 'search') >= 3
            and 2 * count(*) filter (where event_type = 'search') >= count(*) filter (
                where event_type in ('search', 'product_view', 'page_view')
            )
    """
    planted = demo.labelled("losing_buyer")
    assert demo.people(searching) == planted
    bought = """
        select person_id
        from purchases
        join demo_catalog.products on list_contains(purchases.products, product_id)
        where products.filename like '%history%'
        group by person_id
        having count(*) = 4 and bool_and(category_path like 'Home and Garden > %')
            and bool_and(brand_id = 'domowo') and bool_and(channel = 'shop')
            and count(*) filter (where days_ago(done_at) < 180) = 1
            and count(*) filter (where days_ago(done_at) >= 180 and days_ago(done_at) < 360) = 3
            and sum(eur) between 210 and 390
    """
    assert planted <= demo.people(bought)
    assert demo.people("select person_id from accounts_now") >= planted
    looking = demo.rows("""
        select * from web
        join person_labels using (person_id)
        where label = 'losing_buyer' and days_ago(occurred_at) <= 90
            and (event_type not in ('search', 'cart_add', 'cart_remove') or account_id is null)
    """)
    assert looking == []
    gaps = demo.rows("""
        select list(gap order by done_at) from (
            select
                person_id,
                done_at,
                done_at - lag(done_at) over (partition by person_id order by done_at) as gap
            from purchases
            join person_labels using (person_id)
            where label = 'losing_buyer'
        )
        where gap is not null
        group by person_id
    """)
    assert all(gap == sorted(gap) and len(gap) == 3 for (gap,) in gaps)


def test_vanished_buyers_bought_in_stores_and_begin_to_fade(demo: Demo) -> None:
    last_shown = """
        select person_id from demo_tills.receipts
        join person_of on source_entity = 'receipts' and id = receipt_id
        group by card_id, person_id
        having {}
    """
    planted = demo.labelled("vanished_buyer")
    about = "days_ago(max(purchased_at)) between 70 and 110"
    exact = "days_ago(max(purchased_at)) between 80 and 100 and count(*) between 4 and 8"
    assert demo.people(last_shown.format(about)) == planted
    assert demo.people(last_shown.format(exact)) == planted
    assert not planted & demo.people("select person_id from orders_now")
    spent = "select person_id from purchases group by person_id having sum(eur) >= 320"
    assert planted <= demo.people(spent)
    activity = demo.rows("""
        with acts as (
            select person_id, occurred_at as done_at, event_type as what from mail
            where event_type in ('opened', 'clicked')
            union all
            select person_id, min(occurred_at), 'session'
            from web
            where account_id is not null
            group by person_id, occurred_at::date
        )
        select
            person_id,
            count(*) filter (where what = 'opened' and days_ago(done_at) < 30),
            count(*) filter (where what = 'session' and days_ago(done_at) < 30),
            count(*) filter (where days_ago(done_at) < 30),
            count(*) filter (where days_ago(done_at) between 30 and 59)
        from acts
        join person_labels using (person_id)
        where label = 'vanished_buyer'
        group by person_id
    """)
    assert {person for person, *_ in activity} == planted
    for _, opened, sessions, lately, before in activity:
        assert opened >= 1
        assert sessions >= 1
        assert 2 * lately < before


def test_only_the_planted_leave_carts_behind(demo: Demo) -> None:
    left = demo.people("""
        select distinct person_id
        from web
        where event_type = 'cart_add' and days_ago(occurred_at) <= 10 and person_id is not null
            and not exists (
                select * from orders_now
                where orders_now.person_id = web.person_id and status <> 'cancelled'
                    and ordered_at between occurred_at and occurred_at + interval 1 hour
            )
    """)
    assert left == demo.labelled("abandoned_cart") | demo.labelled("abandoned_checkout")
    planted = demo.rows("""
        with carts as (
            select person_id, max(occurred_at) as left_at, bool_and(account_id is not null) as known
            from web
            where event_type = 'cart_add' and days_ago(occurred_at) between 1 and 5
            group by person_id
        )
        select person_id, known, count(order_id) filter (where ordered_at >= left_at)
        from carts
        join person_labels using (person_id)
        left join orders_now using (person_id)
        where label in ('abandoned_cart', 'abandoned_checkout')
        group by all
    """)
    assert sorted(planted) == [(person, True, 0) for person in sorted(left)]


def test_checkouts_are_left_by_those_who_are_planted(demo: Demo) -> None:
    left = demo.people("""
        select distinct person_id from web
        where event_type = 'checkout_step' and days_ago(occurred_at) between 1 and 6
            and person_id in (select person_id from person_labels where label like 'abandoned_%')
    """)
    assert left == demo.labelled("abandoned_checkout")


def test_buyers_of_a_style_buy_in_it(demo: Demo) -> None:
    spread = {
        label: (products, discount)
        for label, products, discount in demo.rows("""
            select
                label,
                max(products),
                min(discount)
            from (
                select
                    label,
                    person_id,
                    count(distinct product_id) as products,
                    min(discount_amount / (net_amount + discount_amount)) as discount
                from demo_shop.order_lines
                join person_of on source_entity = 'orders' and id = order_id
                join person_labels using (person_id)
                where line_kind = 'merchandise'
                    and label in ('stylish_buyer', 'practical_buyer', 'discount_buyer')
                group by label, person_id
            )
            group by label
        """)
    }
    assert spread["practical_buyer"] == (1, 0)
    assert spread["stylish_buyer"][0] > 1
    assert spread["stylish_buyer"][1] == 0
    assert round(spread["discount_buyer"][1], 1) == 0.3


def test_only_the_planted_have_birthdays_these_days(demo: Demo) -> None:
    declared = """
        select person_id, birth_date from accounts_now where birth_date is not null
        union
        select person_id, birth_date from demo_tills.loyalty_cards
        join person_of on source_entity = 'loyalty_cards' and id = card_id
        where birth_date is not null
    """

    def having(first: int, last: int) -> set[str]:
        days = {demo.until + timedelta(days=ahead) for ahead in range(first, last + 1)}
        wanted = {(day.month, day.day) for day in days}
        if wanted & {(2, 28), (3, 1)}:
            wanted.add((2, 29))
        return {person for person, born in demo.rows(declared) if (born.month, born.day) in wanted}

    assert having(-3, 10) == demo.labelled("birthday")
    assert having(0, 6) == demo.labelled("birthday")
    leap = demo.people(f"""
        select person_id from ({declared})
        join person_labels using (person_id)
        where label = 'birthday' and strftime(birth_date, '%m-%d') = '02-29'
    """)
    assert len(leap) == (2 if demo.until == BEFORE_MARCH else 0)


def test_traits_are_what_the_records_show(demo: Demo) -> None:
    assert demo.labelled("two_accounts") == demo.people("""
        select person_id from accounts_now group by person_id having count(*) = 2
    """)
    assert not demo.labelled("store_only") & demo.people("select person_id from orders_now")
    guests = demo.people("""
        select person_id from orders_now group by person_id having count(account_id) = 0
    """)
    assert demo.labelled("guest_only") <= guests
    assert not demo.labelled("guest_only") & demo.people("select person_id from accounts_now")
