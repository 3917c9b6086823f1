import os
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.contract import Column, Entity, load_contract
from orchestration.ingest import recipe
from orchestration.ingest.recipe import RecipeError, recipe_names, run_recipe
from orchestration.paths import PROJECT, Paths

SHARED = Path(os.environ.get("SEGMENT_OF_ONE_SHARED") or PROJECT.parent / "shared" / "data")


class Landing:
    """What one run of a recipe landed: a view for each entity."""

    def __init__(self, name: str, files: Path, data: Path) -> None:
        run_recipe(name, files, Paths(data), lambda _: None)
        self.connection = duckdb.connect()
        self.columns: dict[str, dict[str, str]] = {}
        for folder in sorted((data / "landing" / name).iterdir()):
            file = folder / f"{name}.parquet"
            assert list(folder.iterdir()) == [file]
            self.connection.execute(f"create view {folder.name} as from read_parquet('{file}')")
            described = self.rows(f"select column_name, column_type from (describe {folder.name})")
            self.columns[folder.name] = dict(described)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql).fetchall()

    def value(self, sql: str) -> Any:
        [(value,)] = self.rows(sql)
        return value


def land_real_data(name: str, tmp_path_factory: pytest.TempPathFactory) -> Landing:
    if not (SHARED / name).is_dir():
        pytest.skip(f"no real data in {SHARED / name}; SEGMENT_OF_ONE_SHARED names their folder")
    landing = Landing(name, SHARED / name, tmp_path_factory.mktemp(name))
    for file in (SHARED / name).glob("*.parquet"):
        landing.connection.execute(f"create view input_{file.stem} as from read_parquet('{file}')")
    return landing


# The real Online Retail II


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Landing:
    return land_real_data("online_retail_ii", tmp_path_factory)


def test_every_invoice_is_an_order_or_a_return(shop: Landing) -> None:
    orders = shop.value("select count(*) from orders")
    returns = shop.value("select count(distinct return_id) from returns")
    assert (orders, returns, orders + returns) == (45_336, 8_292, 53_628)
    assert shop.value("select count(*) from orders where order_id like 'A%'") == 6


def test_every_customer_is_an_account(shop: Landing) -> None:
    assert shop.value("select count(*) from accounts") == 5_942
    assert not shop.rows("""
        select cast(customer_id as varchar), min(invoice_ts)
        from input_online_retail_ii
        where customer_id is not null
        group by 1
        except
        select
            account_id,
            created_at at time zone 'UTC' at time zone 'Europe/London'
        from accounts
    """)


def test_every_line_lands_once_with_its_amount(shop: Landing) -> None:
    assert shop.value("select count(*) from order_lines") == 1_025_682
    assert shop.value("select count(*) from returns") == 19_165
    landed_lines = """
        select order_id as invoice, quantity, net_amount from order_lines
        union all
        select return_id, quantity, net_amount from returns
    """
    total = shop.value(f"select sum(net_amount) from ({landed_lines})")
    assert total == Decimal("18909744.1180")
    assert not shop.rows(f"""
        ({landed_lines})
        except all
        select invoice, quantity, quantity * cast(price as decimal(18, 4))
        from input_online_retail_ii
    """)


@pytest.mark.parametrize(
    ("entity", "kinds"),
    [
        (
            "order_lines",
            [
                ("adjustment", 6_925, Decimal("202268.7300")),
                ("charge", 55, Decimal("21228.8910")),
                ("merchandise", 1_015_072, Decimal("19701405.6270")),
                ("postage", 3_630, Decimal("450144.5300")),
            ],
        ),
        (
            "returns",
            [
                ("adjustment", 738, Decimal("-437928.2200")),
                ("charge", 216, Decimal("-292075.9200")),
                ("merchandise", 17_972, Decimal("-719732.5000")),
                ("postage", 239, Decimal("-15567.0200")),
            ],
        ),
    ],
)
def test_kinds_of_lines_divide_the_money(
    shop: Landing, entity: str, kinds: list[tuple[str, int, Decimal]]
) -> None:
    by_kind = f"select line_kind, count(*), sum(net_amount) from {entity} group by 1 order by 1"
    assert shop.rows(by_kind) == kinds


def test_merchandise_is_sold_for_money_or_taken_back_for_money(shop: Landing) -> None:
    merchandise = "where line_kind = 'merchandise' and"
    assert not shop.rows(f"from order_lines {merchandise} (quantity <= 0 or net_amount <= 0)")
    assert not shop.rows(f"from returns {merchandise} (quantity >= 0 or net_amount >= 0)")


def test_lines_without_customer_stay_anonymous(shop: Landing) -> None:
    anonymous = """
        select account_id from order_lines inner join orders using (order_id)
        union all
        select account_id from returns
    """
    assert shop.value(f"select count(*) from ({anonymous}) where account_id is null") == 235_287


def test_only_places_that_are_no_country_have_no_code(shop: Landing) -> None:
    without_code = shop.rows("""
        select distinct country
        from input_online_retail_ii
        where invoice in (select order_id from orders where orders.country is null)
        order by country
    """)
    assert without_code == [
        ("Channel Islands",),
        ("European Community",),
        ("Unspecified",),
        ("West Indies",),
    ]


def test_orders_of_test_products_are_tests(shop: Landing) -> None:
    assert shop.value("select count(*) from orders where is_test") == 13


def test_stock_notes_are_no_names_of_products(shop: Landing) -> None:
    notes = "'damaged', 'damages', 'check', 'found', 'given away', 'nan', '?', 'lost'"
    assert not shop.rows(f"from products where lower(name) in ({notes})")
    assert shop.rows("select name from products where product_id = '85123A'") == [
        ("WHITE HANGING HEART T-LIGHT HOLDER",)
    ]


# The real Complete Journey


@pytest.fixture(scope="module")
def grocer(tmp_path_factory: pytest.TempPathFactory) -> Landing:
    return land_real_data("complete_journey", tmp_path_factory)


def test_every_basket_is_a_receipt_of_its_household_store_and_time(grocer: Landing) -> None:
    assert grocer.value("select count(*) from receipts") == 155_848
    assert grocer.value("select count(distinct card_id) from receipts") == 2_469
    assert grocer.value("select count(*) from loyalty_cards") == 2_469
    assert grocer.value("select count(*) from stores") == 457
    assert not grocer.rows("""
        select distinct
            cast(basket_id as varchar),
            cast(household_id as varchar),
            cast(store_id as varchar),
            transaction_timestamp
        from input_transactions
        except all
        select receipt_id, card_id, store_id, purchased_at from receipts
    """)


def test_receipt_lines_add_up(grocer: Landing) -> None:
    lines = "select count(*), sum(net_amount), sum(discount_amount) from receipt_lines"
    assert grocer.rows(lines) == [(1_469_307, Decimal("4596039.5800"), Decimal("822553.1900"))]
    assert grocer.rows(f"{lines} where line_kind = 'merchandise'") == [
        (1_464_503, Decimal("4596039.5800"), Decimal("816023.3800"))
    ]
    assert grocer.rows(f"{lines} where product_id is null and quantity = 0") == [
        (4_804, Decimal("0.0000"), Decimal("6529.8100"))
    ]


def test_receipts_are_of_2017_in_new_york(grocer: Landing) -> None:
    local_date = "cast(purchased_at at time zone 'UTC' at time zone 'America/New_York' as date)"
    days = grocer.rows(f"select distinct {local_date} from receipts order by 1")
    assert (str(days[0][0]), str(days[-1][0])) == ("2017-01-01", "2017-12-31")


def test_every_redemption_belongs_to_a_message_of_a_running_campaign(grocer: Landing) -> None:
    assert grocer.value("select count(*) from campaigns") == 27
    assert grocer.value("select count(*) from contacts") == 1_559
    assert grocer.value("select count(*) from messages") == 6_589
    assert grocer.value("select count(*) from message_events") == 2_102
    while_running = grocer.value("""
        select count(*)
        from message_events
        inner join messages using (message_id)
        inner join campaigns using (campaign_id)
        where occurred_at between started_at and ended_at
    """)
    assert while_running == 2_102


def test_nobody_buys_or_is_written_to_before_they_are_known(grocer: Landing) -> None:
    assert not grocer.rows("""
        from receipts inner join loyalty_cards using (card_id) where purchased_at < issued_at
    """)
    assert not grocer.rows("""
        from messages inner join contacts using (contact_id) where sent_at < created_at
    """)


def test_a_third_of_the_households_are_described(grocer: Landing) -> None:
    assert grocer.rows("select count(distinct card_id), count(*) from attributes") == [(801, 5_237)]


def test_categories_run_from_wide_to_narrow(grocer: Landing) -> None:
    assert grocer.rows("""
        select category_path, product_brand from products where product_id = '26190'
    """) == [("Grocery > Fruit - Shelf Stable > Apple Sauce", "Private 69")]


# The real e-mail test of Hillstrom


@pytest.fixture(scope="module")
def mails(tmp_path_factory: pytest.TempPathFactory) -> Landing:
    return land_real_data("hillstrom", tmp_path_factory)


def test_every_customer_has_the_arm_that_was_drawn(mails: Landing) -> None:
    assert mails.rows("""
        select attributes.value, count(distinct account_id), count(messages.message_id)
        from attributes
        left join messages on attributes.account_id = messages.contact_id
        where attribute = 'experiment:hillstrom_mail'
        group by 1
        order by 1
    """) == [("mens_mail", 21_307, 21_307), ("no_mail", 21_306, 0), ("womens_mail", 21_387, 21_387)]


def test_outcomes_come_within_two_weeks_and_history_before(mails: Landing) -> None:
    after = "interval 0 day and interval 14 day"
    sent = "(select min(started_at) from campaigns)"
    assert mails.value(
        f"select count(*) from web_events where occurred_at - {sent} between {after}"
    ) == mails.value("select sum(visit) from input_hillstrom")
    assert mails.rows(f"""
        select ordered_at > {sent}, count(*), sum(net_amount)
        from orders inner join order_lines using (order_id)
        group by 1
        order by 1
    """) == mails.rows("""
        select false, count(*), sum(history::decimal(18, 4)) from input_hillstrom
        union all
        select true, sum(conversion), sum(spend::decimal(18, 4)) from input_hillstrom
        order by 1
    """)


# All real data sets against the contract


@pytest.fixture(params=["shop", "grocer", "mails"])
def real(request: pytest.FixtureRequest) -> Landing:
    landing: Landing = request.getfixturevalue(request.param)
    return landing


def landed_columns(landing: Landing) -> list[tuple[Entity, Column]]:
    return [
        (load_contract()[table], column)
        for table, types in landing.columns.items()
        for column in load_contract()[table].columns
        if column.name in types
    ]


def test_columns_have_the_types_of_the_contract(real: Landing) -> None:
    for entity, column in landed_columns(real):
        assert real.columns[entity.name][column.name].lower() == column.data_type


def test_values_are_those_that_the_contract_allows(real: Landing) -> None:
    for entity, column in landed_columns(real):
        broken = ["false"]
        if column.required:
            broken.append(f"{column.name} is null")
        if column.values:
            broken.append(f"{column.name} not in {column.values}")
        if column.pattern:
            broken.append(f"not regexp_matches({column.name}, '{column.pattern}')")
        if column.minimum is not None:
            broken.append(f"{column.name} < {column.minimum}")
        assert not real.rows(f"from {entity.name} where {' or '.join(broken)} limit 1"), column


def test_keys_are_unique(real: Landing) -> None:
    for table in real.columns:
        key = ", ".join(load_contract()[table].key)
        assert not real.rows(f"select {key} from {table} group by {key} having count(*) > 1")


def test_references_lead_somewhere(real: Landing) -> None:
    for table, types in real.columns.items():
        references = dict(load_contract()[table].references)
        if "product_id" in types:
            references["product_id"] = "products.product_id"
        for column, target in references.items():
            other, key = target.split(".")
            assert not real.rows(f"""
                select {column} from {table} where {column} is not null
                except
                select {key} from {other}
            """), f"{table}.{column}"


# Made-up invoices


def write_table(file: Path, columns: dict[str, str], rows: list[dict[str, Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        declared = ", ".join(f"{name} {data_type}" for name, data_type in columns.items())
        connection.execute(f"create table written ({declared})")
        for row in rows:
            connection.execute(
                f"insert into written values ({', '.join('?' for _ in columns)})",
                [row[name] for name in columns],
            )
        connection.execute(f"copy written to '{file}'")


INVOICE_COLUMNS = {
    "invoice": "varchar",
    "stock_code": "varchar",
    "description": "varchar",
    "quantity": "bigint",
    "invoice_ts": "timestamp",
    "price": "double",
    "customer_id": "bigint",
    "country": "varchar",
}


def line(invoice: str, stock_code: str = "22423", **changed: Any) -> dict[str, Any]:
    usual = {
        "description": "CAKE STAND",
        "quantity": 2,
        "invoice_ts": "2010-01-05 12:30:00",
        "price": 12.75,
        "customer_id": 17850,
        "country": "EIRE",
    }
    return {"invoice": invoice, "stock_code": stock_code, **usual, **changed}


def land_invoices(folder: Path, lines: list[dict[str, Any]]) -> Landing:
    write_table(folder / "files" / "online_retail_ii.parquet", INVOICE_COLUMNS, lines)
    return Landing("online_retail_ii", folder / "files", folder / "data")


def test_a_cancellation_is_a_return(tmp_path: Path) -> None:
    landing = land_invoices(tmp_path, [line("500001"), line("C500002", quantity=-2)])
    assert landing.rows("select order_id, account_id, status, country from orders") == [
        ("500001", "17850", "completed", "IE")
    ]
    assert landing.rows("""
        select return_id, order_id, account_id, line_kind, quantity, net_amount from returns
    """) == [("C500002", None, "17850", "merchandise", Decimal(-2), Decimal("-25.5"))]


def test_postage_is_no_product(tmp_path: Path) -> None:
    landing = land_invoices(tmp_path, [line("500001"), line("500001", "post", description=None)])
    assert landing.rows("select line_no, product_id, line_kind from order_lines") == [
        (1, "22423", "merchandise"),
        (2, None, "postage"),
    ]
    assert landing.rows("select product_id from products") == [("22423",)]


@pytest.mark.parametrize(
    ("stock_code", "quantity", "price", "line_kind"),
    [
        ("BANK CHARGES", 1, 15.0, "charge"),
        ("M", 1, 200.0, "adjustment"),
        ("B", 1, -53594.36, "adjustment"),
        ("22423", -10, 0.0, "adjustment"),
        ("22423", 12, 0.0, "adjustment"),
        ("22423", 1, 0.001, "merchandise"),
        ("gift_0001_20", 1, 17.39, "merchandise"),
        ("DOT", 1, 0.0, "postage"),
    ],
)
def test_kind_of_line(
    tmp_path: Path, stock_code: str, quantity: int, price: float, line_kind: str
) -> None:
    landing = land_invoices(tmp_path, [line("1", stock_code, quantity=quantity, price=price)])
    assert landing.value("select line_kind from order_lines") == line_kind


def test_an_invoice_without_customer_stays_anonymous(tmp_path: Path) -> None:
    landing = land_invoices(tmp_path, [line("500001", customer_id=None, country="Unspecified")])
    assert landing.rows("select account_id, country from orders") == [(None, None)]
    assert landing.rows("from accounts") == []


def test_london_time_becomes_utc_in_summer_and_winter(tmp_path: Path) -> None:
    landing = land_invoices(
        tmp_path,
        [
            line("1", invoice_ts="2010-03-27 12:00:00"),
            line("2", invoice_ts="2010-03-28 12:00:00"),
            line("C3", invoice_ts="2010-07-01 00:30:00", customer_id=12346),
        ],
    )
    assert landing.rows("select cast(ordered_at as varchar) from orders order by order_id") == [
        ("2010-03-27 12:00:00",),
        ("2010-03-28 11:00:00",),
    ]
    assert landing.rows("select cast(returned_at as varchar) from returns") == [
        ("2010-06-30 23:30:00",)
    ]
    assert landing.rows(
        "select account_id, cast(created_at as varchar) from accounts order by 1"
    ) == [
        ("12346", "2010-06-30 23:30:00"),
        ("17850", "2010-03-27 12:00:00"),
    ]


def test_an_order_is_a_test_when_all_its_lines_are(tmp_path: Path) -> None:
    landing = land_invoices(tmp_path, [line("1", "TEST001"), line("2", "TEST001"), line("2")])
    assert landing.rows("select order_id, is_test from orders") == [("1", True), ("2", False)]


@pytest.mark.parametrize(
    ("descriptions", "name"),
    [
        (["WHITE HEART", "AMBER HEART", " WHITE HEART "], "WHITE HEART"),
        (["WHITE HEART", "AMBER HEART"], "AMBER HEART"),
        ([None, "nan", "WHITE HEART"], "WHITE HEART"),
        (["nan", None], None),
    ],
)
def test_a_product_has_its_most_frequent_name(
    tmp_path: Path, descriptions: list[str | None], name: str | None
) -> None:
    notes = [line("3", quantity=-1, price=0.0, description="damaged") for _ in range(3)]
    sold = [line("1", description=description) for description in descriptions]
    assert land_invoices(tmp_path, notes + sold).rows("select name from products") == [(name,)]


def test_a_product_has_one_spelling_and_its_last_price(tmp_path: Path) -> None:
    landing = land_invoices(
        tmp_path,
        [
            line("1", "85123a", price=3.0, invoice_ts="2010-03-01 09:00"),
            line("2", "85123A", price=2.0, invoice_ts="2010-02-01 09:00"),
            line("3", "85123A ", price=0.0, invoice_ts="2010-03-02 09:00"),
            line("C4", "85123A", price=9.0, quantity=-1, invoice_ts="2010-03-03 09:00"),
        ],
    )
    assert landing.rows("select product_id, price, cast(created_at as varchar) from products") == [
        ("85123A", Decimal(3), "2010-02-01 09:00:00")
    ]


@given(
    st.lists(
        st.builds(
            line,
            invoice=st.sampled_from(["1", "2", "C1", "A1"]),
            stock_code=st.sampled_from(["22423", "85123a", "85123A", "POST", "M"]),
            description=st.sampled_from([None, "nan", "A", "B"]),
            quantity=st.integers(-3, 3),
            price=st.sampled_from([-1.0, 0.0, 0.001, 1.1, 2.95]),
        ),
        min_size=1,
        max_size=8,
    )
)
@settings(max_examples=20, deadline=None)
def test_lines_keep_their_order_and_money(
    tmp_path_factory: pytest.TempPathFactory, lines: list[dict[str, Any]]
) -> None:
    landing = land_invoices(tmp_path_factory.mktemp("invoices"), lines)
    expected = defaultdict(list)
    for given_line in lines:
        amount = given_line["quantity"] * Decimal(str(given_line["price"]))
        expected[given_line["invoice"]].append((given_line["quantity"], amount))
    landed = defaultdict(list)
    numbers = Counter[str]()
    for invoice, line_no, quantity, amount in landing.rows("""
        select order_id as document_id, line_no, quantity, net_amount from order_lines
        union all
        select return_id as document_id, line_no, quantity, net_amount from returns
        order by document_id, line_no
    """):
        numbers[invoice] += 1
        assert line_no == numbers[invoice]
        landed[invoice].append((quantity, amount))
    assert landed == expected


# Made-up receipts


def land_receipts(folder: Path, **changed: list[dict[str, Any]]) -> Landing:
    """Land one household's receipt of an apple, sent one campaign; each file can be changed."""
    columns = {
        "campaign_descriptions": {
            "campaign_id": "bigint",
            "campaign_type": "varchar",
            "start_date": "timestamp",
            "end_date": "timestamp",
        },
        "campaigns": {"campaign_id": "bigint", "household_id": "bigint"},
        "coupon_redemptions": {
            "household_id": "bigint",
            "coupon_upc": "bigint",
            "campaign_id": "bigint",
            "redemption_date": "timestamp",
        },
        "demographics": {
            "household_id": "bigint",
            **dict.fromkeys(
                (
                    "age",
                    "income",
                    "home_ownership",
                    "marital_status",
                    "household_size",
                    "household_comp",
                    "kids_count",
                ),
                "varchar",
            ),
        },
        "products": {
            "product_id": "bigint",
            "manufacturer_id": "bigint",
            "department": "varchar",
            "brand": "varchar",
            "product_category": "varchar",
            "product_type": "varchar",
        },
        "transactions": {
            "household_id": "bigint",
            "store_id": "bigint",
            "basket_id": "bigint",
            "product_id": "bigint",
            "quantity": "bigint",
            "sales_value": "double",
            "retail_disc": "double",
            "coupon_disc": "double",
            "coupon_match_disc": "double",
            "transaction_timestamp": "timestamp",
        },
    }
    rows: dict[str, list[dict[str, Any]]] = {
        "campaign_descriptions": [
            {
                "campaign_id": 26,
                "campaign_type": "Type B",
                "start_date": "2017-03-10 00:00:00",
                "end_date": "2017-03-12 00:00:00",
            }
        ],
        "campaigns": [{"campaign_id": 26, "household_id": 900}],
        "coupon_redemptions": [],
        "demographics": [],
        "products": [
            {
                "product_id": 1,
                "manufacturer_id": 69,
                "department": "PRODUCE",
                "brand": "Private",
                "product_category": None,
                "product_type": "APPLES  GALA (BULK&BAG)",
            }
        ],
        "transactions": [receipt_line(1)],
        **changed,
    }
    for file, file_rows in rows.items():
        write_table(folder / "files" / f"{file}.parquet", columns[file], file_rows)
    return Landing("complete_journey", folder / "files", folder / "data")


def receipt_line(product_id: int, **changed: Any) -> dict[str, Any]:
    usual = {
        "household_id": 900,
        "store_id": 330,
        "basket_id": 31198570044,
        "quantity": 1,
        "sales_value": 0.5,
        "retail_disc": 0.2,
        "coupon_disc": 0.1,
        "coupon_match_disc": 0.05,
        "transaction_timestamp": "2017-03-12 02:30:00",
    }
    return {"product_id": product_id, **usual, **changed}


def test_a_receipt_keeps_its_utc_time(tmp_path: Path) -> None:
    landing = land_receipts(tmp_path)
    assert landing.rows(
        "select receipt_id, cast(purchased_at as varchar), card_id, store_id from receipts"
    ) == [("31198570044", "2017-03-12 02:30:00", "900", "330")]
    assert landing.rows("select net_amount, discount_amount from receipt_lines") == [
        (Decimal("0.5"), Decimal("0.35"))
    ]


def test_campaign_days_are_days_in_new_york(tmp_path: Path) -> None:
    landing = land_receipts(tmp_path)
    assert landing.rows("""
        select name, channel, cast(started_at as varchar), cast(ended_at as varchar) from campaigns
    """) == [
        (
            "Campaign 26 (Type B)",
            "direct_mail",
            "2017-03-10 05:00:00",
            "2017-03-13 03:59:59",
        )
    ]
    assert landing.rows("select cast(created_at as varchar), card_id from contacts") == [
        ("2017-03-10 05:00:00", "900")
    ]


def test_what_a_household_is_like_is_an_attribute_of_its_card(tmp_path: Path) -> None:
    unknown = dict.fromkeys(
        ("income", "home_ownership", "marital_status", "household_comp", "kids_count")
    )
    landing = land_receipts(
        tmp_path,
        demographics=[{"household_id": 900, "age": "65+", "household_size": "2", **unknown}],
    )
    assert landing.rows("""
        select attribute_id, card_id, attribute, value, cast(observed_at as varchar)
        from attributes
        order by attribute_id
    """) == [
        ("900-age", "900", "age", "65+", "2017-03-10 05:00:00"),
        ("900-household_size", "900", "household_size", "2", "2017-03-10 05:00:00"),
    ]


def test_a_coupon_redeemed_twice_in_a_day_is_two_events(tmp_path: Path) -> None:
    redemption = {
        "household_id": 900,
        "coupon_upc": 51380041013,
        "campaign_id": 26,
        "redemption_date": "2017-03-11 00:00:00",
    }
    landing = land_receipts(tmp_path, coupon_redemptions=[redemption, redemption])
    assert landing.rows("""
        select event_id, message_id, event_type, cast(occurred_at as varchar), detail
        from message_events
        order by event_id
    """) == [
        ("26-900-1", "26-900", "redeemed", "2017-03-11 05:00:00", "51380041013"),
        ("26-900-2", "26-900", "redeemed", "2017-03-11 05:00:00", "51380041013"),
    ]


def test_coupon_lines_are_no_products_but_unlisted_goods_are(tmp_path: Path) -> None:
    coupon, unlisted = 5978656, 1093587
    landing = land_receipts(
        tmp_path,
        transactions=[
            receipt_line(coupon, quantity=0, sales_value=0.0, coupon_disc=1.0),
            receipt_line(unlisted),
            receipt_line(1, quantity=0, sales_value=0.0),
        ],
    )
    assert landing.rows("select line_no, product_id, line_kind from receipt_lines") == [
        (1, None, "adjustment"),
        (2, str(unlisted), "merchandise"),
        (3, "1", "merchandise"),
    ]
    assert landing.rows("select product_id, category_path, product_brand from products") == [
        ("1", "Produce > Apples  Gala (Bulk&Bag)", "Private 69"),
        (str(unlisted), None, None),
    ]


# Recipes of the test's own


@pytest.fixture
def recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in the place of the recipes."""
    folder = tmp_path / "recipes"
    folder.mkdir()
    monkeypatch.setattr(recipe, "RECIPES", folder)
    return folder


HEADER = "-- needs: tills.csv\n-- origin: the till maker\n"


def run_own(recipes: Path, sql: str, tills: str = "till\nT1\n", header: str = HEADER) -> Path:
    """Run a recipe `own` on a file tills.csv; return its landing folder."""
    (recipes / "own.sql").write_text(header + sql)
    (recipes.parent / "tills.csv").write_text(tills)
    run_recipe("own", recipes.parent, Paths(recipes.parent / "data"), lambda _: None)
    return recipes.parent / "data" / "landing" / "own"


def stores(columns: str) -> str:
    return f"create view landing.stores as select {columns} from files.tills;"


STORE = "till as store_id, 'own' as brand_id, timestamp '2020-01-01 00:00:00' as opened_at"


def test_recipes_of_the_project_are_listed() -> None:
    assert recipe_names() == ["cdnow", "complete_journey", "hillstrom", "online_retail_ii"]


def test_a_new_file_is_a_new_recipe(recipes: Path) -> None:
    landing = run_own(recipes, stores(STORE), "till\nT2\nT1\n")
    assert recipe_names() == ["own"]
    file = landing / "stores" / "own.parquet"
    assert duckdb.sql(f"select store_id from '{file}'").fetchall() == [("T1",), ("T2",)]
    with duckdb.connect() as connection:
        codecs = connection.execute(f"select distinct compression from parquet_metadata('{file}')")
        assert codecs.fetchall() == [("ZSTD",)]


def test_rows_of_a_csv_file_are_numbered_in_their_order(recipes: Path) -> None:
    numbered = STORE.replace("till as", "file_row_number || ' ' || till as")
    landing = run_own(recipes, stores(numbered), "till\nT2\nT1\n")
    assert duckdb.sql(
        f"select store_id from '{landing / 'stores' / 'own.parquet'}'"
    ).fetchall() == [
        ("0 T2",),
        ("1 T1",),
    ]


def test_unknown_recipe(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"no recipe 'amazon'.*complete_journey, hillstrom, onl"):
        run_recipe("amazon", tmp_path, Paths(tmp_path / "data"), lambda _: None)


@pytest.mark.parametrize("folder", ["", "absent"])
def test_missing_files_are_named_with_their_folder_and_origin(tmp_path: Path, folder: str) -> None:
    write_table(tmp_path / "products.parquet", {"product_id": "bigint"}, [])
    with pytest.raises(RecipeError) as error:
        run_recipe("complete_journey", tmp_path / folder, Paths(tmp_path / "data"), lambda _: None)
    message = str(error.value)
    assert "coupon_redemptions.parquet" in message
    assert "transactions.parquet" in message
    assert ("products.parquet" in message) == bool(folder)
    assert str(tmp_path / folder) in message
    assert "The Complete Journey 2.0" in message
    assert "\n" not in message
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        (stores(f"{STORE}, 3 as tills"), r"landing\.stores has .* not in the contract: tills$"),
        (stores("till as store_id"), r"landing\.stores lacks .* brand_id, opened_at$"),
        ("create table landing.tills as from files.tills;", r"landing\.tills is no entity"),
        ("create table stores as from files.tills;", "makes nothing in the schema landing"),
        (stores("till_no as store_id"), '"till_no" not found'),
        ("create view landing.stores", "syntax error"),
    ],
)
def test_sql_against_the_contract(recipes: Path, sql: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        run_own(recipes, sql)


@pytest.mark.parametrize("header", ["-- needs: tills.csv\n", "-- origin: the till maker\n"])
def test_a_header_that_lacks_a_line(recipes: Path, header: str) -> None:
    with pytest.raises(RecipeError, match=r"own\.sql lacks"):
        run_own(recipes, stores(STORE), header=header)


def test_a_value_that_does_not_fit_is_not_quoted_and_leaves_the_old_files(recipes: Path) -> None:
    landing = run_own(recipes, stores(STORE))
    before = (landing / "stores" / "own.parquet").read_bytes()
    sql = stores(STORE.replace("till as", "cast(till as integer) as"))
    with pytest.raises(RecipeError, match="ConversionException") as error:
        run_own(recipes, sql, "till\nanna.nowak@example.com\n")
    assert "anna" not in str(error.value)
    assert (landing / "stores" / "own.parquet").read_bytes() == before
    assert [path.name for path in (recipes.parent / "data").iterdir()] == ["landing"]


def test_running_again_gives_the_same_file(recipes: Path) -> None:
    tills = "till\n" + "".join(f"T{number}\n" for number in range(5_000))
    landing = run_own(recipes, stores(STORE), tills)
    before = (landing / "stores" / "own.parquet").read_bytes()
    assert (
        run_own(recipes, stores(STORE), tills) / "stores" / "own.parquet"
    ).read_bytes() == before
