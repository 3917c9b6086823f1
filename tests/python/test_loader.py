"""The loader: what lands is typed, kept out with a reason or refused, and nothing is lost."""

import csv
import gzip
import io
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from orchestration.contract import Entity, load_contract
from orchestration.ingest import loader
from orchestration.ingest.files import LandedFile
from orchestration.ingest.ledger import LedgerError
from orchestration.ingest.loader import (
    ContractError,
    Load,
    LoadReport,
    LostRowsError,
    create_raw_views,
    find_new_files,
    load_new_files,
    read_ledger,
)
from orchestration.paths import Paths

at = datetime.fromisoformat
NOW = at("2026-07-01 12:00")
CONTRACT = load_contract()
MESSAGES = "message_id,brand_id,contact_id,sent_at\n"  # all required columns of an event
ORDERS = "order_id,brand_id,ordered_at,status,currency\n"  # all required columns of a record


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "data [1]")  # brackets are wildcards to DuckDB


def land(paths: Paths, name: str, content: str | bytes) -> Path:
    file = paths.landing / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def land_frame(paths: Paths, name: str, columns: Mapping[str, Any] | pd.DataFrame) -> Path:
    file = land(paths, name, b"")
    pd.DataFrame(columns).to_parquet(file, index=False)
    return file


def load(paths: Paths, contract: Mapping[str, Entity] = CONTRACT) -> LoadReport:
    return load_new_files(paths, contract, NOW, lambda _line: None)


def query(
    paths: Paths, sql: str, contract: Mapping[str, Entity] = CONTRACT
) -> list[tuple[Any, ...]]:
    """Rows of a query over the raw views."""
    with closing(duckdb.connect()) as connection:
        create_raw_views(connection, paths, contract)
        return connection.execute(sql).fetchall()


def quarantine(paths: Paths) -> list[tuple[Any, ...]]:
    """Row, reason and text of all that is in quarantine."""
    files = sorted(paths.quarantine.glob("*/*.parquet"))
    rows: list[tuple[Any, ...]] = []
    for file in files:
        frame = pd.read_parquet(file)
        rows += frame[["row", "reason", "raw"]].itertuples(index=False, name=None)
    return rows


def reasons(paths: Paths) -> dict[str, int]:
    """Reasons over all loads."""
    counts: dict[str, int] = {}
    for entry in read_ledger(paths):
        for reason, rows in entry.reasons.items():
            counts[reason] = counts.get(reason, 0) + rows
    return counts


def message(key: str, sent_at: str = "2026-06-01 10:00:00") -> str:
    return f"{key},domowo,E-1,{sent_at}\n"


# --- typed rows ------------------------------------------------------------------------------


def test_a_file_becomes_typed_rows_that_know_where_they_come_from(paths: Paths) -> None:
    land(
        paths,
        "demo_shop/order_lines/lines_20260630.csv",
        "line_no,order_id,line_kind,quantity,net_amount,colour\n"
        "2, O-1 ,goods,1.00005,-7,red\n"
        "\n"
        "3,O-1,goods,2.0002,7,\n",
    )
    report = load(paths)
    rows = query(
        paths,
        "select order_id, line_no, product_id, quantity, net_amount, source_system, _extra,"
        " _file, _row, _delivered_on, _loaded_at, _load_id from raw.order_lines order by line_no",
    )
    one, seven = Decimal("1.0001"), Decimal("7.0000")
    file, day = "demo_shop/order_lines/lines_20260630.csv", date(2026, 6, 30)
    assert rows == [
        ("O-1", 2, None, one, -seven, "demo_shop", '{"colour":"red"}', file, 1, day, NOW, 1),
        ("O-1", 3, None, 2 * one, seven, "demo_shop", None, file, 3, day, NOW, 1),
    ]
    (entry,) = report.loads
    assert (entry.rows_in, entry.rows_loaded, entry.rows_quarantined) == (2, 2, 0)
    assert entry.new_columns == ("colour",)
    assert entry.raw_file == "order_lines/00000001__demo_shop.parquet"
    assert read_ledger(paths) == [entry]


def test_raw_files_have_the_columns_of_the_contract_in_order(paths: Paths) -> None:
    land(paths, "shop/orders/a.csv", ORDERS)
    load(paths)
    columns = query(paths, "describe raw.orders")
    assert [(name, kind.lower()) for name, kind, *_ in columns] == [
        *((column.name, column.data_type) for column in CONTRACT["orders"].columns),
        ("source_system", "varchar"),
        ("_extra", "varchar"),
        ("_file", "varchar"),
        ("_row", "bigint"),
        ("_delivered_on", "date"),
        ("_loaded_at", "timestamp"),
        ("_load_id", "bigint"),
    ]


WRONG = object()
VALUES: dict[tuple[str, str], dict[str, object]] = {
    ("orders", "ordered_at"): {
        "2026-05-01T10:00:00+02:00": at("2026-05-01 08:00"),
        "2026-05-01 10:00:00-0530": at("2026-05-01 15:30"),
        "2026-05-01T10:00:00Z": at("2026-05-01 10:00"),
        "2026-05-01 10:00:00.25": at("2026-05-01 10:00:00.250000"),
        "2026-05-01 10:00": at("2026-05-01 10:00"),
        "2026-05-01": at("2026-05-01"),
        "1900-01-01": at("1900-01-01"),
        "1899-12-31": WRONG,
        "9999-12-31 00:00:00": WRONG,
        "infinity": WRONG,
        "epoch": WRONG,
        "2026-02-30": WRONG,
        "01/05/2026": WRONG,
        "2026-05-01 10:00:00 Europe/Berlin": WRONG,
        "1777629600": WRONG,
    },
    ("orders", "is_test"): {
        "TRUE": True,
        "yes": True,
        "1": True,
        "0": False,
        "f": False,
        "no": False,
        "  ": None,
        "2": WRONG,
        "maybe": WRONG,
    },
    ("orders", "email"): {
        " a@example.com ": "a@example.com",
        "": None,
        "NULL": "NULL",
        "'; drop table orders; --": "'; drop table orders; --",
        "Żółć 😀 \u202egnol": "Żółć 😀 \u202egnol",
        "x" * 1_000_000: "x" * 1_000_000,
    },
    ("accounts", "birth_date"): {
        "1985-02-28": date(1985, 2, 28),
        "1985-02-29": WRONG,
        "0001-01-01": WRONG,
        "1985-02-28 10:00": WRONG,
    },
    ("order_lines", "line_no"): {
        "007": 7,
        "-1": -1,
        "1.5": WRONG,
        "1.0": WRONG,
        "1e3": WRONG,
        "1_0": WRONG,
        "0x1F": WRONG,
        "2147483648": WRONG,
    },
    ("order_lines", "net_amount"): {
        "12.34567": Decimal("12.3457"),
        "-0.00005": Decimal("-0.0001"),
        "1e3": Decimal("1000"),
        "12,50": WRONG,
        "1 000": WRONG,
        "€5": WRONG,
        "NaN": WRONG,
        "inf": WRONG,
        "1e18": WRONG,
    },
    ("stores", "latitude"): {"-52.25": -52.25, "nan": WRONG, "inf": WRONG, "1e999": WRONG},
}
OTHERS = {
    "orders": {"brand_id": "b", "ordered_at": "2026-05-01", "status": "paid", "currency": "EUR"},
    "accounts": {"brand_id": "b", "created_at": "2026-05-01"},
    "order_lines": {"line_no": "1", "line_kind": "goods", "quantity": "1", "net_amount": "1"},
    "stores": {"brand_id": "b", "opened_at": "2026-05-01"},
}


@pytest.mark.parametrize("ending", ["csv", "ndjson", "parquet"])
@pytest.mark.parametrize(("entity", "column"), VALUES, ids=lambda name: str(name))
def test_a_text_has_the_type_of_its_column_or_is_rejected(
    paths: Paths, ending: str, entity: str, column: str
) -> None:
    values = VALUES[entity, column]
    key = CONTRACT[entity].key[0]
    rows = [{key: f"K-{n}"} | OTHERS[entity] | {column: text} for n, text in enumerate(values)]
    name = f"shop/{entity}/a.{ending}"
    match ending:
        case "csv":
            land(paths, name, as_csv(rows))
        case "ndjson":
            land(paths, name, as_ndjson(rows))
        case "parquet":
            land_frame(paths, name, pd.DataFrame(rows))
    load(paths)
    data_type = next(c.data_type for c in CONTRACT[entity].columns if c.name == column)
    assert dict(query(paths, f"select {key}, {column} from raw.{entity}")) == {
        f"K-{n}": value for n, value in enumerate(values.values()) if value is not WRONG
    }
    wrong = sum(value is WRONG for value in values.values())
    expected = {f"wrong type in {column}: expected {data_type}": wrong} if wrong else {}
    assert reasons(paths) == expected


def as_csv(rows: list[dict[str, str]], **dialect: Any) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), **dialect)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_ndjson(rows: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_parquet_columns_are_taken_as_they_are_where_that_keeps_their_value(paths: Paths) -> None:
    land_frame(
        paths,
        "shop/order_lines/a.parquet",
        {
            " Order_ID ": [7.0, 8.0, 9.0, None],  # what pandas makes of keys with a gap
            "line_no": [1.0, 1.5, 2.0, 3.0],
            "line_kind": ["goods", "goods", "\0", "goods"],
            "quantity": [1, 1, 1, 1],
            "net_amount": [0.1 + 0.2, 1.0, 1.0, 1.0],
            "discount_amount": [None, float("inf"), 1.0, 1.0],
            "tags": [["a", None], [], [], []],
        },
    )
    load(paths)
    assert query(
        paths, "select order_id, line_no, net_amount, discount_amount, _extra from raw.order_lines"
    ) == [("7", 1, Decimal("0.3"), None, '{"tags":["a",null]}')]
    assert [(row, reason) for row, reason, _ in quarantine(paths)] == [
        (2, "wrong type in line_no: expected integer"),
        (3, "NUL byte"),
        (4, "missing order_id"),
    ]


def test_parquet_times_become_utc(paths: Paths) -> None:
    moment = at("2026-05-01 01:00Z")
    land_frame(
        paths,
        "shop/accounts/a.parquet",
        {
            "account_id": ["A-1"],
            "brand_id": ["b"],
            "created_at": pd.Series([moment]).dt.tz_convert("America/New_York"),
            "updated_at": pd.Series([at("2026-05-02")]).astype("datetime64[ns]"),
            "birth_date": pd.Series([at("1985-02-28")]).astype("datetime64[s]"),
        },
    )
    load(paths)
    assert query(paths, "select created_at, updated_at, birth_date from raw.accounts") == [
        (at("2026-05-01 01:00"), at("2026-05-02"), date(1985, 2, 28))
    ]


# --- rows that are kept out ------------------------------------------------------------------


def test_each_bad_row_has_the_first_reason_that_holds(paths: Paths) -> None:
    content = (
        MESSAGES.encode()
        + b"M-0,domowo,E-1,2026-05-01\n"
        + b"M-1,domowo\n"
        + b"M-2,domowo,E-1,2026-05-01,x\n"
        + b"M-3,\xff,E-1,2026-05-01\n"
        + b'M-4,"do"mowo,E-1,2026-05-01\n'
        + b"M-5,do\0mowo,E-1,soon\n"
        + b"M-6,,E-1,soon\n"
        + b"M-7,,E-1,2027-05-01\n"
        + b"M-0,domowo,E-1,2027-05-01\n"
        + b"M-0,domowo,E-2,2026-05-02\n"
    )
    land(paths, "tool/messages/a.csv", content)
    load(paths)
    assert query(paths, "select message_id, contact_id from raw.messages") == [("M-0", "E-1")]
    assert [(row, reason) for row, reason, _ in quarantine(paths)] == [
        (2, "unreadable: too few columns"),
        (3, "unreadable: too many columns"),
        (4, "unreadable: invalid encoding"),
        (5, "unreadable: broken quotes"),
        (6, "NUL byte"),
        (7, "wrong type in sent_at: expected timestamp"),
        (8, "missing brand_id"),
        (9, "future date in sent_at"),
        (10, "duplicate key"),
    ]


def test_what_is_no_json_object_is_kept_out(paths: Paths) -> None:
    good = '{"message_id": "M-1", "brand_id": "b", "contact_id": "E", "sent_at": "2026-05-01"}'
    lines = [good, "nope", "[1]", '"text"', good[:-1], "", good.replace("M-1", "M\\u0000")]
    land(paths, "tool/messages/a.jsonl", "\n".join(lines))
    load(paths)
    assert query(paths, "select message_id, _row from raw.messages") == [("M-1", 1)]
    assert reasons(paths) == {"not valid JSON": 4, "NUL byte": 1}


def test_a_clock_that_runs_ahead_is_borne_for_a_day_and_plans_for_ever(paths: Paths) -> None:
    day = timedelta(days=1)
    rows = [
        {"campaign_id": "C-1", "started_at": NOW + day, "ended_at": NOW + 100 * day},
        {"campaign_id": "C-2", "started_at": NOW + day + timedelta(seconds=1), "ended_at": None},
    ]
    others = {"brand_id": "b", "channel": "email"}
    land_frame(paths, "tool/campaigns/a.parquet", pd.DataFrame([r | others for r in rows]))
    load(paths)
    assert query(paths, "select campaign_id from raw.campaigns") == [("C-1",)]
    assert reasons(paths) == {"future date in started_at": 1}


def test_an_unclosed_quote_costs_its_own_row_only(paths: Paths) -> None:
    land(
        paths,
        "shop/orders/a.csv",
        ORDERS.replace("\n", ",email\n")
        + 'O-1,b,2026-05-01,paid,EUR,"open\n'
        + "O-2,b,2026-05-01,paid,EUR,two\n"
        + 'O-3,b,2026-05-01,paid,EUR,"on\n\nthree ""lines"",\n"\n'
        + 'O-4,b,2026-05-01,paid,EUR,5" nails\n'
        + 'O-5,b,2026-05-01,paid,EUR, "spaced, out" \n'
        + 'O-6,b,2026-05-01,paid,EUR,"open again\n'
        + 'O-7,b,2026-05-01,paid,EUR,""\n'
        + 'O-8,b,2026-05-01,paid,EUR,"open at the end',
    )
    load(paths)
    assert query(paths, "select order_id, email, _row from raw.orders order by 1") == [
        ("O-2", "two", 2),
        ("O-3", 'on\n\nthree "lines",\n', 3),
        ("O-4", '5" nails', 7),
        ("O-5", "spaced, out", 8),
        ("O-7", None, 10),
    ]
    assert [(row, reason) for row, reason, _ in quarantine(paths)] == [
        (1, "unreadable: broken quotes"),
        (9, "unreadable: broken quotes"),
        (11, "unreadable: broken quotes"),
    ]


def test_a_file_of_bad_rows_only_leaves_an_empty_typed_table(paths: Paths) -> None:
    land(paths, "tool/messages/a.csv", MESSAGES + "M-1,,,\n,,,\n")
    (entry,) = load(paths).loads
    assert (entry.rows_in, entry.rows_loaded, entry.rows_quarantined) == (2, 0, 2)
    assert entry.latest_event_at is None
    assert query(paths, "select count(*), max(sent_at) from raw.messages") == [(0, None)]


def test_row_numbers_and_counts_are_exact_in_a_file_of_many_buffers(paths: Paths) -> None:
    """Bad lines stand everywhere; DuckDB reads the file in parallel."""
    bad = {n: b"\xff\xfe" if n % 2 else b'"' for n in range(5, 400_000, 997)}
    lines = [bad.get(n, b"M-%d,domowo,%s,2026-05-01" % (n, b"e" * 100)) for n in range(1, 400_001)]
    land(paths, "tool/messages/a.csv", MESSAGES.encode() + b"\n".join(lines))
    (entry,) = load(paths).loads
    assert (entry.rows_in, entry.rows_quarantined) == (400_000, len(bad))
    assert query(paths, "select count(*) from raw.messages where message_id != 'M-' || _row") == [
        (0,)
    ]
    assert sorted(row for row, *_ in quarantine(paths)) == sorted(bad)


def test_no_value_is_told_outside_the_quarantine(paths: Paths) -> None:
    secret = "anna.nowak@example.com"
    said: list[str] = []
    land(paths, "tool/messages/a.csv", MESSAGES + f"M-1,domowo,E-1,{secret}\nM-2,{secret}\n")
    land(paths, "tool/messages/b.ndjson", f'{{"message_id": "{secret}"\n')
    land(paths, "tool/messages/c.parquet", secret)
    land(paths, "tool/messages/d.csv.gz", secret)
    land(paths, "tool/messages/e.csv", f"a\n{secret}\n")
    load_new_files(paths, CONTRACT, NOW, said.append)
    assert len(said) == 5
    assert secret not in "".join(said) + (paths.raw / "loads.ndjson").read_text()
    assert secret in str(quarantine(paths))


# --- how files are written -------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_delimiters_line_ends_and_quotes(paths: Paths, delimiter: str, line_end: str) -> None:
    rows = [
        {"message_id": "M-1", "brand_id": "a,b;c\td|e", "contact_id": '"', "sent_at": "2026-05-01"},
        {"message_id": "M-2", "brand_id": "😀", "contact_id": "E-1", "sent_at": "2026-05-01"},
    ]
    for number, quoting in enumerate((csv.QUOTE_MINIMAL, csv.QUOTE_ALL)):
        text = as_csv(rows, delimiter=delimiter, lineterminator=line_end, quoting=quoting)
        land(paths, f"tool{number}/messages/a.csv", "\ufeff" + text)
    load(paths)
    assert (
        query(paths, "select message_id, brand_id, contact_id from raw.messages order by all")
        == [("M-1", "a,b;c\td|e", '"')] * 2 + [("M-2", "😀", "E-1")] * 2
    )


def test_mixed_line_ends(paths: Paths) -> None:
    land(paths, "tool/messages/a.csv", MESSAGES + "M-1,b,E,2026-05-01\r\n\nM-2,b,E,2026-05-01")
    (entry,) = load(paths).loads
    assert (entry.rows_in, entry.rows_loaded) == (2, 2)


@pytest.mark.parametrize("ending", ["csv.gz", "csv.zst", "ndjson.gz", "jsonl.zst"])
def test_compressed_files_are_read_whole_or_refused(paths: Paths, ending: str) -> None:
    keys = [f"M-{number}" for number in range(20_000)]
    text = MESSAGES + "".join(map(message, keys))
    if not ending.startswith("csv"):
        rows = csv.DictReader(text.splitlines())
        text = as_ndjson(rows)
    packed = compress(text.encode(), ending)
    land(paths, f"tool/messages/whole.{ending}", packed)
    land(paths, f"tool/messages/cut.{ending}", packed[: len(packed) // 2])
    land(paths, f"tool/messages/end_missing.{ending}", packed[:-4])
    land(paths, f"tool/messages/plain.{ending}", text)
    report = load(paths)
    assert query(paths, "select count(distinct message_id), count(*) from raw.messages") == [
        (20_000, 20_000)
    ]
    refused = [entry for entry in report.loads if entry.error]
    assert len(refused) == 3
    assert all("damaged or incomplete" in str(entry.error) for entry in refused)


def compress(content: bytes, ending: str) -> bytes:
    if ending.endswith("gz"):
        return gzip.compress(content)
    packed = pa.BufferOutputStream()
    with pa.CompressedOutputStream(packed, "zstd") as stream:
        stream.write(content)
    return bytes(packed.getvalue())


@pytest.mark.parametrize(
    "name",
    ["it's.csv", "a b.csv", "a[1].csv", "*.csv", "what?.csv", "żółć😀.csv", "a=b.csv", "'.csv"],
)
def test_odd_file_names(paths: Paths, name: str) -> None:
    land(paths, f"tool/messages/{name}", MESSAGES + message("M-1"))
    land(paths, "tool/messages/a1.csv", MESSAGES + message("M-2"))
    load(paths)
    assert query(paths, "select message_id, _file from raw.messages order by 1") == [
        ("M-1", f"tool/messages/{name}"),
        ("M-2", "tool/messages/a1.csv"),
    ]


def test_odd_column_names_are_kept_beside_the_row(paths: Paths) -> None:
    names = ['"', "'; drop table x; --", "a b", "_row", "record", "fields", "ż"]
    row = dict(zip(names, "abcdefg", strict=True))
    known = {"Message_ID": "M", "brand_id ": "b", "CONTACT_ID": "E", "sent_at": "2026-05-01"}
    land(paths, "a/messages/a.csv", as_csv([known | row]))
    land(paths, "b/messages/a.ndjson", as_ndjson([known | row | {"deep": {"x": [1]}, "no": None}]))
    land_frame(paths, "c/messages/a.parquet", {k: [v] for k, v in (known | row).items()})
    report = load(paths)
    found = query(paths, "select _extra from raw.messages order by source_system")
    assert [json.loads(extra) for (extra,) in found] == [row, row | {"deep": {"x": [1]}}, row]
    assert [set(entry.new_columns) for entry in report.loads] == [
        set(row),
        {*row, "deep", "no"},
        set(row),
    ]


# --- files that are refused ------------------------------------------------------------------


def errors(report: LoadReport) -> dict[str, str]:
    return {entry.file: entry.error for entry in report.loads if entry.error}


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("message_id,brandid,contact_id,sent_at,colour", 'the file has "brandid": was it renamed?'),
        ("message_id,shop,contact_id,sent_at", 'the file has "shop": was it renamed?'),
        ("message_id,contact_id,sent_at,colour,size", 'required column "brand_id" is missing'),
        ("message_id,contact_id", 'required columns "brand_id", "sent_at" are missing'),
        ("message_id,brand_id,contact_id,sent_at,SENT_AT ", 'two columns are called "sent_at"'),
    ],
)
def test_a_header_that_does_not_fit_refuses_the_file(paths: Paths, header: str, told: str) -> None:
    land(paths, "tool/messages/a.csv", header + "\nM-1,b,E,2026-05-01,x,y\n")
    land(paths, "tool/messages/b.csv", MESSAGES + message("M-2"))
    (error,) = errors(load(paths)).values()
    assert error.startswith("landing/tool/messages/a.csv: ")
    assert told in error
    assert query(paths, "select message_id from raw.messages") == [("M-2",)]
    assert read_ledger(paths)[0].rows_in == 0


def test_files_that_cannot_be_placed_or_read_are_refused_and_the_others_go_on(
    paths: Paths,
) -> None:
    land(paths, "tool/messages/good.csv", MESSAGES + message("M-1"))
    land(paths, "tool/mesages/a.csv", MESSAGES)
    land(paths, "My-Tool/messages/a.csv", MESSAGES)
    land(paths, "stray.csv", MESSAGES)
    land(paths, "tool/messages/deep/a.csv", MESSAGES)
    land(paths, "tool/messages/a.xlsx", b"PK")
    land(paths, "tool/messages/empty.csv", b"")
    land(paths, "tool/messages/blank.csv", b"\n  \n")
    land(paths, "tool/messages/utf16.csv", MESSAGES.encode("utf-16"))
    land(paths, "tool/messages/a.parquet", b"PAR1")
    cut = land_frame(paths, "tool/messages/cut.parquet", {"message_id": ["M-1"]}).read_bytes()
    land(paths, "tool/messages/cut.parquet", cut[: len(cut) // 2])
    land(paths, "tool/messages/nothing.ndjson", b"")
    report = load(paths)
    told = errors(report)
    assert "did you mean messages" in told.pop("tool/mesages/a.csv")
    assert '"My-Tool" must be lower case' in told.pop("My-Tool/messages/a.csv")
    assert "landing/<system>/<entity>/" in told.pop("stray.csv")
    assert "landing/<system>/<entity>/" in told.pop("tool/messages/deep/a.csv")
    assert ".parquet file" in told.pop("tool/messages/a.xlsx")
    assert "empty file: no header" in told.pop("tool/messages/empty.csv")
    assert "empty file: no header" in told.pop("tool/messages/blank.csv")
    assert "not UTF-8" in told.pop("tool/messages/utf16.csv")
    assert "cannot be read as Parquet" in told.pop("tool/messages/a.parquet")
    assert "cannot be read as Parquet" in told.pop("tool/messages/cut.parquet")
    assert told == {}
    assert query(paths, "select message_id from raw.messages") == [("M-1",)]


def test_a_refused_file_fails_every_run_until_someone_acts(paths: Paths) -> None:
    file = land(paths, "tool/messages/a.csv", MESSAGES.replace("brand_id", "brand"))
    first = load(paths)
    again = load(paths)
    assert again == LoadReport((), first.loads)
    file.write_text(MESSAGES + message("M-1"))
    mended = load(paths)
    assert [entry.rows_loaded for entry in mended.loads] == [1]
    assert load(paths) == LoadReport((), ())
    land(paths, "tool/messages/b.csv", b"")
    load(paths)
    (paths.landing / "tool/messages/b.csv").unlink()
    assert load(paths) == LoadReport((), ())


def test_a_refused_file_is_tried_again_when_the_contract_changes(paths: Paths) -> None:
    land(paths, "tool/messages/a.csv", "message_id,contact_id,sent_at\nM-1,E-1,2026-05-01\n")
    assert errors(load(paths))
    messages = CONTRACT["messages"]
    columns = tuple(
        replace(column, required=column.required and column.name != "brand_id")
        for column in messages.columns
    )
    changed = {**CONTRACT, "messages": replace(messages, columns=columns)}
    assert [entry.rows_loaded for entry in load(paths, changed).loads] == [1]


def test_a_file_that_is_still_being_written_waits(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.csv.tmp", "a.csv.part", ".a.csv", "_a.csv"):
        land(paths, f"tool/messages/{name}", MESSAGES)
    land(paths, "tool/messages/b.csv", MESSAGES + message("M-1") + "bad\n")
    monkeypatch.setattr(LandedFile, "is_unchanged", lambda _file: False)
    assert load(paths) == LoadReport((), ())
    assert list(paths.raw.rglob("*.parquet")) == list(paths.quarantine.rglob("*.parquet")) == []
    monkeypatch.undo()
    assert [entry.rows_loaded for entry in load(paths).loads] == [1]


# --- each file once, each row once -----------------------------------------------------------


def test_a_file_is_loaded_once_under_whatever_name_or_time(paths: Paths) -> None:
    content = MESSAGES + message("M-1")
    first = land(paths, "tool/messages/a.csv", content)
    load(paths)
    land(paths, "tool/messages/b.csv", content)
    os.utime(first, (1, 1))
    report = load(paths)
    assert [(e.file, e.duplicate_of, e.rows_in) for e in report.loads] == [
        ("tool/messages/a.csv", "tool/messages/a.csv", 0),
        ("tool/messages/b.csv", "tool/messages/a.csv", 0),
    ]
    assert load(paths) == LoadReport((), ())
    assert query(paths, "select count(*) from raw.messages") == [(1,)]
    land(paths, "other/messages/b.csv", content)
    load(paths)
    assert query(paths, "select source_system from raw.messages order by 1") == [
        ("other",),
        ("tool",),
    ]


def test_a_name_with_new_content_adds_its_new_rows(paths: Paths) -> None:
    file = land(paths, "tool/messages/a.csv", MESSAGES + message("M-1"))
    load(paths)
    file.write_text(MESSAGES + message("M-1") + message("M-2"))
    (entry,) = load(paths).loads
    assert entry.reasons == {"duplicate key": 1}
    assert query(paths, "select message_id, _load_id from raw.messages order by 1") == [
        ("M-1", 1),
        ("M-2", 2),
    ]


def test_what_was_delivered_first_wins_whatever_the_order_of_names(paths: Paths) -> None:
    day = MESSAGES + message("M-1").replace("E-1", "{}")
    land(paths, "tool/messages/a_2026-06-02.csv", day.format("second"))
    land(paths, "tool/messages/b_20260601.csv", day.format("first"))
    land(paths, "tool/messages/c_2026-06-01_2026-06-03.csv", day.format("third"))
    load(paths)
    assert query(paths, "select contact_id, _delivered_on from raw.messages") == [
        ("first", date(2026, 6, 1))
    ]
    assert [entry.file[-14:] for entry in read_ledger(paths)] == [
        "b_20260601.csv",
        "2026-06-02.csv",
        "2026-06-03.csv",
    ]


@pytest.mark.parametrize(
    ("name", "delivered_on"),
    [
        ("orders.csv", None),
        ("2026-13-01.csv", None),
        ("123456789.csv", None),
        ("2026-0601.csv", None),
        ("orders_20260601T1200.csv", date(2026, 6, 1)),
    ],
)
def test_the_day_of_delivery_is_in_the_file_name(
    paths: Paths, name: str, delivered_on: date | None
) -> None:
    land(paths, f"tool/messages/{name}", MESSAGES)
    (entry,) = load(paths).loads
    assert entry.delivered_on == delivered_on


def test_history_is_loaded_before_dated_files(paths: Paths) -> None:
    land(paths, "tool/messages/2020-01-01.csv", MESSAGES)
    land(paths, "tool/messages/history.csv", MESSAGES + "\n")
    report = load(paths)
    assert [entry.file for entry in report.loads] == [
        "tool/messages/history.csv",
        "tool/messages/2020-01-01.csv",
    ]


def test_a_record_has_versions_and_each_is_kept_once(paths: Paths) -> None:
    header = ORDERS.replace("\n", ",updated_at\n")
    new = "O-1,b,2026-05-01,new,EUR,\n"
    paid = "O-1,b,2026-05-01,paid,EUR,2026-05-02\n"
    late = "O-1,b,2026-05-01,late,EUR,2026-05-02\n"
    land(paths, "shop/orders/2026-06-01.csv", header + new + paid + late)
    land(paths, "shop/orders/2026-06-02.csv", header + paid + paid.replace("05-02", "05-03"))
    load(paths)
    assert query(paths, "select status, updated_at, _load_id from raw.orders order by all") == [
        ("new", None, 1),
        ("paid", at("2026-05-02"), 1),
        ("paid", at("2026-05-03"), 2),
    ]
    assert reasons(paths) == {"duplicate key": 2}
    assert [entry.latest_event_at for entry in read_ledger(paths)] == [
        at("2026-05-02"),
        at("2026-05-03"),
    ]


def test_a_key_of_two_columns_is_compared_whole(paths: Paths) -> None:
    header = "order_id,line_no,line_kind,quantity,net_amount\n"
    land(paths, "shop/order_lines/1.csv", header + "O-1,1,goods,1,1\nO-1,2,goods,1,1\n")
    land(paths, "shop/order_lines/2.csv", header + "O-1,2,goods,1,1\nO-1,3,goods,1,1\n")
    load(paths)
    assert query(paths, "select line_no, _load_id from raw.order_lines order by 1") == [
        (1, 1),
        (2, 1),
        (3, 2),
    ]


def test_a_row_that_was_kept_out_does_not_make_later_ones_duplicates(paths: Paths) -> None:
    land(paths, "tool/messages/1.csv", MESSAGES + message("M-1", "soon") + message("M-1"))
    land(paths, "tool/messages/2.csv", MESSAGES + message("M-2", "soon"))
    land(paths, "tool/messages/3.csv", MESSAGES + message("M-2"))
    load(paths)
    assert query(paths, "select message_id from raw.messages order by 1") == [("M-1",), ("M-2",)]


# --- a process that is killed ----------------------------------------------------------------


def test_what_a_killed_run_wrote_does_not_count(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(_paths: Paths, _load: Load) -> None:
        raise KeyboardInterrupt

    land(paths, "tool/messages/2026-06-02.csv", MESSAGES + message("M-1") + "bad\n")
    monkeypatch.setattr(loader, "append_load", die)
    with pytest.raises(KeyboardInterrupt):
        load(paths)
    monkeypatch.undo()
    assert len(list(paths.raw.rglob("*.parquet"))) == 1
    assert query(paths, "select count(*) from raw.messages") == [(0,)]
    land(paths, "shop/orders/2026-06-01.csv", ORDERS)  # takes the number of the lost load
    land(paths, "tool/messages/.00000001__tool.parquet.tmp", b"")
    load(paths)
    assert query(paths, "select message_id, _load_id from raw.messages") == [("M-1", 2)]
    assert [file.name for file in paths.quarantine.rglob("*.parquet")] == ["00000002__tool.parquet"]
    assert sorted(file.name for file in paths.raw.rglob("*.parquet")) == [
        "00000001__shop.parquet",
        "00000002__tool.parquet",
    ]


def test_a_torn_ledger_line_is_cut_off_and_its_file_loaded_again(paths: Paths) -> None:
    land(paths, "tool/messages/1.csv", MESSAGES + message("M-1"))
    land(paths, "tool/messages/2.csv", MESSAGES + message("M-2"))
    load(paths)
    ledger = paths.raw / "loads.ndjson"
    whole = ledger.read_bytes()
    first_end = whole.index(b"\n") + 1
    for cut in (first_end + 1, len(whole) - 20, len(whole) - 1):
        ledger.write_bytes(whole[:cut])
        assert len(read_ledger(paths)) == 1
        assert [entry.file for entry in load(paths).loads] == ["tool/messages/2.csv"]
        assert ledger.read_bytes() == whole
    assert query(paths, "select count(*) from raw.messages") == [(2,)]


def test_a_damaged_ledger_is_told_with_its_line(paths: Paths) -> None:
    land(paths, "tool/messages/1.csv", MESSAGES)
    load(paths)
    ledger = paths.raw / "loads.ndjson"
    ledger.write_bytes(b"{}\n" + ledger.read_bytes())
    with pytest.raises(LedgerError, match="line 1"):
        load(paths)


def test_a_load_that_loses_a_row_stops_and_does_not_count(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(paths, "tool/messages/1.csv", MESSAGES + message("M-1") + "bad\n")
    write = loader._quarantined_rows
    monkeypatch.setattr(
        loader, "_quarantined_rows", lambda *about: f"select * from ({write(*about)}) limit 0"
    )
    with pytest.raises(LostRowsError, match="2 rows, but 1 were loaded and 0 quarantined"):
        load(paths)
    assert read_ledger(paths) == []


@pytest.mark.parametrize("landing_exists", [True, False])
def test_nothing_landed(paths: Paths, landing_exists: bool) -> None:
    if landing_exists:
        paths.landing.mkdir(parents=True)
    assert load(paths) == LoadReport((), ())
    assert find_new_files(paths) == []
    counts = [f"(select count(*) from raw.{entity})" for entity in CONTRACT]
    assert query(paths, f"select {' + '.join(counts)}") == [(0,)]


def test_new_files_are_those_that_a_load_would_read(paths: Paths) -> None:
    good = land(paths, "tool/messages/1.csv", MESSAGES)
    refused = land(paths, "tool/messages/2.csv", b"")
    assert find_new_files(paths) == [good, refused]
    load(paths)
    assert find_new_files(paths) == []
    refused.write_text(MESSAGES + message("M-1"))
    assert find_new_files(paths) == [refused]


def test_progress_tells_rows_and_reasons(paths: Paths) -> None:
    rows = "".join(message(f"M-{number}") for number in range(1_232))
    bad = message("M-x", "soon") + message("") + "M-y\n" + 'M-"z"\n'
    land(paths, "tool/messages/2026-06-30.csv", MESSAGES + rows + bad)
    said: list[str] = []
    load_new_files(paths, CONTRACT, NOW, said.append)
    assert said == [
        "load  tool/messages/2026-06-30.csv: 1,236 rows, 4 in quarantine "
        "(2 unreadable, 1 missing message_id, 1 wrong type in sent_at)"
    ]


# --- views -----------------------------------------------------------------------------------


def test_a_table_of_the_warehouse_is_read_beside_the_files(paths: Paths) -> None:
    land(paths, "shop/orders/a.csv", ORDERS + "O-1,b,2026-05-01,paid,EUR\n")
    load(paths)
    with closing(duckdb.connect()) as connection:
        connection.execute("create schema raw_tables")
        connection.execute("""
            create table raw_tables.orders as
            select 'O-2' as ORDER_ID, 'b' as brand_id, '2026-05-02' as ordered_at,
                'paid' as status, 'EUR' as currency, 1 as is_test, 'x' as colour
        """)
        create_raw_views(connection, paths, CONTRACT)
        rows = connection.execute(
            "select order_id, ordered_at, is_test, email, source_system, _load_id, _file"
            " from raw.orders order by 1"
        ).fetchall()
        assert rows == [
            ("O-1", at("2026-05-01"), None, None, "shop", 1, "shop/orders/a.csv"),
            ("O-2", at("2026-05-02"), True, None, "warehouse", 0, None),
        ]
        connection.execute("alter table raw_tables.orders drop column status")
        with pytest.raises(ContractError, match=r"raw_tables\.orders .* status"):
            create_raw_views(connection, paths, CONTRACT)


def test_a_table_in_the_place_of_a_view_is_not_overwritten(paths: Paths) -> None:
    with closing(duckdb.connect()) as connection:
        connection.execute("create schema raw; create table raw.orders as select 1 as x")
        with pytest.raises(ContractError, match=r"raw_tables\.orders"):
            create_raw_views(connection, paths, CONTRACT)
        assert connection.execute("select x from raw.orders").fetchall() == [(1,)]


def test_files_of_an_older_contract_stay_readable(paths: Paths) -> None:
    messages = CONTRACT["messages"]
    older = replace(
        messages,
        columns=tuple(
            replace(column, data_type="varchar") if column.name == "sent_at" else column
            for column in messages.columns
            if column.name != "campaign_id"
        ),
        event_at=None,
    )
    land(paths, "tool/messages/1.csv", MESSAGES + message("M-1"))
    load(paths, {**CONTRACT, "messages": older})
    campaign = MESSAGES.replace("\n", ",campaign_id\n") + message("M-2").replace("\n", ",C-1\n")
    land(paths, "tool/messages/2.csv", campaign)
    load(paths)
    assert query(paths, "select message_id, campaign_id, sent_at from raw.messages order by 1") == [
        ("M-1", None, at("2026-06-01 10:00")),
        ("M-2", "C-1", at("2026-06-01 10:00")),
    ]


@pytest.mark.parametrize("beside_a_table", [False, True])
def test_a_filter_on_the_load_reaches_the_files(paths: Paths, beside_a_table: bool) -> None:
    for number in range(1, 4):
        land(paths, f"tool/messages/{number}.csv", MESSAGES + message(f"M-{number}"))
    load(paths)
    with closing(duckdb.connect()) as connection:
        if beside_a_table:
            connection.execute("create schema raw_tables")
            connection.execute("""
                create table raw_tables.messages as
                select 'M-0' as message_id, 'b' as brand_id, 'E' as contact_id, now() as sent_at
            """)
        create_raw_views(connection, paths, CONTRACT)
        wanted = "select message_id from raw.messages where _load_id > 2"
        assert connection.execute(wanted).fetchall() == [("M-3",)]
        [(_, plan)] = connection.execute(f"explain {wanted}").fetchall()
    assert "Filters:_load_id>2" in plan.replace(" ", "")  # of the scan, not a step after it


# --- any mixture of rows ---------------------------------------------------------------------

# A value may hold whatever a CSV file can hold in quotes. It starts with a letter, lest an
# unclosed quote before it can be taken for the start of a record over several lines.
TEXTS = st.builds(
    str.__add__,
    st.sampled_from("aż😀"),
    st.text(st.sampled_from(list("b ,;|\t\"'\n\\{}[]%ß\u00a0\u2028😀")), max_size=8),
)
GOOD_ROWS = st.fixed_dictionaries({"detail": st.none() | TEXTS, "message_id": TEXTS})
BAD_CSV = st.sampled_from(
    [
        "x",
        "x{d}x",
        "x{d}x{d}x{d}x{d}x{d}x",
        'x{d}M-1{d}opened{d}2026-05-01{d}"unclosed',
        'x{d}M-1{d}opened{d}2026-05-01{d}"closed"too early',
        "x{d}M-1{d}opened{d}soon{d}",
        "x{d}{d}opened{d}2026-05-01{d}",
        "x{d}M-1{d}opened{d}2026-05-01{d}\0",
        "x{d}M-1{d}opened{d}2026-05-01{d}\udcff",
    ]
)
BAD_NDJSON = st.sampled_from(
    [
        "x",
        "[]",
        "{",
        '{"event_id": "x"}',
        '{"event_id": "x", "message_id": "M", "event_type": "opened", "occurred_at": "soon"}',
        '{"event_id": "x", "message_id": "M\\u0000", "event_type": "", "occurred_at": ""}',
        '{"event_id": "\udcff"}',
        "null",
    ]
)
OPENED = {"event_type": "opened", "occurred_at": "2026-05-01"}
EVENT_COLUMNS = ["event_id", "message_id", "event_type", "occurred_at", "detail"]
MIXTURES = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@MIXTURES
@given(
    rows=st.lists(GOOD_ROWS | BAD_CSV, max_size=12),
    delimiter=st.sampled_from(",;|\t"),
    line_end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
@example(["x"], ",", "\n", csv.QUOTE_ALL)
def test_csv_rows_are_loaded_equal_or_kept_out(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[dict[str, str | None] | str],
    delimiter: str,
    line_end: str,
    quoting: Any,
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end, quoting=quoting)
    writer.writerow(EVENT_COLUMNS)
    for number, row in enumerate(rows):
        if isinstance(row, str):
            text.write(row.format(d=delimiter) + line_end)
        else:
            event = {"event_id": f"E-{number}", **OPENED, **row}
            writer.writerow([event[column] for column in EVENT_COLUMNS])
    content = text.getvalue().encode(errors="surrogateescape")
    check_mixture(Paths(tmp_path_factory.mktemp("csv")), "csv", content, rows)


@MIXTURES
@given(rows=st.lists(GOOD_ROWS | BAD_NDJSON, max_size=12), ascii_only=st.booleans())
def test_ndjson_rows_are_loaded_equal_or_kept_out(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[dict[str, str | None] | str],
    ascii_only: bool,
) -> None:
    lines = [
        row
        if isinstance(row, str)
        else json.dumps({"event_id": f"E-{number}", **OPENED, **row}, ensure_ascii=ascii_only)
        for number, row in enumerate(rows)
    ]
    lines.append(json.dumps(dict.fromkeys(EVENT_COLUMNS)))  # a row that is bad, with all keys
    content = "\n".join(lines).encode(errors="surrogateescape")
    check_mixture(Paths(tmp_path_factory.mktemp("ndjson")), "ndjson", content, [*rows, "nulls"])


def check_mixture(
    paths: Paths, ending: str, content: bytes, rows: list[dict[str, str | None] | str]
) -> None:
    land(paths, f"tool/message_events/a.{ending}", content)
    (entry,) = load(paths).loads
    good = {
        f"E-{number}": (clean(row["message_id"]), clean(row["detail"]))
        for number, row in enumerate(rows)
        if not isinstance(row, str)
    }
    found = query(paths, "select event_id, message_id, detail from raw.message_events")
    assert {key: tuple(values) for key, *values in found} == good
    assert entry.error is None
    assert (entry.rows_in, entry.rows_loaded) == (len(rows), len(good))
    assert len(quarantine(paths)) == entry.rows_quarantined == len(rows) - len(good)


def clean(value: str | None) -> str | None:
    return value and value.strip(" \u00a0")
