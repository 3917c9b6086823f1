"""What tests of the rules of segments share: compiling rules, running them on a few customers."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import duckdb

from orchestration.segments.check import known_inputs
from orchestration.segments.rules import compile_rules

AS_OF = date(2026, 6, 30)
INPUTS = known_inputs(AS_OF)
Result = dict[str, Any]


def compiled(*rules: str, inputs: Mapping[str, Any] = INPUTS) -> list[Result]:
    """What comes of rules that are named r1, r2 ... in lines 2, 3 ..."""
    return compile_rules(
        [
            {"segment_id": f"r{number}", "row_number": number + 1, "rule": rule}
            for number, rule in enumerate(rules, 1)
        ],
        inputs,
    )


def refusal(rule: str, inputs: Mapping[str, Any] = INPUTS) -> str:
    """Why a rule is refused, without its line."""
    [result] = compiled(rule, inputs=inputs)
    assert result["status"] == "refused", result["expression"]
    start, _, reason = str(result["reason"]).partition(": ")
    assert start == "line 2"
    return reason


def members(
    rules: Sequence[str], columns: Mapping[str, str], customers: Mapping[str, Mapping[str, Any]]
) -> list[set[str]]:
    """Who is in each rule, by running its SQL; a result that is not true or false fails."""
    results = compiled(*rules, inputs={**INPUTS, "columns": columns})
    assert [result["reason"] for result in results if result["reason"]] == []
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        typed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        connection.execute(f"create table rule_inputs (id varchar, {typed}, segment_ids varchar[])")
        names = [*columns, "segment_ids"]
        places = ", ".join("?" * (len(names) + 1))
        connection.executemany(
            f"insert into rule_inputs values ({places})",
            [[key, *(row.get(name) for name in names)] for key, row in customers.items()],
        )
        found = []
        for result in results:
            rows = connection.execute(f"select id, {result['expression']} from rule_inputs")
            answers = dict(rows.fetchall())
            assert set(map(type, answers.values())) == {bool}
            found.append({key for key, is_in in answers.items() if is_in})
        return found
