"""The golden record from day to day: what staff set holds until it expires."""

from datetime import date
from pathlib import Path

import duckdb
import pytest

from orchestration.paths import Paths
from tests.python.conftest import build, differences

pytestmark = pytest.mark.usefixtures("parsed_project")

ACCOUNTS = """\
account_id,brand_id,created_at,email,first_name,city,country
A-1,domowo,2026-01-01 10:00:00,anna@home.pl,Anna,Gdynia,PL
A-2,domowo,2026-01-01 10:00:00,ewa@home.pl,Ewa,Sopot,PL
"""
OVERRIDES = """\
attribute_id,brand_id,observed_at,account_id,attribute,value,valid_until
M-1,domowo,2026-06-01 10:00:00,A-1,first_name,Hanna,2026-06-29
M-2,domowo,2026-06-01 10:00:00,A-1,city,Suwałki,2026-06-30
M-3,domowo,2026-06-01 10:00:00,A-2,birth_date,1980-02-29,2026-06-29
"""
LATER = """\
attribute_id,brand_id,observed_at,account_id,attribute,value,valid_until
M-4,domowo,2026-07-01 09:00:00,A-2,first_name,Eva,
M-5,domowo,2026-07-01 09:00:00,A-1,email,hanna@home.pl,
"""


def deliver(paths: Paths, system: str, entity: str, file: str, content: str) -> None:
    folder = paths.landing / system / entity
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(content, encoding="utf-8")


def golden(warehouse: Path) -> list[tuple[str | None, ...]]:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return connection.execute(
            """
            select first_name, city, birth_date::varchar, email
            from pii.customers
            order by email
            """
        ).fetchall()


def test_an_override_ends_overnight_without_new_data(tmp_path: Path) -> None:
    daily = Paths(tmp_path / "daily")
    deliver(daily, "demo_shop", "accounts", "history.csv", ACCOUNTS)
    deliver(daily, "manual", "attributes", "history.csv", OVERRIDES)
    build(daily, date(2026, 6, 29))
    assert golden(daily.warehouse) == [
        ("Hanna", "Suwałki", None, "anna@home.pl"),
        ("Ewa", "Sopot", "1980-02-29", "ewa@home.pl"),
    ]
    build(daily, date(2026, 6, 30))
    assert golden(daily.warehouse) == [
        ("Anna", "Suwałki", None, "anna@home.pl"),
        ("Ewa", "Sopot", None, "ewa@home.pl"),
    ]
    deliver(daily, "manual", "attributes", "2026-07-01.csv", LATER)
    build(daily, date(2026, 7, 1))
    assert golden(daily.warehouse) == [
        ("Eva", "Sopot", None, "ewa@home.pl"),
        ("Anna", "Gdynia", None, "hanna@home.pl"),
    ]

    at_once = Paths(tmp_path / "at_once")
    deliver(at_once, "demo_shop", "accounts", "history.csv", ACCOUNTS)
    deliver(at_once, "manual", "attributes", "history.csv", OVERRIDES)
    deliver(at_once, "manual", "attributes", "2026-07-01.csv", LATER)
    build(at_once, date(2026, 7, 1))
    assert differences(at_once.warehouse, daily.warehouse, ("pii", "marts")) == {}
