"""The language of rules: each operator at its borders, negation, names, days, circles."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestration.paths import PROJECT
from orchestration.segments import measures
from orchestration.segments.check import COLUMNS, RulesFileError, check_rules
from orchestration.segments.functions import register
from orchestration.segments.rules import compile_rules
from tests.python.rules import AS_OF, INPUTS, compiled, members, refusal


def at(*parts: int) -> datetime:
    """A moment as the tables hold it, UTC without saying so."""
    return datetime(*parts, tzinfo=UTC).replace(tzinfo=None)  # type: ignore[arg-type,misc]


# Columns of every type, and customers who have nothing, empty values, and values at borders.
TYPES = {
    "units": "BIGINT",
    "amount": "DECIMAL(18,4)",
    "distance": "DOUBLE",
    "word": "VARCHAR",
    "flag": "BOOLEAN",
    "day": "DATE",
    "moment": "TIMESTAMP",
    "names": "VARCHAR[]",
    "other": "BIGINT",
}
NOBODY: dict[str, Any] = {}
CUSTOMERS: dict[str, dict[str, Any]] = {
    "nothing": NOBODY,
    "empty": {
        "units": 0,
        "amount": Decimal(0),
        "distance": math.nan,
        "word": "",
        "flag": False,
        "names": [],
        "other": 0,
    },
    "below": {
        "units": 2,
        "amount": Decimal("99.9999"),
        "distance": 4.9,
        "word": "ab",
        "flag": False,
        "day": date(2026, 5, 30),
        "moment": at(2026, 5, 30, 23, 59, 59),
        "names": ["sms"],
        "other": 4,
    },
    "equal": {
        "units": 3,
        "amount": Decimal(100),
        "distance": 5.0,
        "word": "abc",
        "flag": True,
        "day": date(2026, 5, 31),
        "moment": at(2026, 5, 31),
        "names": ["email", "sms"],
        "other": 3,
    },
    "above": {
        "units": 4,
        "amount": Decimal("100.0001"),
        "distance": math.inf,
        "word": "ABCD",
        "flag": True,
        "day": date(2026, 6, 1),
        "moment": at(2026, 6, 1, 12),
        "names": ["email"],
        "other": 2,
        "segment_ids": ["new_buyer"],
    },
}
ALL = "nothing empty below equal above"

OPERATORS = [
    # Comparisons; of a number with a whole one, with a fraction, with one that no column can hold.
    ("units = 3", "equal"),
    ("3 = units", "equal"),
    ("units == 3.0", "equal"),
    ("units != 3", "nothing empty below above"),
    ("units <> 3", "nothing empty below above"),
    ("units > 3", "above"),
    ("units >= 3", "equal above"),
    ("units < 3", "empty below"),
    ("units <= 3", "empty below equal"),
    ("3 < units", "above"),
    ("units > 2.5", "equal above"),
    ("units < 99999999999999999999", "empty below equal above"),
    ("units > -1", "empty below equal above"),
    ("amount = 100", "equal"),
    ("amount >= 100", "equal above"),
    ("amount > 99.9999", "equal above"),
    ("amount < 100.00001", "empty below equal"),
    ("distance <= 5", "below equal"),
    ("distance > 5", "above"),
    ("distance != 5", "nothing empty below above"),
    ("units = other", "empty equal"),
    ("units != other", "nothing below above"),
    ("amount > units", "below equal above"),
    ("word = 'abc'", "equal"),
    ("word != 'abc'", "nothing empty below above"),
    ("word = ''", "empty"),
    ("flag", "equal above"),
    ("not flag", "nothing empty below"),
    ("flag = true", "equal above"),
    ("flag = false", "empty below"),
    ("flag != false", "nothing equal above"),
    ("flag is true", "equal above"),
    ("flag is not true", "nothing empty below"),
    ("flag is false", "empty below"),
    ("flag is not false", "nothing equal above"),
    # Known or not, empty or not.
    ("units is null", "nothing"),
    ("units is not null", "empty below equal above"),
    ("distance is null", "nothing empty"),
    ("empty(word)", "nothing empty"),
    ("not empty(word)", "below equal above"),
    ("empty(names)", "nothing empty"),
    ("empty(units)", "nothing"),
    ("empty(day)", "nothing empty"),
    ("coalesce(units, 0) = 0", "nothing empty"),
    ("coalesce(word, 'abc') = 'abc'", "nothing equal"),
    # Texts.
    ("word like 'ab%'", "below equal"),
    ("word not like 'ab%'", "nothing empty above"),
    ("word like 'a_c'", "equal"),
    ("word like '%'", "empty below equal above"),
    ("word like ''", "empty"),
    ("word like 'a.c'", ""),
    ("starts_with(word, 'ab')", "below equal"),
    ("starts_with(word, '')", "empty below equal above"),
    ("not starts_with(word, 'ab')", "nothing empty above"),
    ("ends_with(word, 'bc')", "equal"),
    ("contains(word, 'b')", "below equal"),
    ("not contains(word, 'b')", "nothing empty above"),
    ("matches(word, '^[a-z]{3}$')", "equal"),
    ("not matches(word, '^[a-z]{3}$')", "nothing empty below above"),
    ("matches(word, '(?i)^abcd?$')", "equal above"),
    ("lower(word) = 'abcd'", "above"),
    ("text(units) like '3%'", "equal"),
    ("text(day) like '2026-05%'", "below equal"),
    # Lists of values, and columns that are lists.
    ("word in ('abc', 'ABCD')", "equal above"),
    ("word not in ('abc', 'ABCD')", "nothing empty below"),
    ("units in (3)", "equal"),
    ("units in (3, 2.5, -1)", "equal"),
    ("amount in (0, 100)", "empty equal"),
    ("day in ('2026-05-31', days_ago(29))", "equal above"),
    ("contains(names, 'email')", "equal above"),
    ("not contains(names, 'email')", "nothing empty below"),
    # Between holds both ends.
    ("units between 3 and 4", "equal above"),
    ("units between 4 and 3", ""),
    ("units not between 3 and 4", "nothing empty below"),
    ("units between 2 and 3 and flag", "equal"),
    # Days, and moments that are compared by their day.
    ("day = '2026-05-31'", "equal"),
    ("day >= days_ago(30)", "equal above"),
    ("moment = '2026-05-30'", "below"),
    ("moment <= '2026-05-30'", "below"),
    ("moment > '2026-05-31'", "above"),
    ("moment > '2026-05-31 00:00'", "above"),
    ("moment >= '2026-05-31 00:00:00'", "equal above"),
    ("moment between '2026-05-30' and '2026-05-31'", "below equal"),
    ("moment = day", "below equal above"),
    ("day < today()", "below equal above"),
    ("day > days_ahead(1)", ""),
    ("day >= months_ago(1)", "below equal above"),
    ("day > months_ago(1)", "equal above"),
    ("day < months_ahead(1)", "below equal above"),
    ("days_since(day) > 30", "below"),
    ("days_since(moment) <= 30", "equal above"),
    ("day >= start_of_month()", "above"),
    ("day = end_of_month(-1)", "equal"),
    ("day = start_of_week(-4)", "above"),
    ("day = end_of_week(-5)", "equal"),
    ("day between start_of_year() and end_of_year()", "below equal above"),
    ("in_month(day)", "above"),
    ("in_month(moment, -1)", "below equal"),
    ("in_week(day, -4)", "above"),
    ("in_week(day, -5)", "below equal"),
    ("in_year(day)", "below equal above"),
    ("in_year(day, -1)", ""),
    ("not in_month(day)", "nothing empty below equal"),
    # Sums, ratios, arithmetic.
    ("units + other = 6", "below equal above"),
    ("units - other > 0", "above"),
    ("units * 2 >= 6", "equal above"),
    ("units / other = 2", "above"),
    ("units / other != 2", "nothing empty below equal"),
    ("ratio(units, other) = 2", "above"),
    ("ratio(units, other) is null", "nothing empty"),
    ("-units < -3", "above"),
    ("(units + other) / 2 = 3", "below equal above"),
    ("distance - distance = 0", "below equal"),
    # And, or, not, parentheses, other segments.
    ("flag and units = 3", "equal"),
    ("flag or units = 2", "below equal above"),
    ("units = 2 or units = 3 and word = 'x'", "below"),
    ("(units = 2 or units = 3) and word = 'abc'", "equal"),
    ("not (flag or units = 2)", "nothing empty"),
    ("not not flag", "equal above"),
    ("member_of('new_buyer')", "above"),
    ("not member_of('new_buyer')", "nothing empty below equal"),
    ("UNITS = 3 AND Word LIKE 'ab%'", "equal"),
]

WRONG_KINDS = [
    ("units = '3'", "units is a number, '3' is a text; a number has no quotes"),
    ("word = 3", "word is a text, 3 is a number"),
    ("word > 'a'", "word is a text, which has no order to compare by >"),
    ("flag = 'yes'", "flag is yes or no, 'yes' is a text; write true or false"),
    ("flag > false", "flag is yes or no, which has no order to compare by >"),
    ("units is true", "units is a number, true is yes or no"),
    ("day > 3", "day is a day, 3 is a number"),
    ("day = '2026-02-30'", "'2026-02-30' is no day like '2026-06-30', as day is"),
    ("day = '2026-06-30 10:00'", "'2026-06-30 10:00' is no day"),
    ("moment > 'yesterday'", "'yesterday' is no day"),
    ("names = 'email'", "names is a list, 'email' is a text; write contains(names, 'text')"),
    ("names = names", "names is a list; write contains(names, 'text')"),
    ("word = names", "word is a text, names is a list; write contains(names, 'text')"),
    ("units", "units is a number, not a condition; compare it"),
    ("word and flag", "word is a text, not a condition"),
    ("not units", "units is a number, not a condition"),
    ("units like '3%'", "like takes a text; units is a number"),
    ("word like other", "like takes a text in quotes; other is none"),
    ("word like word", "like takes a text in quotes; word is none"),
    ("starts_with(units, '3')", "starts_with takes a text; units is a number"),
    ("contains(units, '3')", "contains takes a text; units is a number"),
    ("contains(names, 3)", "contains takes a text in quotes; 3 is none"),
    ("matches(flag, 'a')", "matches takes a text; flag is yes or no"),
    ("lower(units) = 'a'", "lower takes a text; units is a number"),
    ("text(names) = 'a'", "text takes one value; names is a list"),
    ("coalesce(units, 'a') = 1", "units is a number, 'a' is not such a one"),
    ("coalesce(units, other) = 1", "other is not such a one"),
    ("word + 1 > 2", "+ takes a number; word is a text"),
    ("-word = 1", "- takes a number; word is a text"),
    ("day + 1 > today()", "+ takes a number; day is a day"),
    ("ratio(word, 1) > 1", "ratio takes a number; word is a text"),
    ("days_since(units) > 1", "days_since takes a day or a moment; units is a number"),
    ("in_week(word)", "in_week takes a day or a moment; word is a text"),
    ("anniversary_within(units, 1, 1)", "takes a day or a moment; units is a number"),
    ("units between 1 and 'a'", "units is a number, 'a' is a text"),
    ("units in (1, 'a')", "units is a number, 'a' is a text"),
    ("units in (other)", "after in stand values; other is none"),
    ("units = null", "nothing equals null; write is null or is not null"),
    ("units in (1, null)", "nothing equals null"),
    ("units is 3", "after is stands null, not null, true or false"),
    ("(units > 1) = flag", "is a condition where a value has to stand"),
    ("empty(word) = true", "empty(...) is a condition; it stands alone"),
    ("days_ago(units) > day", "days_ago takes a whole number; units is none"),
    ("day > days_ago(1.5)", "days_ago takes a whole number; 1.5 is none"),
    ("day > days_ago(-1)", "days_ago takes 0 to 36500; -1 is not"),
    ("day > days_ago()", "days_ago(...) takes 1 arguments, not 0"),
    ("day > today", "today is a helper; write today(...)"),
    ("today()", "is a day, not a condition"),
    ("1 = 1", "the rule asks nothing of the customer"),
    ("unts = 1", "there is no column unts; did you mean units?"),
    ("start_with(word, 'a')", "there is no helper 'start_with'; did you mean starts_with?"),
    ("member_of('new_byer')", "there is no segment 'new_byer'; did you mean new_buyer?"),
    ("times_bought(categry = 'a') > 1", "there is no column categry; did you mean category?"),
    ("times_bought(days = 0) > 1", "times_bought days takes 1 to 36500; 0 is not"),
    ("times_bought(days = 1, days = 2) > 1", "times_bought(...) has days twice"),
    ("times_bought(since = 'May') > 1", "times_bought takes a day like '2026-06-30'"),
    ("times_bought(90) > 1", "90 is a number, not a condition"),
    ("times_bought(units > 1) > 1", "in times_bought(...): there is no column units"),
    ("times_bought(times_bought() > 1) > 1", "in times_bought(...)"),
    ("times_done('serch') > 1", "there is no interaction 'serch'; did you mean search?"),
    ("times_done() > 1", "times_done(...) takes the kind of an interaction first"),
    ("times_done('search', category = 'a') > 1", "there is no column category"),
]


@pytest.fixture(scope="module")
def found() -> dict[str, set[str]]:
    rules = [rule for rule, _ in OPERATORS]
    return dict(zip(rules, members(rules, TYPES, CUSTOMERS), strict=True))


@pytest.mark.parametrize(("rule", "expected"), OPERATORS)
def test_who_is_in(found: dict[str, set[str]], rule: str, expected: str) -> None:
    assert found[rule] == set(expected.split())


@pytest.mark.parametrize(("rule", "reason"), WRONG_KINDS)
def test_wrong_kinds_and_words_are_told(rule: str, reason: str) -> None:
    assert reason in refusal(rule, {**INPUTS, "columns": TYPES})


def test_a_value_that_a_column_never_holds_is_told() -> None:
    assert refusal("lifecycle_stage = 'actve'") == (
        "lifecycle_stage is never 'actve'; did you mean active?"
    )
    assert refusal("rfm_segment not in ('lost', 'championz')") == (
        "rfm_segment is never 'championz'; did you mean champions?"
    )
    assert compiled("rfm_segment = 'prospect'")[0]["status"] == "in_force"


@pytest.mark.parametrize(
    ("as_of", "born", "before", "after", "is_in"),
    [
        ("2026-02-28", "2000-02-29", 0, 0, True),  # No 29th in a common year.
        ("2026-03-01", "2000-02-29", 0, 0, False),
        ("2026-03-01", "2000-02-29", 1, 0, True),
        ("2026-02-27", "2000-02-29", 0, 1, True),
        ("2026-02-27", "2000-02-29", 0, 0, False),
        ("2028-02-28", "2000-02-29", 0, 0, False),
        ("2028-02-29", "2000-02-29", 0, 0, True),
        ("2028-02-29", "2001-02-28", 0, 0, False),
        ("2028-03-01", "2001-02-28", 1, 0, False),
        ("2026-12-30", "2000-01-02", 0, 3, True),  # Over the end of the year.
        ("2026-12-30", "2000-01-03", 0, 3, False),
        ("2026-01-02", "2000-12-30", 3, 0, True),
        ("2026-01-02", "2000-12-29", 3, 0, False),
        ("2026-06-30", "2026-06-30", 0, 7, False),  # The day itself is no anniversary.
        ("2026-06-30", "2025-06-30", 0, 7, True),
        ("2026-12-30", "2026-01-02", 0, 7, True),
        ("2026-06-30", "2027-06-30", 7, 7, False),
    ],
)
def test_anniversaries(as_of: str, born: str, before: int, after: int, is_in: bool) -> None:
    [result] = compiled(
        f"anniversary_within(first_order_at, {before}, {after})", inputs={**INPUTS, "as_of": as_of}
    )
    with duckdb.connect() as connection:
        query = f"select {result['expression']} from (select timestamp '{born} 10:00' as "
        assert connection.execute(f"{query} first_order_at)").fetchone() == (is_in,)


# A second reading of the language, to compare with: a rule as text, and whether it holds.
Customer = dict[str, Any]


@dataclass
class Reading:
    """A rule, and what it says of a customer."""

    text: str
    holds: Callable[[Customer], bool]


OPERATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: bool(a == b),
    "!=": lambda a, b: bool(a != b),
    "<": lambda a, b: bool(a < b),
    "<=": lambda a, b: bool(a <= b),
    ">": lambda a, b: bool(a > b),
    ">=": lambda a, b: bool(a >= b),
}
NUMBERS = st.integers(-3, 3) | st.sampled_from([0, 2**63 - 1, -(2**63)])
AMOUNTS = st.decimals(-3, 3, places=4) | st.sampled_from(
    [Decimal("99999999999999.9999"), Decimal("-99999999999999.9999"), Decimal(0)]
)
DISTANCES = st.floats(-3, 3) | st.sampled_from(
    [math.nan, math.inf, -math.inf, 1.7976931348623157e308, 5e-324, -0.0]
)
WORDS = st.text("aB_%'\\.é", max_size=3) | st.sampled_from(["", "a" * 10_000, "NULL", "łódź"])
DAYS = st.dates(AS_OF - timedelta(3), AS_OF + timedelta(3)) | st.sampled_from(
    [date(1, 1, 1), date(9999, 12, 31), date(2024, 2, 29)]
)
MOMENTS = st.builds(
    datetime.combine, DAYS, st.times(timezones=st.none()) | st.just(datetime.min.time())
)
CUSTOMER = st.fixed_dictionaries(
    {
        "units": st.none() | NUMBERS,
        "amount": st.none() | AMOUNTS,
        "distance": st.none() | DISTANCES,
        "word": st.none() | WORDS,
        "flag": st.none() | st.booleans(),
        "day": st.none() | DAYS,
        "moment": st.none() | MOMENTS,
        "names": st.none() | st.lists(st.sampled_from(["a", "B", ""]), max_size=2),
        "other": st.none() | NUMBERS,
    }
)


def written(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def number(customer: Customer, name: str) -> float | None:
    """A number as a double; what is not a number is no value."""
    value = customer[name]
    if value is None or math.isnan(value):
        return None
    if isinstance(value, Decimal):
        return float(int(value.scaleb(4))) / 10_000
    return float(value)


def compared(left: Any, operator: str, right: Any) -> bool:
    """An unknown comparison is false, and its negation true."""
    if operator == "!=":
        return not compared(left, "=", right)
    return left is not None and right is not None and OPERATIONS[operator](left, right)


@st.composite
def comparisons(draw: st.DrawFn) -> Reading:
    operator = draw(st.sampled_from(list(OPERATIONS)))
    kind = draw(st.sampled_from(["exact", "double", "day", "moment", "word", "flag"]))
    if kind == "exact":
        name, wanted = draw(
            st.tuples(st.just("units"), NUMBERS)
            | st.tuples(st.just("other"), NUMBERS)
            | st.tuples(st.just("amount"), AMOUNTS)
        )
        return Reading(
            f"{name} {operator} {wanted}", lambda row: compared(row[name], operator, wanted)
        )
    if kind == "double":
        left = draw(st.sampled_from(["units", "amount", "distance"]))
        bound = draw(st.floats(-3, 3, width=16))
        return Reading(
            f"{left} + distance {operator} {bound}",
            lambda row: compared(plus(number(row, left), number(row, "distance")), operator, bound),
        )
    if kind == "day":
        day = draw(DAYS)
        return Reading(f"day {operator} '{day}'", lambda row: compared(row["day"], operator, day))
    if kind == "moment":
        limit = draw(DAYS)
        return Reading(
            f"moment {operator} '{limit}'",
            lambda row: compared(row["moment"] and row["moment"].date(), operator, limit),
        )
    equality = draw(st.sampled_from(["=", "!="]))
    if kind == "word":
        word = draw(WORDS.filter(lambda text: len(text) < 100))
        return Reading(
            f"word {equality} {written(word)}", lambda row: compared(row["word"], equality, word)
        )
    flag = draw(st.booleans())
    return Reading(
        f"flag {equality} {str(flag).lower()}", lambda row: compared(row["flag"], equality, flag)
    )


def plus(left: float | None, right: float | None) -> float | None:
    if left is None or right is None or math.isnan(left + right):
        return None
    return left + right


def divided(left: float | None, right: float | None) -> float | None:
    if left is None or not right:
        return None
    try:
        quotient = left / right
    except OverflowError:
        quotient = math.inf
    return None if math.isnan(quotient) else quotient


@st.composite
def others(draw: st.DrawFn) -> Reading:
    word = draw(WORDS.filter(lambda text: len(text) < 100))
    numbers = draw(st.lists(NUMBERS, min_size=1, max_size=3))
    low, high = draw(NUMBERS), draw(NUMBERS)
    pattern = "".join({"%": ".*", "_": "."}.get(sign) or re.escape(sign) for sign in word)
    column = draw(st.sampled_from(list(TYPES)))
    days = draw(st.integers(0, 3))
    return draw(
        st.sampled_from(
            [
                Reading("flag", lambda row: row["flag"] is True),
                Reading(f"{column} is null", lambda row: unknown(row[column])),
                Reading(
                    f"empty({column})", lambda row: unknown(row[column]) or row[column] in ("", [])
                ),
                Reading(
                    f"word like {written(word)}",
                    lambda row: (
                        row["word"] is not None
                        and re.fullmatch(pattern, row["word"], re.DOTALL) is not None
                    ),
                ),
                Reading(
                    f"starts_with(word, {written(word)})",
                    lambda row: row["word"] is not None and row["word"].startswith(word),
                ),
                Reading(
                    f"ends_with(word, {written(word)})",
                    lambda row: row["word"] is not None and row["word"].endswith(word),
                ),
                Reading(
                    f"contains(word, {written(word)})",
                    lambda row: row["word"] is not None and word in row["word"],
                ),
                Reading(
                    "contains(names, 'a')",
                    lambda row: row["names"] is not None and "a" in row["names"],
                ),
                Reading(
                    f"units in ({', '.join(map(str, numbers))})",
                    lambda row: row["units"] in numbers,
                ),
                Reading(
                    f"other between {low} and {high}",
                    lambda row: row["other"] is not None and low <= row["other"] <= high,
                ),
                Reading(
                    "ratio(units, distance) > 0.5",
                    lambda row: compared(
                        divided(number(row, "units"), number(row, "distance")), ">", 0.5
                    ),
                ),
                Reading(
                    f"day >= days_ago({days})",
                    lambda row: compared(row["day"], ">=", AS_OF - timedelta(days)),
                ),
                Reading(
                    f"days_since(moment) <= {days}",
                    lambda row: (
                        row["moment"] is not None and (AS_OF - row["moment"].date()).days <= days
                    ),
                ),
                Reading(
                    "in_month(day)",
                    lambda row: (
                        row["day"] is not None
                        and (row["day"].year, row["day"].month) == (AS_OF.year, AS_OF.month)
                    ),
                ),
                Reading("units = other", lambda row: compared(row["units"], "=", row["other"])),
            ]
        )
    )


def unknown(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def combined(parts: st.SearchStrategy[Reading]) -> st.SearchStrategy[Reading]:
    def negated(part: Reading) -> Reading:
        return Reading(f"not ({part.text})", lambda row: not part.holds(row))

    def joined(left: Reading, right: Reading, glue: str) -> Reading:
        if glue == "and":
            return Reading(
                f"({left.text} and {right.text})", lambda row: left.holds(row) and right.holds(row)
            )
        return Reading(
            f"({left.text} or {right.text})", lambda row: left.holds(row) or right.holds(row)
        )

    return st.builds(negated, parts) | st.builds(
        joined, parts, parts, st.sampled_from(["and", "or"])
    )


READINGS = st.recursive(comparisons() | others(), combined, max_leaves=5)


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    st.lists(READINGS, min_size=3, max_size=8),
    st.lists(CUSTOMER, min_size=3, max_size=8),
)
def test_a_rule_or_its_negation_holds_and_never_both(
    readings: list[Reading], customers: list[Customer]
) -> None:
    rules = [reading.text for reading in readings]
    rows = {str(place): customer for place, customer in enumerate(customers)}
    found = members([*rules, *(f"not ({rule})" for rule in rules)], TYPES, rows)
    for reading, inside, outside in zip(
        readings, found[: len(rules)], found[len(rules) :], strict=True
    ):
        assert inside == {key for key, row in rows.items() if reading.holds(row)}, reading.text
        assert outside == rows.keys() - inside, reading.text


def test_days_without_end_fail_in_no_helper() -> None:
    rules = [rule for rule, _ in OPERATORS if "member_of" not in rule]
    results = compiled(*rules, inputs={**INPUTS, "columns": TYPES})
    days = ["infinity", "-infinity", "5881580-07-10", "5877642-06-25 (BC)"]
    moments = [
        "infinity",
        "-infinity",
        "294247-01-10 04:00:54.775806",
        "290309-12-22 (BC) 00:00:00",
    ]
    with duckdb.connect() as connection:
        for day, moment in zip(days, moments, strict=True):
            unknown = ", ".join(f"cast(null as {kind}) as {name}" for name, kind in TYPES.items())
            row = f"select * replace (date '{day}' as day, timestamp '{moment}' as moment) from "
            for result in results:
                told = [result["expression"], *(part["value"] for part in result["conditions"])]
                connection.execute(f"select {', '.join(told)} from ({row} (select {unknown}))")


def test_member_of_a_rule_holds_what_the_rule_holds() -> None:
    asking, asked, both = "member_of('r2') and flag", "units >= 3", "not member_of('r1')"
    found = members([asking, asked, both], TYPES, CUSTOMERS)
    assert found == [{"equal", "above"}, {"equal", "above"}, {"nothing", "empty", "below"}]


def rows(*given: str) -> list[dict[str, Any]]:
    """Rows as `name: rule`, or `name from until: rule`."""
    made = []
    for line, text in enumerate(given, 2):
        head, _, rule = text.partition(": ")
        name, *days = head.split(" ")
        first, last = [*days, "-", "-"][:2]
        made.append(
            {
                "segment_id": name,
                "row_number": line,
                "rule": rule,
                "valid_from": None if first == "-" else first,
                "valid_until": None if last == "-" else last,
            }
        )
    return made


def outcomes(*given: str) -> list[tuple[str, str | None]]:
    results = compile_rules(rows(*given), INPUTS)
    return [(result["status"], result["reason"]) for result in results]


def test_circles_are_named_and_disturb_nobody_else() -> None:
    results = outcomes(
        "a: member_of('b') and has_card",
        "b: not member_of('c')",
        "c: member_of('a') or has_card",
        "d: member_of('a')",
        "e: has_card",
        "f: member_of('f')",
        "g: member_of('e')",
    )
    circle = "rules ask for each other in a circle: "
    for line, (status, reason) in enumerate(results[:3], 2):
        assert status == "refused"
        assert reason in {
            f"line {line}: {circle}{told}"
            for told in ("a -> b -> c -> a", "b -> c -> a -> b", "c -> a -> b -> c")
        }
    assert results[3:] == [
        ("refused", "line 5: it asks for member_of('a'), which is refused itself"),
        ("in_force", None),
        ("refused", f"line 7: {circle}f -> f"),
        ("in_force", None),
    ]


def test_rules_that_ask_for_many_rules_have_an_end() -> None:
    wide = [f"r0: {' and '.join(f'order_count <> {number}' for number in range(40))}"]
    wide += [f"r{n}: member_of('r{n - 1}') or not member_of('r{n - 1}')" for n in range(1, 60)]
    results = outcomes(*wide)
    reasons = [reason for _, reason in results if reason]
    last = len(wide) - len(reasons)
    assert last > 2
    assert reasons[0].endswith("the rule is too long with the rules that it asks for")
    assert reasons[1].endswith(f"it asks for member_of('r{last}'), which is refused itself")
    deep = ["r0: has_card", *(f"r{n}: member_of('r{n - 1}')" for n in range(1, 1_000))]
    results = outcomes(*deep)
    assert results[19] == ("in_force", None)
    assert results[20][1] == "line 22: it asks for rules that ask for others, over 20 levels"


def test_who_is_like_a_segment_is_asked_of_segments_that_there_are() -> None:
    results = compile_rules(
        rows(
            "a: lookalike_place('new_buyer') <= 100 and lookalike_place('b') <= 50",
            "b: has_card",
            "c: lookalike_place('new_byer') <= 100",
            "d: lookalike_place('d') <= 100",
            "e: lookalike_place(has_card) <= 100",
        ),
        INPUTS,
    )
    assert [result["lookalikes"] for result in results] == [["new_buyer", "b"], [], [], [], []]
    assert [result["reason"] for result in results][:4] == [
        None,
        None,
        "line 4: there is no segment 'new_byer'; did you mean new_buyer?",
        "line 5: rules ask for each other in a circle: d -> d",
    ]
    assert results[4]["status"] == "refused"


def test_days_of_validity() -> None:
    results = outcomes(
        "a 2026-06-30 2026-06-30: has_card",
        "b 2026-07-01 -: has_card",
        "c - 2026-06-29: has_card",
        "d 2026-07-01 2026-06-30: has_card",
        "e 2026-13-01 -: has_card",
        "f - 30.06.2026: has_card",
        "g: member_of('b') or member_of('c')",
        "h 2026-07-01 -: has_crd",
        "i - 2026-06-29: has_crd",
    )
    assert results == [
        ("in_force", None),
        ("not_yet", None),
        ("expired", None),
        ("refused", "line 5: valid_until 2026-06-30 is before valid_from 2026-07-01"),
        ("refused", "line 6: valid_from '2026-13-01' is no day like 2026-06-30"),
        ("refused", "line 7: valid_until '30.06.2026' is no day like 2026-06-30"),
        ("in_force", None),
        ("refused", "line 9: there is no column has_crd; did you mean has_card?"),
        ("expired", None),
    ]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "'' is no name of a segment"),
        ("Loyal", "'Loyal' is no name"),
        ("1st", "'1st' is no name"),
        ("a-b", "'a-b' is no name"),
        ('a"b', "is no name of a segment"),
        ("a;drop", "is no name of a segment"),
        ("łódź", "is no name of a segment"),
        ("a" * 61, "is no name of a segment"),
        ("a\n", "is no name of a segment"),
        ("new_buyer", "new_buyer is a segment in SQL already"),
        ("memberships", "memberships is the name of a table in the schema segments"),
        ("sizes", "sizes is the name of a table"),
        ("lifecycle_mine", "lifecycle_mine begins like the segments that are made from seeds"),
        ("rfm_mine", "rfm_mine begins like the segments"),
        ("first", "first stands in line 2 already"),
    ],
)
def test_names(name: str, reason: str) -> None:
    first = {"segment_id": "first", "row_number": 2, "rule": "has_card"}
    [good, bad] = compile_rules(
        [first, {"segment_id": name, "row_number": 3, "rule": "has_card"}], INPUTS
    )
    assert good["status"] == "in_force"
    assert bad["status"] == "refused"
    assert reason in bad["reason"]
    assert compile_rules([{**first, "segment_id": "a" * 60}], INPUTS)[0]["status"] == "in_force"


def test_a_rule_tells_what_it_reads_and_asks() -> None:
    [result, _] = compiled(
        "order_count >= 3 and (gender = 'female' or has_card) and last_order_at between "
        "days_ago(30) and today() and times_bought(category = 'Tools', days = 90) > 1 "
        "and member_of('new_buyer') and not matches(home_city, '^K') and has_card",
        "has_card",
    )
    [measure] = result["measures"]
    assert result["columns"] == [
        "order_count",
        "gender",
        "has_card",
        "last_order_at",
        "home_city",
    ]
    assert result["segments"] == ["new_buyer"]
    assert measure["source"] == "order_lines"
    assert measure["type"] == "BIGINT"
    assert measure["default"] == "0"
    assert measure["label"] == "times_bought(category = 'Tools', days = 90)"
    told = [(part["condition"], part["threshold"]) for part in result["conditions"]]
    assert told == [
        ("order_count >= 3", "3"),
        ("(gender = 'female' or has_card)", None),
        ("last_order_at between days_ago(30) and today()", "2026-05-31 to 2026-06-30"),
        ("times_bought(category = 'Tools', days = 90) > 1", "1"),
        ("member_of('new_buyer')", None),
        ("not matches(home_city, '^K')", None),
        ("has_card", None),
    ]


def test_the_condition_that_fails_is_told_with_the_value() -> None:
    [result] = compiled(
        "units >= 3 and (word = 'abc' or flag)", inputs={**INPUTS, "columns": TYPES}
    )
    told = ", ".join(f"{part['value']}, {part['passed']}" for part in result["conditions"])
    customer = "select 2 :: bigint as units, 'x' as word, null :: boolean as flag"
    with duckdb.connect() as connection:
        row = connection.execute(f"select {told} from ({customer})").fetchone()
    assert row == ("2", False, "word: x, flag: null", False)


FACTS = """
create table orders as
select * from (values
    ('a', 'o1', date '2026-06-30', 1, 10.0, 2, 'domowo', 'online', null),
    ('a', 'o2', date '2026-04-01', 2, 30.0, 1, 'lilla', 'store', 'X'),
    ('a', 'o3', date '2025-06-30', 3, 20.0, 1, 'domowo', 'online', null),
    ('b', 'o4', date '2024-01-01', 1, 5.0, 1, 'domowo', 'online', null)
) as rows (
    customer_id, order_id, ordered_on, order_number, net_amount, item_count, brand_id, channel,
    coupon_code
);
create table order_lines as
select *, ordered_on :: timestamp as ordered_at from (values
    ('a', 'o1', date '2026-06-30', 'merchandise', 2.0, 8.0, 'Tools', 'low', 'domowo'),
    ('a', 'o1', date '2026-06-30', 'merchandise', 1.0, 2.0, 'Beauty', 'low', 'domowo'),
    ('a', 'o2', date '2026-04-01', 'merchandise', 1.0, 40.0, 'Tools', 'high', 'lilla'),
    ('a', 'o2', date '2026-04-01', 'return', 1.0, -10.0, 'Tools', 'high', 'lilla'),
    ('a', 'o3', date '2025-06-30', 'merchandise', 1.0, 20.0, null, null, 'domowo'),
    ('b', 'o4', date '2024-01-01', 'merchandise', 1.0, 5.0, 'Beauty', 'low', 'domowo')
) as rows (
    customer_id, order_id, ordered_on, line_kind, quantity, revenue_amount, category,
    price_shelf, brand_id
);
create table messages as
select * from (values
    ('a', 'email', 'Welcome', timestamp '2026-06-01 10:00', timestamp '2026-06-02 10:00'),
    ('a', 'sms', 'Sale', timestamp '2026-06-30 23:59', null)
) as rows (customer_id, channel, campaign, sent_at, first_opened_at);
create table interactions as
select * from (values
    ('a', 'search', timestamp '2026-06-24 00:00', 3), ('a', 'search', timestamp '2026-06-23', 5),
    ('a', 'download', timestamp '2026-06-30', 1)
) as rows (customer_id, interaction, happened_at, interaction_count);
create table timeline as
select 'a' as customer_id, 'answer' as interaction, timestamp '2026-06-30' as happened_at,
    'topics' as subject_id, 'offers, advice' as detail;
create table product_interest as
select 'a' as customer_id, date '2026-06-30' as seen_on, 4 as view_count, 'Tools' as category;
create table web_sessions as
select 'a' as customer_id, timestamp '2026-06-30' as started_at, 'google' as utm_source;
create table recommendations as
select * from (values
    ('a', 'discover', 1, 'Tools'), ('a', 'discover', 2, 'Beauty'), ('a', 'replenish', 1, 'Tools')
) as rows (customer_id, kind, place, category);
create table lookalikes as
select 'a' as customer_id, 'new_buyer' as segment_id, 7 as place;
"""


@pytest.mark.parametrize(
    ("measure", "value"),
    [
        ("times_bought()", 3),
        ("times_bought(days = 1)", 1),
        ("times_bought(days = 90)", 1),
        ("times_bought(days = 91)", 2),
        ("times_bought(days = 365)", 2),
        ("times_bought(days = 366)", 3),
        ("times_bought(days = 90, ago = 90)", 1),
        ("times_bought(since = '2026-04-01', until = '2026-06-29')", 1),
        ("times_bought(since = days_ago(90))", 2),
        ("times_bought(brand_id = 'lilla', channel = 'store')", 1),
        ("times_bought(coupon_code is null)", 2),
        ("times_bought(brand_id != 'lilla', days = 30)", 1),
        ("times_bought(category = 'Tools')", 2),
        ("times_bought(category like 'T%', price_shelf in ('high'))", 1),
        ("times_bought(not category = 'Tools')", 2),
        ("times_bought(category = 'Tools', days = 30)", 1),
        ("times_bought(category = 'None')", 0),
        ("items_bought()", 4),
        ("items_bought(category = 'Tools')", 3),
        ("amount_spent()", 60),
        ("amount_spent(category = 'Tools')", 38),
        ("amount_spent(category = 'Tools', brand_id = 'lilla')", 30),
        ("amount_spent(category = 'None')", 0),
        ("smallest_purchase()", 10),
        ("largest_purchase()", 30),
        ("average_purchase()", 20),
        ("last_purchase()", 20),
        ("smallest_purchase(category = 'Tools')", 8),
        ("largest_purchase(category = 'Tools')", 30),
        ("average_purchase(category = 'Tools')", 19),
        ("last_purchase(category = 'Tools')", 8),
        ("last_purchase(category = 'None')", None),
        ("first_bought()", date(2025, 6, 30)),
        ("last_bought()", date(2026, 6, 30)),
        ("last_bought(price_shelf = 'high')", date(2026, 4, 1)),
        ("first_bought(category = 'None')", None),
        ("times_done('message_sent')", 2),
        ("times_done('message_sent', days = 1)", 1),
        ("times_done('message_opened')", 1),
        ("times_done('message_sent', campaign like 'Wel%')", 1),
        ("last_done('message_opened')", at(2026, 6, 2, 10)),
        ("first_done('message_sent', channel = 'sms')", at(2026, 6, 30, 23, 59)),
        ("times_done('search')", 8),
        ("times_done('search', days = 7)", 3),
        ("times_done('blog_read')", 0),
        ("times_done('answer', subject_id = 'topics', contains(detail, 'offers'))", 1),
        ("times_done('product_view', category = 'Tools')", 4),
        ("last_done('product_view')", date(2026, 6, 30)),
        ("times_done('session', utm_source = 'google')", 1),
        ("times_recommended()", 3),
        ("times_recommended(kind = 'discover', category = 'Tools')", 1),
        ("times_recommended(place = 1)", 2),
        ("times_recommended(kind = 'up_sell')", 0),
        ("lookalike_place('new_buyer')", 7),
        ("lookalike_place('lifecycle_active')", None),
    ],
)
def test_measures(measure: str, value: object) -> None:
    [result] = compiled(f"{measure} is not null")
    [asked] = result["measures"]
    source = asked["source"]
    if asked["step"]:
        keys = "customer_id, order_id, ordered_at, ordered_on"
        source = (
            f"(select {keys}, {asked['step']} as {asked['name']} from {source} group by {keys})"
        )
    aggregate = f"coalesce({asked['aggregate']}, {asked['default'] or 'null'})"
    with duckdb.connect() as connection:
        connection.execute(FACTS)
        row = connection.execute(
            f"select {aggregate}, typeof(({asked['aggregate']})) from {source} "
            "where customer_id = 'a'"
        ).fetchone()
    assert row == (value, asked["type"])


def test_equal_measures_have_one_name() -> None:
    results = compiled(
        "times_bought(days = 90) > 1",
        "times_bought( days=90 ) > 5 and has_card",
        "times_bought(days = 91) > 1",
    )
    names = [[one["name"] for one in result["measures"]] for result in results]
    assert names[0] == names[1] != names[2]


def test_the_columns_of_measures_are_those_of_the_marts() -> None:
    contracts = {
        model["name"]: {column["name"]: column["data_type"] for column in model["columns"]}
        for file in (PROJECT / "models" / "marts").rglob("*__models.yml")
        for model in yaml.safe_load(file.read_text())["models"]
    }
    traits, campaign = contracts["product_traits"], contracts["campaigns"]["name"]
    read = {
        "orders": contracts["orders"],
        "order_lines": contracts["orders"] | contracts["order_lines"] | traits,
        "messages": contracts["messages"] | {"campaign": campaign},
        "web_sessions": contracts["web_sessions"],
        "product_interest": contracts["product_interest"] | traits,
        "interactions": contracts["customer_interactions"],
        "recommendations": contracts["product_recommendations"] | traits | {"kind": "varchar"},
        "lookalikes": contracts["lookalikes"],
        "timeline": contracts["timeline"],
    }
    for source, columns in measures.SOURCES.items():
        for name, kind in {**columns, **measures.READ[source]}.items():
            assert read[source][name].upper() == kind, (source, name)


def test_every_interaction_that_scores_is_known() -> None:
    scored = (PROJECT / "seeds" / "scoring_points.csv").read_text().splitlines()[1:]
    assert {line.split(",")[0] for line in scored} <= measures.INTERACTIONS.keys()


def test_every_column_of_the_customer_can_be_asked_for() -> None:
    results = compiled(*(f"not empty({column})" for column in INPUTS["columns"]))
    assert [result["reason"] for result in results] == [None] * len(results)


def test_the_function_of_the_build_answers_in_json() -> None:
    with duckdb.connect() as connection:
        register(connection)
        given = [json.dumps(rows("a: order_count > 1")), json.dumps(INPUTS)]
        found = connection.execute("select compile_segment_rules(?, ?)", given).fetchone()
    assert found is not None
    [result] = json.loads(found[0])
    assert (result["segment_id"], result["row_number"], result["status"]) == ("a", 2, "in_force")


def seed(folder: Path, *lines: str) -> Path:
    file = folder / "segment_rules.csv"
    file.write_text("\n".join([",".join(COLUMNS), *lines]) + "\n")
    return file


def test_a_file_of_rules_is_checked_without_a_build(tmp_path: Path) -> None:
    file = seed(
        tmp_path,
        "ladies,Ladies,gender = 'female',,,crm,email,",
        'typo,Typo,"ordr_count in (1, 2)",,,crm,email,',
    )
    good, bad = check_rules(file, AS_OF)
    assert good["status"] == "in_force"
    assert bad["reason"] == "line 3: there is no column ordr_count; did you mean order_count?"


def test_a_file_that_is_no_file_of_rules_is_told(tmp_path: Path) -> None:
    with pytest.raises(RulesFileError, match="cannot be read"):
        check_rules(tmp_path / "none.csv", AS_OF)
    with pytest.raises(RulesFileError, match=r"line 2: .* a rule with a comma stands in double"):
        check_rules(seed(tmp_path, "a,A,order_count in (1, 2),,,crm,email,"), AS_OF)
    with pytest.raises(RulesFileError, match="line 2: "):
        check_rules(seed(tmp_path, "a,A,has_card"), AS_OF)
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    with pytest.raises(RulesFileError, match="line 1: the columns"):
        check_rules(other, AS_OF)
    other.write_bytes(b"segment_id\xff")
    with pytest.raises(RulesFileError, match="UTF-8"):
        check_rules(other, AS_OF)


def documented() -> list[str]:
    """The rules that the guide for marketers shows: in its tables and its CSV."""
    text = (PROJECT / "docs" / "segments.md").read_text()
    asked = text[: text.index("| measure |")]
    return re.findall(r"^\|.*\| `([^`]+)` \|$", asked, re.MULTILINE)


def test_the_guide_has_examples() -> None:
    assert len(documented()) > 40


@pytest.mark.parametrize("rule", documented())
def test_every_example_of_the_guide_compiles(rule: str) -> None:
    results = compile_rules(
        [
            {"segment_id": "tool_fans", "row_number": 2, "rule": "has_card"},
            {"segment_id": "example", "row_number": 3, "rule": rule},
        ],
        INPUTS,
    )
    assert [result["reason"] for result in results] == [None, None]
