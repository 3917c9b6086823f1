"""What stands for a value in a rule: its SQL, its kind, and how two of them are compared."""

import math
import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from orchestration.segments.language import RuleError, quoted


class Kind(StrEnum):
    """What a value is, in the words of a message."""

    NUMBER = "a number"
    TEXT = "a text"
    DAY = "a day"
    MOMENT = "a moment"
    YES_NO = "yes or no"
    LIST = "a list"


@dataclass(frozen=True)
class Value:
    """A value in SQL. `literal` is what the rule itself says, None when it depends on customers."""

    sql: str
    kind: Kind
    word: str
    type: str | None = None
    literal: str | Decimal | date | datetime | None = None


_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d(?::\d\d)?)")
_LONGEST_NUMBER = 25
_INTEGERS = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64}
_DECIMAL = re.compile(r"DECIMAL\((\d+), ?(\d+)\)")
_NOT_A_NUMBER = "cast('nan' as double)"


def kind_of(duckdb_type: str) -> Kind | None:
    """The kind of a column of this type; None for a type that no rule can read."""
    name = duckdb_type.upper()
    if name in _INTEGERS or name in ("HUGEINT", "DOUBLE", "FLOAT") or _DECIMAL.fullmatch(name):
        return Kind.NUMBER
    known = {
        "VARCHAR": Kind.TEXT,
        "BOOLEAN": Kind.YES_NO,
        "DATE": Kind.DAY,
        "TIMESTAMP": Kind.MOMENT,
        "VARCHAR[]": Kind.LIST,
    }
    return known.get(name)


def of_column(name: str, duckdb_type: str) -> Value:
    """A column as a value. What is not a number in a column of doubles is no value at all."""
    kind = kind_of(duckdb_type)
    if kind is None:
        raise RuleError(f"the column {name} is of a type that a rule cannot read")
    is_inexact = duckdb_type.upper() in ("DOUBLE", "FLOAT")
    sql = f"nullif({name}, {_NOT_A_NUMBER})" if is_inexact else name
    return Value(sql, kind, name, duckdb_type.upper())


def of_number(text: str) -> Value:
    """A number as it stands in a rule."""
    if len(text) > _LONGEST_NUMBER:
        raise RuleError(f"the number {quoted(text)} has more than {_LONGEST_NUMBER} characters")
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise RuleError(f"{quoted(text)} is no number") from None
    double = float(number)
    if math.isinf(double):
        raise RuleError(f"the number {quoted(text)} is too large")
    written = repr(double)
    # With an exponent DuckDB reads a double; without one a decimal, which it rounds once more.
    sql = written if "e" in written else f"{written}e0"
    return Value(sql, Kind.NUMBER, text, literal=number)


def of_text(text: str) -> Value:
    """A text as it stands in a rule."""
    return Value(text_sql(text), Kind.TEXT, quoted(text), literal=text)


def of_day(day: date) -> Value:
    """A day that is known when the rule is read."""
    return Value(f"date '{day.isoformat()}'", Kind.DAY, day.isoformat(), literal=day)


def text_sql(text: str) -> str:
    """A text as SQL."""
    return "'" + text.replace("'", "''") + "'"


def as_double(value: Value) -> str:
    """A number as a double, in which nothing overflows."""
    return value.sql if value.type in (None, "DOUBLE") else f"cast({value.sql} as double)"


def calculated(sql: str, word: str) -> Value:
    """What arithmetic makes of doubles; what is not a number is no value."""
    return Value(f"nullif({sql}, {_NOT_A_NUMBER})", Kind.NUMBER, word)


def comparison(left: Value, operator: str, right: Value) -> str:
    """The comparison of two values as SQL that is NULL where one of them is not known."""
    left, right = _as_time(left, right), _as_time(right, left)
    kinds = {left.kind, right.kind}
    if kinds == {Kind.NUMBER}:
        return _numbers(left, operator, right)
    if kinds == {Kind.DAY, Kind.MOMENT}:
        return f"{_as_day(left)} {operator} {_as_day(right)}"
    if len(kinds) > 1:
        raise RuleError(_unlike(left, right))
    if kinds == {Kind.LIST}:
        raise RuleError(f"{left.word} is a list; write contains({left.word}, 'text')")
    if operator != "=" and not kinds <= {Kind.DAY, Kind.MOMENT}:
        raise RuleError(f"{left.word} is {left.kind}, which has no order to compare by {operator}")
    return f"{left.sql} {operator} {right.sql}"


def _as_time(value: Value, other: Value) -> Value:
    """A text beside a day or moment is read as one."""
    if other.kind not in (Kind.DAY, Kind.MOMENT) or not isinstance(value.literal, str):
        return value
    text = value.literal
    moment = _MOMENT.fullmatch(text)
    try:
        if _DAY.fullmatch(text):
            return of_day(date.fromisoformat(text))
        if moment and other.kind == Kind.MOMENT:
            at = datetime.fromisoformat(f"{moment[1]}T{moment[2]}")
            sql = f"timestamp '{at.isoformat(' ')}'"
            return Value(sql, Kind.MOMENT, at.isoformat(" "), literal=at)
    except ValueError:
        pass
    raise RuleError(f"{quoted(text)} is no day like '2026-06-30', as {other.word} is")


def _as_day(value: Value) -> str:
    return value.sql if value.kind == Kind.DAY else f"cast({value.sql} as date)"


def _unlike(left: Value, right: Value) -> str:
    message = f"{left.word} is {left.kind}, {right.word} is {right.kind}"
    for value, other in ((left, right), (right, left)):
        if value.kind == Kind.TEXT and value.literal is not None:
            if other.kind == Kind.NUMBER:
                return f"{message}; a number has no quotes"
            if other.kind == Kind.YES_NO:
                return f"{message}; write true or false"
        if value.kind == Kind.LIST:
            return f"{message}; write contains({value.word}, 'text')"
    return message


def _numbers(left: Value, operator: str, right: Value) -> str:
    """Compare exactly where one type holds both numbers, as doubles elsewhere."""
    if left.type is not None and left.type == right.type:
        return f"{left.sql} {operator} {right.sql}"
    for value, other in ((left, right), (right, left)):
        exact = _exactly(value.literal, other.type)
        if exact is not None:
            pair = (other.sql, exact) if other is left else (exact, other.sql)
            return f"{pair[0]} {operator} {pair[1]}"
    return f"{as_double(left)} {operator} {as_double(right)}"


def _exactly(literal: object, duckdb_type: str | None) -> str | None:
    """A number of a rule in the type of a column, when it fits without loss."""
    if not isinstance(literal, Decimal) or duckdb_type is None:
        return None
    decimal = _DECIMAL.fullmatch(duckdb_type)
    if decimal:
        digits, scale = int(decimal[1]), int(decimal[2])
        shifted = literal.scaleb(scale)
        if shifted == shifted.to_integral_value() and abs(shifted) < 10**digits:
            return f"cast({literal:f} as {duckdb_type.lower()})"
        return None
    bits = _INTEGERS.get(duckdb_type)
    fits = literal == literal.to_integral_value() and bits is not None
    if fits and bits is not None and -(2 ** (bits - 1)) <= literal < 2 ** (bits - 1):
        return f"cast({literal:f} as {duckdb_type.lower()})"
    return None
