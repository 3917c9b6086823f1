"""From the tree of a rule to SQL: known columns and helpers, kinds that fit, nothing unknown.

Every condition is compiled to SQL that is true exactly where the condition holds; where a value is
not known it is false or NULL. `not` takes NULL for false before it negates, so that of a condition
and its negation exactly one holds for every customer: who has no value is not 'a'.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from sqlglot import exp

from orchestration.segments.language import (
    RuleError,
    as_written,
    did_you_mean,
    flatten,
    helper_name,
    quoted,
)
from orchestration.segments.values import (
    Kind,
    Value,
    as_double,
    calculated,
    comparison,
    of_column,
    of_number,
    of_text,
    text_sql,
)

_OPERATORS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.LT: "<",
    exp.LTE: "<=",
}
_ARITHMETIC: dict[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/"}

# The parts of each node that are read; one with any other part is not what it seems.
_PARTS: dict[type[exp.Expr], set[str]] = {
    exp.Paren: {"this"},
    exp.And: {"this", "expression"},
    exp.Or: {"this", "expression"},
    exp.Not: {"this"},
    exp.Is: {"this", "expression"},
    exp.Like: {"this", "expression", "negate"},
    exp.In: {"this", "expressions", "field"},
    exp.Between: {"this", "low", "high"},
    exp.Anonymous: {"this", "expressions"},
    exp.Column: {"this"},
    exp.Identifier: {"this", "quoted"},
    exp.Literal: {"this", "is_string"},
    exp.Boolean: {"this"},
    exp.Null: set(),
    exp.Neg: {"this"},
} | {kind: {"this", "expression"} for kind in (*_OPERATORS, *_ARITHMETIC)}
# What sqlglot notes of a division; ours is a division of doubles.
_NOTES = {"typed", "safe", "integer"}


@dataclass
class Measure:
    """An aggregate of the facts of a customer that a rule compares; seg_design in docs/segments."""

    name: str
    source: str
    step: str | None
    aggregate: str
    type: str
    label: str
    default: str | None


@dataclass
class Used:
    """What a rule or condition reads, in the order in which it does."""

    columns: dict[str, None] = field(default_factory=dict)
    measures: dict[str, Measure] = field(default_factory=dict)
    segments: dict[str, None] = field(default_factory=dict)
    rules: dict[str, None] = field(default_factory=dict)
    lookalikes: dict[str, None] = field(default_factory=dict)

    def add(self, other: "Used") -> None:
        """Read what another one reads as well."""
        self.columns |= other.columns
        self.measures |= other.measures
        self.segments |= other.segments
        self.rules |= other.rules
        self.lookalikes |= other.lookalikes


ConditionHelper = Callable[["Scope", exp.Anonymous], str]
ValueHelper = Callable[["Scope", exp.Anonymous], Value]


@dataclass
class Scope:
    """The words that one rule may use, and what it has used so far."""

    as_of: date
    columns: Mapping[str, str]
    known_values: Mapping[str, list[str]] = field(default_factory=dict)
    condition_helpers: Mapping[str, ConditionHelper] = field(default_factory=dict)
    value_helpers: Mapping[str, ValueHelper] = field(default_factory=dict)
    used: Used = field(default_factory=Used)

    def condition(self, node: exp.Expr) -> str:
        """SQL that is true where the condition holds, false or NULL where it does not."""
        _check_parts(node)
        match node:
            case exp.Paren():
                return self.condition(node.this)
            case exp.And() | exp.Or():
                glue = " and " if isinstance(node, exp.And) else " or "
                parts = [self.condition(part) for part in flatten(node, type(node))]
                return f"({glue.join(parts)})"
            case exp.Not():
                return _negated(self.condition(node.this))
            case exp.NEQ():
                return _negated(self._comparison(node))
            case exp.EQ() | exp.GT() | exp.GTE() | exp.LT() | exp.LTE():
                return self._comparison(node)
            case exp.Is():
                return self._is(node)
            case exp.Like():
                like = self._like(node)
                return _negated(like) if node.args.get("negate") else like
            case exp.In():
                return self._in(node)
            case exp.Between():
                value = self.value(node.this)
                low, high = self.value(node.args["low"]), self.value(node.args["high"])
                return f"({comparison(value, '>=', low)} and {comparison(value, '<=', high)})"
            case exp.Anonymous() if helper_name(node) in self.condition_helpers:
                return self.condition_helpers[helper_name(node)](self, node)
        value = self.value(node)
        if value.kind != Kind.YES_NO:
            raise RuleError(f"{value.word} is {value.kind}, not a condition; compare it")
        return value.sql

    def value(self, node: exp.Expr) -> Value:
        """A value with its kind; NULL where it is not known."""
        _check_parts(node)
        match node:
            case exp.Paren():
                return self.value(node.this)
            case exp.Column():
                return self._column(node)
            case exp.Literal():
                return of_text(node.this) if node.is_string else of_number(node.this)
            case exp.Boolean():
                word = "true" if node.this else "false"
                return Value(word, Kind.YES_NO, word, literal=word)
            case exp.Null():
                raise RuleError("nothing equals null; write is null or is not null")
            case exp.Neg():
                return self._negative(node)
            case exp.Add() | exp.Sub() | exp.Mul() | exp.Div():
                return self._arithmetic(node)
            case exp.Anonymous() if helper_name(node) in self.value_helpers:
                return self.value_helpers[helper_name(node)](self, node)
            case exp.Anonymous() if helper_name(node) in self.condition_helpers:
                word = f"{helper_name(node)}(...)"
                raise RuleError(f"{word} is a condition; it stands alone, with not, and, or")
            case exp.Anonymous():
                raise RuleError(f"{helper_name(node)}(...) may not stand here")
        raise RuleError(f"{quoted(as_written(node))} is a condition where a value has to stand")

    def _column(self, node: exp.Column) -> Value:
        name = str(node.name)
        if name not in self.columns:
            if name in self.value_helpers or name in self.condition_helpers:
                raise RuleError(f"{name} is a helper; write {name}(...)")
            raise RuleError(f"there is no column {name}{did_you_mean(name, self.columns)}")
        self.used.columns[name] = None
        return of_column(name, self.columns[name])

    def _comparison(self, node: exp.Expr) -> str:
        left, right = self.value(node.this), self.value(node.expression)
        self._check_known(left, right)
        self._check_known(right, left)
        return comparison(left, _OPERATORS[type(node)], right)

    def _check_known(self, column: Value, value: Value) -> None:
        """Refuse a text that the column never holds, where its values are a closed list."""
        known = self.known_values.get(column.sql)
        if known and isinstance(value.literal, str) and value.literal not in known:
            raise RuleError(
                f"{column.word} is never {quoted(value.literal)}"
                f"{did_you_mean(value.literal, known)}"
            )

    def _is(self, node: exp.Is) -> str:
        if isinstance(node.expression, exp.Null):
            return f"{self.value(node.this).sql} is null"
        if isinstance(node.expression, exp.Boolean):
            value = self.value(node.this)
            return comparison(value, "=", self.value(node.expression))
        raise RuleError("after is stands null, not null, true or false")

    def _like(self, node: exp.Like) -> str:
        text = self.text(node.this, "like")
        pattern = self.literal_text(node.expression, "like")
        if "_" not in pattern:
            return f"{text} like {text_sql(pattern)}"
        # Some patterns of both % and _ take time without bound; regular expressions do not.
        signs = {"%": ".*", "_": "."}
        expression = "".join(signs.get(sign) or re.escape(sign) for sign in pattern)
        return f"regexp_full_match({text}, {text_sql('(?s)' + expression)})"

    def _in(self, node: exp.In) -> str:
        if not node.expressions or node.args.get("field"):
            raise RuleError("after in stand values in parentheses, like in ('a', 'b')")
        value = self.value(node.this)
        found = []
        for item in node.expressions:
            literal = self.value(item)
            if literal.literal is None:
                raise RuleError(f"after in stand values; {literal.word} is none")
            self._check_known(value, literal)
            found.append(comparison(value, "=", literal))
        prefix = f"{value.sql} = "
        if all(one.startswith(prefix) for one in found):
            return f"{value.sql} in ({', '.join(one.removeprefix(prefix) for one in found)})"
        return f"({' or '.join(found)})"

    def _negative(self, node: exp.Neg) -> Value:
        value = self.number(node.this, "-")
        if isinstance(value.literal, Decimal):
            return of_number(str(-value.literal))
        return calculated(f"-({as_double(value)})", f"-{value.word}")

    def _arithmetic(self, node: exp.Expr) -> Value:
        operator = _ARITHMETIC[type(node)]
        left, right = self.number(node.this, operator), self.number(node.expression, operator)
        divisor = as_double(right)
        if operator == "/":
            divisor = f"nullif({divisor}, 0)"
        word = f"{left.word} {operator} {right.word}"
        return calculated(f"({as_double(left)} {operator} {divisor})", word)

    def number(self, node: exp.Expr, user: str) -> Value:
        """A number for an operator or helper."""
        return self._of_kind(node, user, {Kind.NUMBER})

    def text(self, node: exp.Expr, user: str) -> str:
        """A text for an operator or helper, as SQL."""
        return self._of_kind(node, user, {Kind.TEXT}).sql

    def time(self, node: exp.Expr, user: str) -> str:
        """A day for a helper, as SQL; of a moment its day."""
        value = self._of_kind(node, user, {Kind.DAY, Kind.MOMENT})
        return value.sql if value.kind == Kind.DAY else f"cast({value.sql} as date)"

    def _of_kind(self, node: exp.Expr, user: str, kinds: set[Kind]) -> Value:
        value = self.value(node)
        if value.kind not in kinds:
            wanted = " or ".join(sorted(kinds))
            raise RuleError(f"{user} takes {wanted}; {value.word} is {value.kind}")
        return value

    def literal(self, node: exp.Expr) -> str | None:
        """What the rule itself says at a place, as text; None where it depends on customers."""
        value = self.value(node)
        return None if value.literal is None else str(value.literal)

    def literal_text(self, node: exp.Expr, user: str) -> str:
        """A text that the rule itself says."""
        value = self.value(node)
        if not isinstance(value.literal, str):
            raise RuleError(f"{user} takes a text in quotes; {value.word} is none")
        return value.literal

    def literal_integer(self, node: exp.Expr, user: str, lowest: int, highest: int) -> int:
        """A whole number that the rule itself says, between two limits."""
        value = self.value(node)
        number = value.literal
        if not isinstance(number, Decimal) or number != number.to_integral_value():
            raise RuleError(f"{user} takes a whole number; {value.word} is none")
        if not lowest <= number <= highest:
            raise RuleError(f"{user} takes {lowest} to {highest}; {value.word} is not")
        return int(number)


def arguments(node: exp.Anonymous, fewest: int, most: int) -> list[exp.Expr]:
    """The arguments of a helper, as many as it takes."""
    given: list[Any] = node.expressions
    if not fewest <= len(given) <= most:
        takes = str(most) if fewest == most else f"{fewest} to {most}"
        name = helper_name(node)
        raise RuleError(f"{name}(...) takes {takes} arguments, not {len(given)}")
    return given


def decided(condition: str) -> str:
    """A condition as true or false, never NULL. Unlike coalesce, case stops at the first no."""
    return f"case when {condition} then true else false end"


def _negated(condition: str) -> str:
    return f"case when {condition} then false else true end"


def _check_parts(node: exp.Expr) -> None:
    parts = {name for name, part in node.args.items() if part not in (None, False, [])}
    if type(node) not in _PARTS or not parts <= _PARTS[type(node)] | _NOTES:
        raise RuleError(f"{quoted(as_written(node))} may not stand in a rule")
