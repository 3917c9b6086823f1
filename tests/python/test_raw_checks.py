"""What may enter the raw tables: deliveries that break one rule each, and their good twins."""

import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.contract import load_contract
from orchestration.ingest.loader import LoadReport, load_new_files
from orchestration.paths import PROJECT, Paths
from orchestration.quality import measures, raw_checks
from orchestration.quality.raw_checks import CheckOutcome, check_raw
from orchestration.quality.rules import Rule, rules_for_rows

NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)


class Platform:
    """A data folder in which files land, are loaded, and are checked."""

    def __init__(self, data: Path) -> None:
        self.paths = Paths(data)
        self.progress: list[str] = []

    def land(self, file: str, query: str) -> None:
        landed = self.paths.landing / file
        landed.parent.mkdir(parents=True, exist_ok=True)
        rows = duckdb.sql(query)
        if landed.suffix == ".csv":
            rows.write_csv(str(landed))
        else:
            rows.write_parquet(str(landed))

    def load(self) -> LoadReport:
        return load_new_files(self.paths, load_contract(), NOW, lambda _: None)

    def check(self) -> dict[str, CheckOutcome]:
        """Load and check what has landed since the last time."""
        outcomes = check_raw(self.paths, load_contract(), self.load(), self.progress.append)
        return {outcome.entity: outcome for outcome in outcomes}

    def report_files(self) -> list[Path]:
        return [file for file in self.paths.reports.rglob("*") if file.is_file()]


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return Platform(tmp_path / "Anna's [data]")


def orders(rows: int, **columns: str) -> str:
    """Good orders, number 0 to rows - 1 in column i; `columns` replaces some by other SQL."""
    good = {
        "order_id": "'O-' || i",
        "brand_id": "'domowo'",
        "ordered_at": "timestamp '2026-06-01' + to_minutes(i)",
        "status": "'paid'",
        "currency": "'PLN'",
    }
    return select(rows, good | columns)


def order_lines(rows: int, **columns: str) -> str:
    good = {
        "order_id": "'O-' || i",
        "line_no": "1",
        "line_kind": "'merchandise'",
        "quantity": "1",
        "net_amount": "9.99",
    }
    return select(rows, good | columns)


def accounts(rows: int, **columns: str) -> str:
    good = {
        "account_id": "'A-' || i",
        "brand_id": "'domowo'",
        "created_at": "timestamp '2026-06-01'",
        "email": "'somebody' || i || '@example.com'",
    }
    return select(rows, good | columns)


def stores(rows: int, **columns: str) -> str:
    good = {
        "store_id": "'S-' || i",
        "brand_id": "'domowo'",
        "opened_at": "timestamp '2015-04-01'",
        "latitude": "52.2",
    }
    return select(rows, good | columns)


def receipts(rows: int, **columns: str) -> str:
    good = {
        "receipt_id": "'T-' || i",
        "brand_id": "'domowo'",
        "purchased_at": "timestamp '2026-06-01'",
        "store_id": "'S-' || i % 3",
        "currency": "'PLN'",
    }
    return select(rows, good | columns)


def select(rows: int, columns: dict[str, str]) -> str:
    selected = ", ".join(f"{value} as {name}" for name, value in columns.items())
    return f"select {selected} from range({rows}) as rows (i)"


# Values, patterns and ranges of the contract

WRONG_VALUES = [
    ("orders", orders, "status", "'xyzzy'", "'paid'"),
    ("orders", orders, "currency", "'xyzzy'", "'PLN'"),
    ("orders", orders, "country", "'xyzzy'", "null"),
    ("accounts", accounts, "gender", "'xyzzy'", "'female'"),
    ("stores", stores, "latitude", "-90.73", "-90"),
    ("stores", stores, "latitude", "90.73", "90"),
]


@pytest.mark.parametrize(("entity", "rows", "column", "odd", "good"), WRONG_VALUES)
def test_a_wrong_column_fails_and_a_single_odd_value_does_not(
    platform: Platform,
    entity: str,
    rows: Callable[..., str],
    column: str,
    odd: str,
    good: str,
) -> None:
    for system, numbers in (("one", "(7)"), ("two", "(3, 7)")):
        platform.land(
            f"{system}/{entity}/some odd.parquet",
            rows(20, **{column: f"case when i in {numbers} then {odd} else {good} end"}),
        )
    outcome = platform.check()[entity]
    assert not outcome.passed
    [failed] = outcome.failed
    counts = f"2 of {2 if good == 'null' else 20} values of {column}"
    assert failed.startswith(f"landing/two/{entity}/some odd.parquet: {counts} break the rule")
    assert "xyzzy" not in failed
    assert ".73" not in failed


@given(values=st.integers(1, 10**9), data=st.data())
def test_one_percent_or_a_single_value_may_be_odd(values: int, data: st.DataObject) -> None:
    """Shares are compared in floating point, and no count falls between."""
    limit = max(1, values // 100)
    near = st.integers(limit - 1, min(values, limit + 1))
    odd = data.draw(near | st.integers(0, values))
    rule = Rule("status", "", "", values=("paid",), mostly=0.99)
    assert ((values - odd) / values >= rule.share_required(values)) == (odd <= limit)


def test_a_small_system_is_not_hidden_by_a_large_one(platform: Platform) -> None:
    platform.land("large/orders/1.parquet", orders(5_000))
    platform.land("small/orders/1.parquet", orders(10, status="'odd'"))
    [failed] = platform.check()["orders"].failed
    assert failed.startswith("landing/small/orders/1.parquet: 10 of 10 values of status")


def test_of_many_wrong_files_the_worst_three_are_named(platform: Platform) -> None:
    for number in range(5):
        wrong = orders(10 + number, order_id=f"'{number}-' || i", status="'odd'")
        platform.land(f"shop/orders/{number}.csv", wrong)
    *named, rest = platform.check()["orders"].failed
    assert [line.split(":")[0] for line in named] == [
        "landing/shop/orders/4.csv",
        "landing/shop/orders/3.csv",
        "landing/shop/orders/2.csv",
    ]
    assert rest.startswith("2 more files break the rule that status is one of")


def test_a_sample_finds_a_wrong_column_and_is_the_same_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measures, "SAMPLE", 1_000)
    told = []
    for name in ("first", "second"):
        platform = Platform(tmp_path / name)
        platform.land("shop/orders/1.parquet", orders(20_000, status="'odd'"))
        told.append(platform.check()["orders"].failed)
    assert told[0] == told[1]
    looked_at = re.search("([0-9,]+) of ([0-9,]+) values", told[0][0])
    assert looked_at is not None
    assert looked_at[1] == looked_at[2]
    assert 800 < int(looked_at[2].replace(",", "")) < 1_200


def test_every_limit_of_the_contract_has_its_rule() -> None:
    for entity in load_contract().values():
        limited = {
            column.name
            for column in entity.columns
            if (column.values, column.pattern, column.minimum, column.maximum)
            != ((), None, None, None)
        }
        assert {rule.column for rule in rules_for_rows(entity)} == limited


# Volumes


@pytest.mark.parametrize(
    ("rows", "bad", "passes"),
    [
        (2_000, 100, True),
        (2_000, 101, False),
        (150, 99, True),
        (150, 100, False),
        (100, 100, False),
        (3, 3, True),
        (0, 0, True),
    ],
)
def test_five_percent_of_a_file_or_fewer_than_a_hundred_rows_may_be_bad(
    platform: Platform, rows: int, bad: int, passes: bool
) -> None:
    platform.land("shop/orders/1.csv", orders(rows, currency=f"if(i < {bad}, null, 'PLN')"))
    outcome = platform.check()["orders"]
    assert outcome.passed is passes
    if not passes:
        [failed] = outcome.failed
        assert failed.startswith(
            f"landing/shop/orders/1.csv: {bad} of {rows:,} rows are in quarantine "
            f"(missing currency: {bad})"
        )


def test_a_full_export_every_day_is_no_failure(platform: Platform) -> None:
    """What is loaded already goes to quarantine as repeated, and that is not bad."""
    platform.land("shop/orders/2026-06-01.csv", orders(50))
    assert platform.check()["orders"].passed
    platform.land("shop/orders/2026-06-02.csv", orders(51))
    assert platform.check()["orders"].passed
    platform.land("shop/orders/2026-06-03.csv", orders(51, coupon_code="'SPRING'"))
    assert platform.check()["orders"].passed


def test_rows_that_are_gone_from_raw_are_missed(platform: Platform) -> None:
    platform.land("shop/orders/1.csv", orders(50))
    report = platform.load()
    raw = platform.paths.raw / str(report.loads[0].raw_file)
    pq.write_table(pq.read_table(raw).slice(0, 48), raw)
    [outcome] = check_raw(platform.paths, load_contract(), report, platform.progress.append)
    [failed] = outcome.failed
    assert "it has 50 rows, but raw holds 48 and quarantine 0" in failed


# Refused files


def test_a_refused_file_fails_until_it_is_mended(platform: Platform) -> None:
    broken = "landing/shop/orders/1.csv"
    platform.land("shop/orders/1.csv", orders(3).replace("as currency", "as money"))
    platform.land("shop/accounts/1.csv", accounts(3))
    first = platform.check()
    assert [name for name, outcome in first.items() if not outcome.passed] == ["orders"]
    [failed] = first["orders"].failed
    assert failed.startswith(broken)
    assert '"currency" is missing' in failed
    assert platform.check()["orders"].failed == (failed,)
    platform.land("shop/orders/1.csv", orders(3))
    assert platform.check()["orders"].passed
    assert platform.check() == {}


def test_a_file_of_an_unknown_entity_is_told_after_the_others(platform: Platform) -> None:
    platform.land("shop/ordrs/1.csv", orders(3))
    platform.land("shop/orders/1.csv", orders(3))
    outcomes = platform.check()
    assert list(outcomes) == ["orders", "ordrs"]
    assert outcomes["orders"].passed
    [failed] = outcomes["ordrs"].failed
    assert "landing/shop/ordrs/1.csv" in failed


def test_outcomes_come_in_the_order_of_the_contract(platform: Platform) -> None:
    for entity, rows in (("orders", orders), ("stores", stores), ("accounts", accounts)):
        platform.land(f"shop/{entity}/1.csv", rows(3))
    contract = list(load_contract())
    found = list(platform.check())
    assert found == sorted(found, key=contract.index)
    assert len(found) == 3


# References


@pytest.mark.parametrize(
    ("documents", "lines", "passes"),
    [(300, 303, True), (300, 304, False), (2, 3, True), (2, 4, False)],
)
def test_one_percent_or_a_single_row_may_lack_its_parent(
    platform: Platform, documents: int, lines: int, passes: bool
) -> None:
    platform.land("shop/orders/1.csv", orders(documents))
    platform.land("shop/order_lines/1.csv", order_lines(lines))
    outcome = platform.check()["order_lines"]
    assert outcome.passed is passes
    if not passes:
        [failed] = outcome.failed
        assert failed.startswith(
            f"landing/shop/order_lines/1.csv: {lines - documents} of {lines} rows looked at "
            "have order_id of no orders"
        )


def test_a_parent_may_have_come_before_but_only_from_the_same_system(platform: Platform) -> None:
    platform.land("shop/orders/1.csv", orders(50))
    assert platform.check()["orders"].passed
    platform.land("shop/order_lines/1.csv", order_lines(50))
    assert platform.check()["order_lines"].passed
    platform.land("other/orders/1.csv", orders(2, order_id="'X-' || i"))
    platform.land("other/order_lines/1.csv", order_lines(50))
    [failed] = platform.check()["order_lines"].failed
    assert failed.startswith("landing/other/order_lines/1.csv: 50 of 50 rows")


def test_a_system_may_leave_out_parents_that_its_rows_can_do_without(platform: Platform) -> None:
    """A receipt has its own time; an order line is lost without its order."""
    platform.land("tills/receipts/1.csv", receipts(50))
    platform.land("shop/order_lines/1.csv", order_lines(50))
    outcomes = platform.check()
    assert outcomes["receipts"].passed
    assert not outcomes["order_lines"].passed
    platform.land("tills/stores/1.csv", stores(1, store_id="'S-0'"))
    platform.land("tills/receipts/2.csv", receipts(60))
    [failed] = platform.check()["receipts"].failed
    assert failed.startswith("landing/tills/receipts/2.csv: 7 of 10 rows looked at have store_id")


# What was different before


def test_a_filled_column_may_not_fall_silent(platform: Platform) -> None:
    platform.land("shop/accounts/2026-06-01.csv", accounts(200, phone="if(i < 90, i, null)"))
    platform.check()
    platform.land(
        "shop/accounts/2026-06-02.csv",
        accounts(100, account_id="'B-' || i", email="null", phone="null"),
    )
    [failed] = platform.check()["accounts"].failed
    assert failed.startswith(
        "landing/shop/accounts/2026-06-02.csv: no email in any of 100 rows, though most had one"
    )


def test_a_few_rows_without_a_value_are_no_silence(platform: Platform) -> None:
    platform.land("shop/accounts/2026-06-01.csv", accounts(200))
    platform.check()
    few = accounts(99, account_id="'B-' || i", email="null")
    platform.land("shop/accounts/2026-06-02.csv", few)
    one = accounts(200, account_id="'C-' || i", email="if(i = 7, 'a@example.com', null)")
    platform.land("shop/accounts/2026-06-03.csv", one)
    platform.land("other/accounts/2026-06-03.csv", accounts(200, email="null"))
    assert platform.check()["accounts"].passed


def test_an_old_delivery_is_a_warning(platform: Platform) -> None:
    platform.land("shop/orders/1.csv", orders(5))
    platform.check()
    for number, day in enumerate(("2026-05-02", "2026-05-01")):
        late = orders(5, order_id=f"'{day}-' || i", ordered_at=f"timestamp '{day}'")
        platform.land(f"shop/orders/late {number}.csv", late)
    outcome = platform.check()["orders"]
    assert outcome.passed
    assert outcome.failed == ()
    [warned] = outcome.warned
    assert warned.startswith("landing/shop/orders/late 1.csv: its newest row is 31 days older")
    assert f"check orders: warning: {warned}" in platform.progress


# What it costs, what it writes, what it keeps to itself


def test_nothing_new_costs_nothing(platform: Platform) -> None:
    platform.land("shop/orders/1.csv", orders(5))
    platform.land("shop/orders/copy of 1.csv", orders(5))
    platform.load()
    (platform.paths.landing / "shop" / "orders" / "1.csv").touch()
    program = f"""
import sys
from datetime import UTC, datetime
from pathlib import Path
from orchestration.contract import load_contract
from orchestration.ingest.loader import load_new_files
from orchestration.paths import Paths
from orchestration.quality.raw_checks import check_raw

paths = Paths(Path({str(platform.paths.data)!r}))
report = load_new_files(paths, load_contract(), datetime.now(UTC), lambda _: None)
assert len(report.loads) == 1 and report.loads[0].duplicate_of, report
assert check_raw(paths, load_contract(), report, lambda _: None) == []
assert not {{"great_expectations", "pandas"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], cwd=PROJECT, check=True)
    assert not platform.paths.reports.exists()


def test_the_data_docs_tell_of_the_last_check_alone(platform: Platform) -> None:
    platform.land("shop/orders/1.csv", orders(5))
    platform.land("shop/accounts/1.csv", accounts(5))
    platform.check()
    index = platform.paths.reports / "data_docs" / "index.html"
    assert "orders rows of shop" in index.read_text()
    assert "accounts rows of shop" in index.read_text()
    pages = len(platform.report_files())
    platform.land("shop/orders/2.csv", orders(5, order_id="'N-' || i", status="'odd'"))
    platform.check()
    assert "accounts" not in index.read_text()
    assert len(platform.report_files()) < pages
    assert [file.name for file in platform.paths.reports.iterdir()] == ["data_docs"]
    told = " ".join(file.read_text() for file in platform.report_files() if file.suffix == ".html")
    assert "status is one of placed, paid, shipped, completed, cancelled" in told
    assert "no file is refused" in told


def test_no_value_of_a_row_is_told_or_written(
    platform: Platform, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Every rule fails on rows that are full of one unique value."""
    canary = "anna.zq81@example.com"
    everywhere = dict.fromkeys(("email", "phone", "first_name", "street", "city"), f"'{canary}'")
    platform.land("shop/accounts/1.csv", accounts(200, gender=f"'{canary}'", **everywhere))
    platform.land("shop/orders/0.csv", orders(200, coupon_code=f"'{canary}'"))
    with caplog.at_level("DEBUG"):
        platform.check()
        platform.land(
            "shop/orders/1.csv",
            orders(
                400,
                order_id=f"'{canary}' || i",
                status=f"'{canary}'",
                currency=f"'{canary}'",
                country=f"'{canary}'",
                ordered_at=f"if(i < 120, '{canary}', '2020-01-01')",
            ),
        )
        platform.land(
            "shop/order_lines/1.csv",
            order_lines(200, order_id=f"'{canary}-' || i", line_kind=f"'{canary}'", line_no="-i"),
        )
        outcomes = platform.check()
    assert len(outcomes["orders"].failed) == 5
    assert len(outcomes["orders"].warned) == 1
    assert len(outcomes["order_lines"].failed) == 3
    said = [repr(outcomes), *platform.progress, caplog.text, *capfd.readouterr()]
    written = [file.read_bytes() for file in platform.report_files()]
    assert len(written) > 10
    assert not [text for text in said if "zq81" in text]
    assert not [content for content in written if b"zq81" in content]


def test_what_cannot_be_evaluated_is_no_verdict_on_the_data(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration.quality.validation import ExpectationError

    broken = (Rule("status", "status is well formed", "", pattern="("),)
    monkeypatch.setattr(raw_checks, "rules_for_rows", lambda _: broken)
    platform.land("shop/orders/1.csv", orders(5, status="'zq81'"))
    with pytest.raises(ExpectationError, match="orders rows of shop that status is well formed"):
        platform.check()
    assert not platform.paths.reports.exists()
