"""Why one customer is in a segment or not, condition by condition."""

import re
from difflib import get_close_matches
from pathlib import Path

import duckdb

from orchestration.reports.card import present_id

_FRACTION = re.compile(r"-?\d+\.\d+")


class UnknownSegmentError(Exception):
    """No segment in force bears the name; the message says which come near."""


def explain_segment(serving: Path, customer: str, segment: str) -> str:
    """A line for each condition of a segment: whether it holds, and what the customer has.

    Raises UnknownSegmentError, and UnknownCustomerError when nobody ever bore the id.
    """
    with duckdb.connect(str(serving), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        customer = present_id(connection, customer)
        rows = connection.execute(
            """
            select condition, value, threshold, passed
            from segments.explanations
            where segment_id = ? and customer_id = ?
            order by condition_number
            """,
            [segment, customer],
        ).fetchall()
        if not rows:
            return _without_conditions(connection, customer, segment)
    passed = sum(row[-1] for row in rows)
    is_in = "is in" if passed == len(rows) else "is not in"
    lines = [f"{customer} {is_in} {segment}: {passed} of {len(rows)} conditions hold"]
    width = max(len(condition) for condition, *_ in rows)
    for condition, value, threshold, holds in rows:
        has = "nothing is known" if value is None else f"has {_plain(value)}"
        asked = "" if threshold is None else f", asked for {_plain(threshold)}"
        lines.append(f"  {'yes' if holds else 'no ':<3} {condition:<{width}}  {has}{asked}")
    return "\n".join(lines)


def _plain(text: str) -> str:
    """A number without the zeros that its type adds: 3.0000 is 3."""
    return text.rstrip("0").rstrip(".") if _FRACTION.fullmatch(text) else text


def _without_conditions(connection: duckdb.DuckDBPyConnection, customer: str, segment: str) -> str:
    known = connection.execute("select segment_id from segments.catalog").fetchall()
    names = [name for (name,) in known]
    if segment in names:
        return f"{customer} is in no segment: asked to be forgotten"
    near = get_close_matches(segment, names, n=3)
    raise UnknownSegmentError(
        f"there is no segment {segment!r}" + (f"; did you mean {', '.join(near)}?" if near else "")
    )
