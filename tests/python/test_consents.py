"""Consent at any time, against a replay of the decisions one by one, in any order of arrival."""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.python.macros import compile_model


class Decision(NamedTuple):
    """A consent event; the moment is a number of seconds."""

    event_key: str
    record: str
    channel: str
    moment: int
    is_granted: bool
    text_version: str | None


class Span(NamedTuple):
    """A time with one state, as marts.consent_history tells it."""

    customer: str
    channel: str
    is_granted: bool
    valid_from: int
    valid_until: int | None
    event_id: str
    text_version: str | None
    confirmed_at: int
    confirmed_text_version: str | None


# Two records are one customer, another is one alone, one is nobody known.
CUSTOMERS = {"account": "anna", "card": "anna", "contact": "ewa"}

_EVENTS = """
create table entity_consent_events (
    event_key varchar, record_key varchar, email varchar, phone varchar, brand_id varchar,
    purpose varchar, channel varchar, occurred_at timestamp, decision varchar, text_version varchar
);
create table identity_records (record_key varchar, customer_id varchar);
create table identity_identifiers (node bigint, id_type varchar, id_value varchar);
create table identity_clusters (node bigint, customer_id varchar);
create table touched_customers (customer_id varchar);
"""

_SPANS = """
select
    customer_id, channel, is_granted, epoch(valid_from)::bigint, epoch(valid_until)::bigint,
    event_id, text_version, epoch(confirmed_at)::bigint, confirmed_text_version
from consent_history
"""


def spans_by_model(first: Sequence[Decision], later: Sequence[Decision]) -> list[Span]:
    """A full build of the first decisions, and an increment when the later ones have arrived."""
    with duckdb.connect() as connection:
        connection.execute(_EVENTS)
        for record_and_customer in CUSTOMERS.items():
            connection.execute("insert into identity_records values (?, ?)", record_and_customer)
        _arrive(connection, first)
        full = compile_model("consent_history")
        connection.execute(f"create table consent_history as {full}")
        _arrive(connection, later)
        for customer in {CUSTOMERS.get(decision.record) for decision in later} - {None}:
            connection.execute("insert into touched_customers values (?)", [customer])
        connection.execute(
            "delete from consent_history "
            "where customer_id in (select customer_id from touched_customers)"
        )
        increment = compile_model("consent_history", is_incremental=True)
        connection.execute(f"insert into consent_history {increment}")
        return sorted(Span(*row) for row in connection.execute(_SPANS).fetchall())


def _arrive(connection: duckdb.DuckDBPyConnection, decisions: Sequence[Decision]) -> None:
    for event_key, record, channel, moment, is_granted, text_version in decisions:
        connection.execute(
            "insert into entity_consent_events values "
            "(?, ?, null, null, 'domowo', 'marketing', ?, make_timestamp(? * 1000000), ?, ?)",
            [
                *(event_key, record, channel, moment),
                *("granted" if is_granted else "withdrawn", text_version),
            ],
        )


def spans_by_replay(decisions: Sequence[Decision]) -> list[Span]:
    """Go through the moments of each consent; a withdrawal outweighs, then the lower key."""
    spans: list[Span] = []

    def consent(decision: Decision) -> tuple[str, str]:
        return CUSTOMERS[decision.record], decision.channel

    known = [decision for decision in decisions if decision.record in CUSTOMERS]
    known.sort(key=lambda one: (*consent(one), one.moment, one.is_granted, one.event_key))
    for (customer, channel), own in groupby(known, consent):
        present: Span | None = None
        for moment, together in groupby(own, lambda decision: decision.moment):
            decision = next(together)
            text = decision.text_version
            if present and present.is_granted == decision.is_granted:
                present = present._replace(confirmed_at=moment, confirmed_text_version=text)
                continue
            if present:
                spans.append(present._replace(valid_until=moment))
            begun = (customer, channel, decision.is_granted, moment, None, decision.event_key, text)
            present = Span(*begun, moment, text)
        if present:
            spans.append(present)
    return sorted(spans)


@st.composite
def decisions(draw: st.DrawFn) -> list[Decision]:
    told = draw(
        st.lists(
            st.tuples(
                st.sampled_from([*CUSTOMERS, "nobody"]),
                st.sampled_from(["email", "sms"]),
                st.integers(0, 4),
                st.booleans(),
                st.sampled_from(["2024", "2025", None]),
            ),
            max_size=14,
        )
    )
    return draw(st.permutations([Decision(f"V{n:02}", *one) for n, one in enumerate(told)]))


@settings(max_examples=60, deadline=None)
@given(arriving=decisions(), share=st.floats(0, 1))
def test_any_order_of_arrival_tells_the_same_story(arriving: list[Decision], share: float) -> None:
    first = round(len(arriving) * share)
    told = spans_by_model(arriving[:first], arriving[first:])
    assert told == spans_by_replay(arriving)
