"""The helpers of the language of rules: texts, days, anniversaries, ratios.

A day that a helper names is computed when the rule is compiled; the SQL holds the day itself.
"""

import calendar
from datetime import date, timedelta
from functools import cache

import duckdb
from sqlglot import exp

from orchestration.segments.expressions import ConditionHelper, Scope, ValueHelper, arguments
from orchestration.segments.language import RuleError, helper_name, quoted
from orchestration.segments.values import (
    Kind,
    Value,
    as_double,
    calculated,
    of_day,
    text_sql,
)

_MOST_DAYS = 36_500
_MOST_MONTHS = 1_200
_LONGEST_PATTERN = 200


def _empty(scope: Scope, node: exp.Anonymous) -> str:
    [of] = arguments(node, 1, 1)
    value = scope.value(of)
    if value.kind == Kind.TEXT:
        return f"coalesce({value.sql}, '') = ''"
    if value.kind == Kind.LIST:
        return f"coalesce(len({value.sql}), 0) = 0"
    return f"{value.sql} is null"


def _starts_with(scope: Scope, node: exp.Anonymous) -> str:
    return _text_and_literal(scope, node, "starts_with")


def _ends_with(scope: Scope, node: exp.Anonymous) -> str:
    return _text_and_literal(scope, node, "ends_with")


def _contains(scope: Scope, node: exp.Anonymous) -> str:
    [of, _] = arguments(node, 2, 2)
    is_list = scope.value(of).kind == Kind.LIST
    if not is_list:
        return _text_and_literal(scope, node, "contains")
    wanted = scope.literal_text(node.expressions[1], "contains")
    return f"list_contains({scope.value(of).sql}, {text_sql(wanted)})"


def _text_and_literal(scope: Scope, node: exp.Anonymous, function: str) -> str:
    [of, wanted] = arguments(node, 2, 2)
    literal = text_sql(scope.literal_text(wanted, helper_name(node)))
    return f"{function}({scope.text(of, helper_name(node))}, {literal})"


def _matches(scope: Scope, node: exp.Anonymous) -> str:
    [of, wanted] = arguments(node, 2, 2)
    text, pattern = scope.text(of, "matches"), scope.literal_text(wanted, "matches")
    if len(pattern) > _LONGEST_PATTERN:
        raise RuleError(f"a regular expression may have {_LONGEST_PATTERN} characters")
    try:
        _patterns().cursor().execute(f"select regexp_matches('', {text_sql(pattern)})")
    except duckdb.Error as error:
        why = str(error).splitlines()[0].removeprefix("Invalid Input Error: ")
        raise RuleError(f"the regular expression {quoted(pattern)} fails: {why}") from None
    return f"regexp_matches({text}, {text_sql(pattern)})"


@cache
def _patterns() -> duckdb.DuckDBPyConnection:
    """A database that reads regular expressions, as the one of the build will."""
    return duckdb.connect(config={"threads": 1})


def _lower(scope: Scope, node: exp.Anonymous) -> Value:
    [of] = arguments(node, 1, 1)
    text = scope.value(of)
    return Value(f"lower({scope.text(of, 'lower')})", Kind.TEXT, f"lower({text.word})")


def _text(scope: Scope, node: exp.Anonymous) -> Value:
    [of] = arguments(node, 1, 1)
    value = scope.value(of)
    if value.kind == Kind.LIST:
        raise RuleError(f"text takes one value; {value.word} is a list")
    return Value(f"cast({value.sql} as varchar)", Kind.TEXT, f"text({value.word})")


def _coalesce(scope: Scope, node: exp.Anonymous) -> Value:
    [of, otherwise] = arguments(node, 2, 2)
    value, default = scope.value(of), scope.value(otherwise)
    if value.kind != default.kind or value.kind == Kind.LIST or default.literal is None:
        raise RuleError(
            f"coalesce takes a value and what stands for it where it is not known; "
            f"{value.word} is {value.kind}, {default.word} is not such a one"
        )
    left, right = value.sql, default.sql
    if value.kind == Kind.NUMBER:
        left, right = as_double(value), as_double(default)
    word = f"coalesce({value.word}, {default.word})"
    return Value(f"coalesce({left}, {right})", value.kind, word)


def _ratio(scope: Scope, node: exp.Anonymous) -> Value:
    [part, whole] = (scope.number(each, "ratio") for each in arguments(node, 2, 2))
    word = f"ratio({part.word}, {whole.word})"
    return calculated(f"({as_double(part)} / nullif({as_double(whole)}, 0))", word)


def _today(scope: Scope, node: exp.Anonymous) -> Value:
    arguments(node, 0, 0)
    return of_day(scope.as_of)


def _days_away(scope: Scope, node: exp.Anonymous) -> Value:
    name = helper_name(node)
    [count] = arguments(node, 1, 1)
    days = scope.literal_integer(count, name, 0, _MOST_DAYS)
    return of_day(scope.as_of + timedelta(-days if name == "days_ago" else days))


def _months_away(scope: Scope, node: exp.Anonymous) -> Value:
    name = helper_name(node)
    [count] = arguments(node, 1, 1)
    months = scope.literal_integer(count, name, 0, _MOST_MONTHS)
    return of_day(add_months(scope.as_of, -months if name == "months_ago" else months))


def _days_since(scope: Scope, node: exp.Anonymous) -> Value:
    [of] = arguments(node, 1, 1)
    day = scope.time(of, "days_since")
    word = f"days_since({scope.value(of).word})"
    sql = f"date_diff('day', {day}, {of_day(scope.as_of).sql})"
    return Value(sql, Kind.NUMBER, word, "BIGINT")


def _border(scope: Scope, node: exp.Anonymous) -> Value:
    """start_of_week(n) and the like: n weeks, months or years from this one, 0 if not said."""
    name = helper_name(node)
    given = arguments(node, 0, 1)
    away = scope.literal_integer(given[0], name, -_MOST_MONTHS, _MOST_MONTHS) if given else 0
    end, _, unit = name.partition("_of_")
    first, last = period(scope.as_of, unit, away)
    return of_day(first if end == "start" else last)


def _in_period(scope: Scope, node: exp.Anonymous) -> str:
    name = helper_name(node)
    [of, *given] = arguments(node, 1, 2)
    away = scope.literal_integer(given[0], name, -_MOST_MONTHS, _MOST_MONTHS) if given else 0
    first, last = (of_day(day).sql for day in period(scope.as_of, name[len("in_") :], away))
    return f"{scope.time(of, name)} between {first} and {last}"


def _anniversary_within(scope: Scope, node: exp.Anonymous) -> str:
    """Compare month and day with those of the window; 29 February is the 28th in common years."""
    [of, before, after] = arguments(node, 3, 3)
    day = scope.time(of, "anniversary_within")
    first = scope.as_of - timedelta(scope.literal_integer(before, "anniversary_within", 0, 180))
    last = scope.as_of + timedelta(scope.literal_integer(after, "anniversary_within", 0, 180))
    parts = []
    for year in range(first.year, last.year + 1):
        begin, end = max(first, date(year, 1, 1)), min(last, date(year, 12, 31))
        low, high = begin.month * 100 + begin.day, end.month * 100 + end.day
        if high == 228 and not calendar.isleap(year):
            high = 229
        parts.append(
            f"(year({day}) < {year} and month({day}) * 100 + day({day}) between {low} and {high})"
        )
    return f"({' or '.join(parts)})"


def add_months(day: date, months: int) -> date:
    """The same day so many months on, or the last of its month where there is none."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def period(day: date, unit: str, away: int) -> tuple[date, date]:
    """The first and last day of the week, month or year that is `away` ones from that of a day."""
    if unit == "week":
        monday = day + timedelta(weeks=away) - timedelta(day.weekday())
        return monday, monday + timedelta(6)
    months = away if unit == "month" else 12 * away
    first = add_months(day.replace(day=1), months)
    if unit == "year":
        first = first.replace(month=1)
    return first, add_months(first, 1 if unit == "month" else 12) - timedelta(1)


CONDITIONS: dict[str, ConditionHelper] = {
    "empty": _empty,
    "starts_with": _starts_with,
    "ends_with": _ends_with,
    "contains": _contains,
    "matches": _matches,
    "in_week": _in_period,
    "in_month": _in_period,
    "in_year": _in_period,
    "anniversary_within": _anniversary_within,
}
VALUES: dict[str, ValueHelper] = {
    "lower": _lower,
    "text": _text,
    "coalesce": _coalesce,
    "ratio": _ratio,
    "today": _today,
    "days_ago": _days_away,
    "days_ahead": _days_away,
    "months_ago": _months_away,
    "months_ahead": _months_away,
    "days_since": _days_since,
    "start_of_week": _border,
    "start_of_month": _border,
    "start_of_year": _border,
    "end_of_week": _border,
    "end_of_month": _border,
    "end_of_year": _border,
}
