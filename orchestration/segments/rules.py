"""Compile the rows of segment_rules.csv: what is in force, and why the others are not.

Each row is compiled by itself and in the order in which rules ask for each other; what is refused
disturbs no other rule. The result is SQL over one row per customer (segments.rule_inputs), made
from the tree of the rule alone, bound by DuckDB before it is accepted.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date
from graphlib import CycleError, TopologicalSorter
from typing import Any

import duckdb
from sqlglot import exp

from orchestration.paths import PROJECT
from orchestration.segments import helpers, measures
from orchestration.segments.expressions import Measure, Scope, Used, arguments, decided
from orchestration.segments.language import (
    Condition,
    RuleError,
    did_you_mean,
    helper_name,
    quoted,
    read_rule,
)
from orchestration.segments.values import Value, text_sql

# Characters of SQL, the rules that a rule asks for included.
MAX_COMPILED = 20_000
# Rules that ask for rules that ask for rules ...
MAX_LEVELS = 20

_SEGMENT_ID = re.compile(r"[a-z][a-z0-9_]{0,59}")
# The views of names in seeds are dropped and made by a hook of memberships.
_RESERVED_PREFIXES = ("lifecycle_", "rfm_")
_HELPERS = {*helpers.CONDITIONS, *helpers.VALUES, *measures.VALUES, "member_of", "lookalike_place"}
# What names other segments.
_ASKING = ("member_of", "lookalike_place")


@dataclass
class Rule:
    """One row of the rules and what becomes of it."""

    segment_id: str
    row_number: int
    text: str
    valid_from: date | None = None
    valid_until: date | None = None
    status: str = "in_force"
    reason: str | None = None
    conditions: list[Condition] = field(default_factory=list)
    asks_for: list[str] = field(default_factory=list)
    used: Used = field(default_factory=Used)
    levels: int = 1
    condition: str = ""
    expression: str | None = None
    explained: list[dict[str, str | None]] = field(default_factory=list)

    def refuse(self, reason: object) -> None:
        """Say why the rule is not used; the first reason stands."""
        if self.status != "refused":
            self.status, self.reason = "refused", f"line {self.row_number}: {reason}"

    def as_result(self) -> dict[str, Any]:
        """The rule as the models read it."""
        in_force = self.status == "in_force"
        return {
            "segment_id": self.segment_id,
            "row_number": self.row_number,
            "status": self.status,
            "reason": self.reason,
            "columns": list(self.used.columns) if in_force else [],
            "measures": [asdict(one) for one in self.used.measures.values()] if in_force else [],
            "segments": list(self.used.segments) if in_force else [],
            "lookalikes": list(self.used.lookalikes) if in_force else [],
            "expression": self.expression if in_force else None,
            "conditions": self.explained if in_force else [],
        }


def compile_rules(
    rows: Iterable[Mapping[str, Any]], inputs: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """What came of each row, in their order. `inputs` says the day, columns and segments."""
    as_of = date.fromisoformat(inputs["as_of"])
    columns = {name.lower(): str(kind).upper() for name, kind in inputs["columns"].items()}
    segments, known_values = set(inputs["segments"]), inputs.get("values") or {}
    book = _Book(as_of, columns, segments, known_values, _reserved_names())
    rules = [
        Rule(str(row.get("segment_id") or ""), int(row["row_number"]), str(row.get("rule") or ""))
        for row in rows
    ]
    for rule, row in zip(rules, rows, strict=True):
        with _refusing(rule):
            book.enter(rule)
            _check_validity(rule, row, as_of)
            if rule.status != "expired":
                rule.conditions = read_rule(rule.text, _HELPERS)
                rule.asks_for = list(_asked(rule.conditions))
    for rule in book.in_order():
        with _refusing(rule):
            book.compile(rule)
    with closing(_Checker(columns)) as checker:
        checker.check([rule for rule in rules if rule.expression and rule.status != "refused"])
    return [rule.as_result() for rule in rules]


def _reserved_names() -> set[str]:
    """What stands in the schema segments beside the segments: no rule may take its name."""
    models = (PROJECT / "models" / "segments").rglob("*.sql")
    return {file.stem for file in models if not file.stem.startswith("seg_")}


@dataclass
class _Book:
    """The rules by name, and what they may read."""

    as_of: date
    columns: dict[str, str]
    segments: set[str]
    known_values: dict[str, list[str]]
    reserved: set[str]
    rules: dict[str, Rule] = field(default_factory=dict)

    def enter(self, rule: Rule) -> None:
        """Give a rule its name; refused when the name is not plain or not free."""
        name = rule.segment_id
        if not _SEGMENT_ID.fullmatch(name):
            raise RuleError(
                f"{quoted(name)} is no name of a segment; it has 1 to 60 small letters, digits "
                "and _, a letter first"
            )
        if name.startswith(_RESERVED_PREFIXES):
            raise RuleError(f"{name} begins like the segments that are made from seeds")
        if name in self.segments:
            raise RuleError(f"{name} is a segment in SQL already")
        if name in self.reserved:
            raise RuleError(f"{name} is the name of a table in the schema segments")
        if name in self.rules:
            raise RuleError(f"{name} stands in line {self.rules[name].row_number} already")
        self.rules[name] = rule

    def in_order(self) -> Iterator[Rule]:
        """Those to compile, each after the rules it asks for; whoever is in a circle is refused."""
        waiting = {
            name: [other for other in rule.asks_for if other in self.rules]
            for name, rule in self.rules.items()
            if rule.status in ("in_force", "not_yet")
        }
        while True:
            try:
                order = list(TopologicalSorter(waiting).static_order())
                break
            except CycleError as error:
                # Each name of the circle stands before the one that asks for it.
                circle = list(reversed(error.args[1]))
                told = " -> ".join(circle)
                for name in circle[1:]:
                    self.rules[name].refuse(f"rules ask for each other in a circle: {told}")
                    del waiting[name]
        yield from (self.rules[name] for name in order if name in waiting)

    def compile(self, rule: Rule) -> None:
        """Write the SQL of a rule and of each of its conditions."""
        asked = [self.rules[name].levels for name in rule.asks_for if name in self.rules]
        rule.levels += max(asked, default=0)
        if rule.levels > MAX_LEVELS:
            raise RuleError(f"it asks for rules that ask for others, over {MAX_LEVELS} levels")
        parts = []
        for condition in rule.conditions:
            scope = Scope(
                as_of=self.as_of,
                columns=self.columns,
                known_values=self.known_values,
                condition_helpers=helpers.CONDITIONS | {"member_of": self._member_of},
                value_helpers=helpers.VALUES
                | measures.VALUES
                | {"lookalike_place": self._lookalike_place},
            )
            sql = scope.condition(condition.node)
            parts.append(sql)
            value, threshold = explain(scope, condition.node)
            rule.explained.append(
                {
                    "condition": condition.text,
                    "value": value,
                    "threshold": threshold,
                    "passed": decided(sql),
                }
            )
            rule.used.add(scope.used)
        rule.condition = f"({' and '.join(parts)})"
        rule.expression = decided(rule.condition)
        if len(rule.expression) > MAX_COMPILED:
            raise RuleError("the rule is too long with the rules that it asks for")
        if not any((rule.used.columns, rule.used.measures, rule.used.segments, rule.asks_for)):
            raise RuleError("the rule asks nothing of the customer")

    def _lookalike_place(self, scope: Scope, node: exp.Anonymous) -> Value:
        name, _ = self._asked_segment(scope, node)
        return measures.lookalike_place(scope, node, name)

    def _member_of(self, scope: Scope, node: exp.Anonymous) -> str:
        name, rule = self._asked_segment(scope, node)
        if rule is None:
            scope.used.segments[name] = None
            return f"list_contains(segment_ids, {text_sql(name)})"
        if rule.status != "in_force":
            return "false"  # Who is not in force has no members.
        scope.used.add(rule.used)
        return rule.condition

    def _asked_segment(self, scope: Scope, node: exp.Anonymous) -> tuple[str, Rule | None]:
        """The segment that a helper names, and its rule if it is one."""
        helper = helper_name(node)
        [argument] = arguments(node, 1, 1)
        name = scope.literal_text(argument, helper)
        if name in self.segments:
            return name, None
        rule = self.rules.get(name)
        if rule is None:
            known = [*self.segments, *self.rules]
            raise RuleError(f"there is no segment {quoted(name)}{did_you_mean(name, known)}")
        if rule.status == "refused":
            raise RuleError(f"it asks for {helper}('{name}'), which is refused itself")
        return name, rule


def explain(scope: Scope, node: exp.Expr) -> tuple[str, str | None]:
    """SQL for what a customer has where a condition asks, and what the condition asks for."""
    while isinstance(node, exp.Paren | exp.Not):
        node = node.this
    things = [*scope.used.columns, *scope.used.measures]
    compared = node.args.get("this") if not isinstance(node, exp.Anonymous) else None
    threshold = None
    match node:
        case exp.EQ() | exp.NEQ() | exp.GT() | exp.GTE() | exp.LT() | exp.LTE():
            threshold = scope.literal(node.expression)
            if threshold is None:
                compared, threshold = node.expression, scope.literal(node.this)
        case exp.Like():
            threshold = scope.literal(node.expression)
        case exp.In():
            threshold = ", ".join(scope.literal(item) or "" for item in node.expressions)
        case exp.Between():
            low, high = (scope.literal(node.args[border]) for border in ("low", "high"))
            threshold = f"{low} to {high}" if low is not None and high is not None else None
        case _:
            compared = None
    if compared is not None and threshold is not None:
        return f"cast({scope.value(compared).sql} as varchar)", threshold
    if len(things) == 1:
        return f"cast({things[0]} as varchar)", threshold
    if not things:
        return "cast(null as varchar)", threshold
    labels = {name: one.label for name, one in scope.used.measures.items()}
    told = (
        f"{text_sql(labels.get(name, name) + ': ')} || coalesce(cast({name} as varchar), 'null')"
        for name in things
    )
    return f"concat_ws(', ', {', '.join(told)})", threshold


@contextmanager
def _refusing(rule: Rule) -> Iterator[None]:
    """Refuse the rule for what goes wrong with it, and go on with the next."""
    try:
        yield
    except RuleError as error:
        rule.refuse(error)
    except RecursionError:
        rule.refuse("the rule is nested too deeply; divide it by member_of")


def _check_validity(rule: Rule, row: Mapping[str, Any], as_of: date) -> None:
    first, last = (_day(row, name) for name in ("valid_from", "valid_until"))
    if first and last and last < first:
        raise RuleError(f"valid_until {last} is before valid_from {first}")
    if first and first > as_of:
        rule.status = "not_yet"
    if last and last < as_of:
        rule.status = "expired"


def _day(row: Mapping[str, Any], name: str) -> date | None:
    text = str(row.get(name) or "").strip()
    if not text:
        return None
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise RuleError(f"{name} {quoted(text)} is no day like 2026-06-30")


def _asked(conditions: list[Condition]) -> Iterator[str]:
    """The segments that a rule asks for."""
    for condition in conditions:
        for node in condition.node.find_all(exp.Anonymous):
            if helper_name(node) in _ASKING and len(node.expressions) == 1:
                yield str(node.expressions[0].this)


class _Checker:
    """A database without rows, which the SQL of rules is tried on before it is accepted."""

    def __init__(self, columns: Mapping[str, str]) -> None:
        self._types = {**columns, "segment_ids": "VARCHAR[]"}
        self._database = duckdb.connect(config={"threads": 1, "enable_external_access": False})
        for source, filters in measures.SOURCES.items():
            read = {**filters, **measures.READ[source]}
            own = ", ".join(f"{name} {kind}" for name, kind in read.items())
            self._database.execute(f"create table {source} ({own})")

    def check(self, rules: Sequence[Rule]) -> None:
        """Let DuckDB read the SQL of all rules at once, of each alone if it refuses one."""
        try:
            self._read(rules)
        except duckdb.Error as error:
            if len(rules) == 1:
                rules[0].refuse(f"DuckDB refuses it: {str(error).splitlines()[0]}")
            else:
                for rule in rules:
                    self.check([rule])

    def _read(self, rules: Sequence[Rule]) -> None:
        asked = {name: one for rule in rules for name, one in rule.used.measures.items()}
        for source in measures.SOURCES:
            self._read_measures(source, [one for one in asked.values() if one.source == source])
        types = self._types | {name: measure.type for name, measure in asked.items()}
        unknown = ", ".join(f"cast(null as {kind}) as {name}" for name, kind in types.items())
        told = [str(rule.expression) for rule in rules]
        for rule in rules:
            told += [f"{part['value']}, {part['passed']}" for part in rule.explained]
        if told:
            self._database.execute(f"select {', '.join(told)} from (select {unknown})")

    def _read_measures(self, source: str, asked: list[Measure]) -> None:
        steps = "".join(f", {one.step} as {one.name}" for one in asked if one.step)
        if steps:
            keys = "customer_id, order_id, ordered_at, ordered_on"
            source = f"(select {keys}{steps} from {source} group by {keys})"
        told = "".join(f", cast({one.aggregate} as {one.type})" for one in asked)
        self._database.execute(f"select customer_id{told} from {source} group by customer_id")

    def close(self) -> None:
        """Give its memory back."""
        self._database.close()
