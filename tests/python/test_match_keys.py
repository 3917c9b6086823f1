"""What destinations know a person by: one table of cases, in SQL and in Python."""

import csv
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from orchestration.activation.match_keys import (
    google_key,
    hashed,
    meta_key,
    tiktok_key,
    unkeyed_hashes,
)
from orchestration.warehouse import functions
from tests.python.macros import compile_macro, compile_model

IN_PYTHON: dict[str, Callable[[str, str | None], str | None]] = {
    "meta": meta_key,
    "google": google_key,
    "tiktok": tiktok_key,
}
FIELDS = {
    "meta": (
        *("email", "phone", "first_name", "last_name", "city", "postal_code", "country", "gender"),
        *("birth_year", "birth_month", "birth_day"),
    ),
    "google": ("email", "phone", "given_name", "family_name", "postal_code", "region_code"),
    "tiktok": ("email", "phone"),
}
NOT_HASHED = {("google", "postal_code"), ("google", "region_code")}

NOTHING = ["", " ", "\u00a0", "\t\r\n", "\u200b\ufeff", "-"]


@dataclass(frozen=True)
class Case:
    """A row of the table. Only a phone with a calling code is read by normalise_phone before."""

    platform: str
    field: str
    value: str | None
    calling_code: str
    expected: str | None
    sha256: str | None


def table_of_cases() -> list[Case]:
    """The rows of match_keys.csv: \\N is NULL, \\u00a0 a sign that nobody sees."""

    def value(text: str) -> str | None:
        if text == r"\N":
            return None
        return re.sub(r"\\u([0-9a-f]{4})", lambda escape: chr(int(escape[1], 16)), text)

    with Path(__file__).with_name("match_keys.csv").open(encoding="utf-8", newline="") as file:
        return [
            Case(
                row["platform"],
                row["field"],
                value(row["value"]),
                row["calling_code"],
                row["expected"] or None,
                row["sha256"] or None,
            )
            for row in csv.DictReader(file)
        ]


CASES = table_of_cases()


@cache
def keys_in_sql(platform: str, field: str) -> str:
    """A query of one parameter, a list of values."""
    key = compile_macro("match_keys", f"{platform}_key", field, "value", macros=["normalise"])
    sha256 = compile_macro("match_keys", "sha256_hex", "key")
    return f"""
        with typed as (select unnest($1::varchar[]) as value),
        keys as (select {key} as key from typed)
        select key, {sha256} from keys
    """


@dataclass(frozen=True)
class Reader:
    """The compiled macros on a connection."""

    connection: duckdb.DuckDBPyConnection

    def keys(
        self, platform: str, field: str, values: Sequence[str | None]
    ) -> list[tuple[str | None, str | None]]:
        """Of each value what is compared, and its hash."""
        return self.connection.execute(keys_in_sql(platform, field), [values]).fetchall()

    def phone(self, typed: str, calling_code: str) -> str | None:
        sql = compile_macro("normalise", "normalise_phone", "$typed", "$code")
        parameters = {"typed": typed, "code": calling_code}
        [(phone,)] = self.connection.execute(f"select {sql}", parameters).fetchall()
        return str(phone) if phone else None


@pytest.fixture(scope="module")
def reader() -> Reader:
    connection = duckdb.connect()
    functions.register(connection)
    return Reader(connection)


def of_field(cases: Iterable[Case], platform: str, field: str) -> list[Case]:
    return [case for case in cases if (case.platform, case.field) == (platform, field)]


def each_field() -> list[tuple[str, str]]:
    return [(platform, field) for platform, fields in FIELDS.items() for field in fields]


def test_the_table_has_cases_of_every_field_and_none_twice() -> None:
    assert {(case.platform, case.field) for case in CASES} == set(each_field())
    asked = [(case.platform, case.field, case.value, case.calling_code) for case in CASES]
    assert len(set(asked)) == len(CASES)


@pytest.mark.parametrize(("platform", "field"), each_field())
def test_every_case_in_sql_and_in_python(platform: str, field: str, reader: Reader) -> None:
    cases = of_field(CASES, platform, field)
    before_in_sql = [
        reader.phone(case.value, case.calling_code)
        if case.calling_code and case.value is not None
        else case.value
        for case in cases
    ]
    before_in_python = [
        functions.read_phone(case.value, case.calling_code) if case.calling_code else case.value
        for case in cases
    ]
    in_sql = dict(zip(cases, reader.keys(platform, field, before_in_sql), strict=True))
    keys = [IN_PYTHON[platform](field, value) for value in before_in_python]
    in_python = dict(zip(cases, [(key, hashed(key)) for key in keys], strict=True))
    is_plain = (platform, field) in NOT_HASHED
    for case in cases:
        assert in_sql[case] == in_python[case], case
        assert in_sql[case][0] == case.expected, case
        assert case.sha256 == (None if is_plain else in_sql[case][1]), case


@pytest.mark.parametrize(("platform", "field"), each_field())
def test_nothing_is_never_hashed(platform: str, field: str, reader: Reader) -> None:
    assert reader.keys(platform, field, [*NOTHING, None]) == [(None, None)] * (len(NOTHING) + 1)
    assert {IN_PYTHON[platform](field, value) for value in [*NOTHING, None]} == {None}


# Texts that look like something, with signs that engines treat each in its own way.
LETTERS = st.text(
    st.characters(exclude_categories=["Cs"])
    | st.sampled_from("aZ09 .-+@'łŁßæ\x00\n\u00a0\u0130\u0131\u017f\u0301\u0307\u0328\u03a3\u200b")
    | st.sampled_from("\u200d\u2019\U0001f600"),
    max_size=30,
)
PARTS = st.sampled_from(
    [
        *("dr. ", "Pani ", ", Jr", " III", "@gmail.com", "@Home.PL", "+48", "501 502 503"),
        *("00-950", "SW1A 1AA", "12345-6789", "1988-02-29", "1900-02-29", "female", "PL"),
        *("a" * 300, "0F" * 32),
    ]
)
VALUES = st.lists(
    LETTERS | st.lists(PARTS | LETTERS, max_size=4).map("".join), min_size=30, max_size=60
)


def assert_equal_in_both(reader: Reader, values: list[str]) -> None:
    for platform, field in each_field():
        keys = [IN_PYTHON[platform](field, value) for value in values]
        in_python = [(value, key, hashed(key)) for value, key in zip(values, keys, strict=True)]
        in_sql = reader.keys(platform, field, values)
        differ = [
            (platform, field, ours, sql)
            for ours, sql in zip(in_python, in_sql, strict=True)
            if ours[1:] != sql
        ]
        assert differ == []


@given(VALUES)
@settings(max_examples=150, deadline=None, phases=[Phase.generate])
def test_any_text_is_the_same_key_in_sql_and_in_python(reader: Reader, values: list[str]) -> None:
    assert_equal_in_both(reader, values)


def test_every_letter_is_the_same_key_in_sql_and_in_python(reader: Reader) -> None:
    """All of the alphabets of living languages, of ideographs some, and other signs."""
    points = [*range(1, 0x3400), *range(0xA000, 0xAC80), *range(0xF900, 0x10000, 3)]
    points += [*range(0x1F300, 0x1F700, 5), *range(0x10400, 0x10450)]
    assert_equal_in_both(reader, [f"a{chr(point)}b" for point in points])


@given(VALUES)
@settings(max_examples=60, deadline=None, phases=[Phase.generate])
def test_a_key_holds_what_the_platform_allows(values: list[str]) -> None:
    allowed = {
        "email": "[^@\\s]+@[a-z0-9.-]+",
        "phone": "[1-9][0-9]{6,14}",
        "city": "[a-z]+",
        "postal_code": "[a-z0-9]{3,10}",
        "country": "[a-z]{2}",
        "gender": "[fm]",
        "birth_year": "(19|20)[0-9]{2}",
        "birth_month": "0[1-9]|1[0-2]",
        "birth_day": "0[1-9]|[12][0-9]|3[01]",
    }
    for field, pattern in allowed.items():
        for value in values:
            key = meta_key(field, value)
            assert key is None or re.fullmatch(f"{pattern}|[0-9a-f]{{64}}", key), (field, value)


def test_a_field_that_a_platform_does_not_compare_is_an_error() -> None:
    with pytest.raises(ValueError, match="TikTok compares no city, but email, phone"):
        tiktok_key("city", "Sopot")


# The view over the macros

PERSON = {
    "email": "jan.kowalski+promo@gmail.com",
    "phone": "+48501502503",
    "first_name": "Łukasz",
    "last_name": "dr Wiśniewska-Kowal",
}


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the view over one customer who is known and one who is not."""
    file = tmp_path_factory.mktemp("match_keys") / "warehouse.duckdb"
    view = compile_model("pii_match_keys", macros=["match_keys", "normalise"])
    with duckdb.connect(str(file)) as connection:
        connection.execute(
            """
            create table pii_customers (
                customer_id varchar, email varchar, phone varchar, first_name varchar,
                last_name varchar, gender varchar, birth_date date, street varchar,
                postal_code varchar, city varchar, country varchar
            )
            """
        )
        connection.execute(
            """
            insert into pii_customers values
                ('c1', $email, $phone, $first_name, $last_name, 'other', null, null,
                    null, null, 'PL'),
                ('c2', null, null, null, null, null, null, null, null, null, null)
            """,
            PERSON,
        )
        connection.execute(f"create view match_keys as {view}")
    return file


def read(warehouse: Path, customer_id: str) -> dict[str, str | None]:
    """A row of the view, on a connection that knows nothing but the file."""
    with duckdb.connect() as connection:
        connection.execute(f"attach '{warehouse}' as warehouse (read_only)")
        relation = connection.sql(
            "select * from warehouse.match_keys where customer_id = $who",
            params={"who": customer_id},
        )
        [row] = relation.fetchall()
        return dict(zip(relation.columns, row, strict=True))


def test_exports_read_the_keys_without_the_functions_of_the_build(warehouse: Path) -> None:
    row = read(warehouse, "c1")
    assert row["meta_phone"] == hashed("48501502503")
    assert row["google_email"] == hashed("jankowalski@gmail.com")
    assert row["google_region_code"] == "PL"
    assert row["meta_gender"] is None
    unknown = read(warehouse, "c2")
    assert {column for column, value in unknown.items() if value is not None} == {"customer_id"}


def test_an_erasure_looks_for_every_hash_of_the_person(warehouse: Path) -> None:
    held = {
        value
        for column, value in read(warehouse, "c1").items()
        if re.fullmatch("(meta|google|tiktok)_(email|phone|.*_name)", column)
    }
    assert len(held) == 3 + 2 + 1 + 2  # A first name is the same to Meta and to Google.
    assert unkeyed_hashes(PERSON | {"city": "Sopot"}) == held
    assert unkeyed_hashes({"email": "none", "phone": None, "first_name": " "}) == set()
