"""What a segment's view asks of a customer, condition by condition.

A segment model has one shape (docs/segments.md): its last step `final` reads one relation with a
row per customer and keeps those for whom all conditions of its `where` hold. So the conditions can
be asked of every customer, also of those who are not in: the steps before `final` stay as they
are, and each condition becomes a value, a threshold and whether it holds.
"""

import json
import re
from collections.abc import Iterator

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

_FINAL = "final AS (SELECT "
# DuckDB keeps `interval 7 day` as a function of a cast number, and a date as a cast text.
_INTERVAL = re.compile(r"TO_(DAY|MONTH|YEAR)S\(CAST\(TRUNC\(CAST\((\d+) AS DOUBLE\)\) AS INT\)\)")
_LITERAL = re.compile(r"CAST\(('[^']*') AS (DATE|TIMESTAMP)\)")


class ShapeError(ValueError):
    """A view whose last step is not of the shape of a segment; the message says what is not."""


def explain_segment_view(view_sql: str) -> str:
    """The conditions of a segment, from its view as DuckDB keeps it, as JSON.

    `steps` is the view's SQL before `final`, `source` the relation that `final` reads; `value`,
    `threshold_sql` and `passed` of each condition are SQL over that relation, `passed` never NULL.
    """
    view = view_sql.split(" AS ", maxsplit=1)[0]
    start = view_sql.rfind(_FINAL)
    if start < 0:
        raise ShapeError(f"{view}: no step `final`")
    try:
        tree = sqlglot.parse_one(f"with {view_sql[start:]}", read="duckdb")
    except SqlglotError:
        raise ShapeError(f"{view}: `final` cannot be read") from None
    final = tree.find(exp.CTE)
    query = final.this if final else None
    source = query.find(exp.Table) if query else None
    if (
        not isinstance(query, exp.Select)
        or not isinstance(source, exp.Table)
        or query.args.get("joins")
        or any(query.args.get(part) for part in ("group", "having", "qualify", "distinct"))
    ):
        raise ShapeError(f"{view}: `final` may only choose rows of one relation")
    where = query.args.get("where")
    conditions = [_told(each) for each in _conjuncts(where.this)] if where else []
    return json.dumps(
        {
            "steps": view_sql[:start].split(" AS ", maxsplit=1)[1].strip().removesuffix(","),
            "source": source.name,
            "conditions": conditions or [_told(exp.true())],
        }
    )


def _conjuncts(condition: exp.Expr) -> Iterator[exp.Expr]:
    condition = condition.unnest()
    if isinstance(condition, exp.And):
        yield from _conjuncts(condition.left)
        yield from _conjuncts(condition.right)
    else:
        yield condition


def _told(condition: exp.Expr) -> dict[str, str | None]:
    value, threshold = _sides(condition)
    return {
        "condition": _in_words(condition),
        "value": value,
        "threshold_sql": threshold,
        "passed": f"coalesce({_sql(condition)}, false)",
    }


def _sides(condition: exp.Expr) -> tuple[str, str]:
    """The customer's value and what it is compared with, both as SQL that gives text."""
    negated = isinstance(condition, exp.Not)
    asked = condition.this.unnest() if negated else condition
    if isinstance(asked, exp.EQ | exp.NEQ | exp.GT | exp.GTE | exp.LT | exp.LTE | exp.Like):
        value, threshold = asked.left, asked.right
        if not value.find(exp.Column):
            value, threshold = threshold, value
        return _text(value), _text(threshold)
    if isinstance(asked, exp.Between):
        low, high = _text(asked.args["low"]), _text(asked.args["high"])
        return _text(asked.this), f"{low} || ' to ' || {high}"
    if isinstance(asked, exp.In) and asked.expressions:
        return _text(asked.this), _quoted(", ".join(_in_words(each) for each in asked.expressions))
    if isinstance(asked, exp.Is):
        return _text(asked.this), _quoted("a value" if negated else "no value")
    if isinstance(asked, exp.Or):
        columns = {_sql(column): column for column in asked.find_all(exp.Column, bfs=False)}
        values = [
            f"{_quoted(f'{_in_words(column)} ')} || coalesce({_text(column)}, 'NULL')"
            for column in columns.values()
        ]
        return f"concat_ws(', ', {', '.join(values)})", "null"
    return _text(asked), _quoted("false" if negated else "true")


def _sql(expression: exp.Expr) -> str:
    return expression.sql("duckdb")


def _text(expression: exp.Expr) -> str:
    return f"cast({_sql(expression)} as varchar)"


def _in_words(expression: exp.Expr) -> str:
    """The condition as people read it; a limit of the seed by its name, which stands last in it."""
    words = expression.unnest().copy()
    for subquery in list(words.find_all(exp.Subquery)):
        *_, name = subquery.find_all(exp.Literal)
        subquery.replace(exp.column(name.this))
    for identifier in words.find_all(exp.Identifier):
        identifier.set("quoted", False)
    if isinstance(words, exp.Not) and isinstance(words.this, exp.Is):
        text = f"{_sql(words.this.this)} IS NOT NULL"
    else:
        text = _sql(words)
    text = _INTERVAL.sub(lambda match: f"interval {match[2]} {match[1].lower()}", text)
    return _LITERAL.sub(lambda match: f"{match[2].lower()} {match[1]}", text)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
