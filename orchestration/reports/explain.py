"""Why two records are one customer, or two; and what holds one customer together.

Identifiers are named by the first letters of their keyed hash, so that the page holds no personal
data; pii.customer_identifiers has the values.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import duckdb

MOST_LINES = 50


class UnknownNameError(Exception):
    """No customer and no record bears the name; the message says what names look like."""


@dataclass(frozen=True)
class Sighting:
    """A row of identity.explain: an identifier on a record, and what it does there."""

    record: str
    customer: str | None
    identifier: str
    identifier_customer: str | None
    is_founder: bool
    joins: bool
    standing: str
    reason: str | None
    first_seen_at: datetime
    last_seen_at: datetime

    @property
    def seen(self) -> str:
        """The days from the first to the last sighting."""
        return f"{self.first_seen_at:%Y-%m-%d} to {self.last_seen_at:%Y-%m-%d}"


def explain(warehouse: Path, names: Sequence[str]) -> str:
    """The page about one customer or record, or about two records.

    A customer is named by any id that it ever had, a record as system:entity:id. Raises
    UnknownNameError when nobody bears a name.
    """
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        if len(names) == 2:
            return "\n".join(_explain_pair(connection, *names))
        return "\n".join(_explain_customer(connection, names[0]))


def _explain_customer(connection: duckdb.DuckDBPyConnection, name: str) -> Iterable[str]:
    customer = _customer(connection, name)
    if customer is None:
        yield f"{name} belongs to no customer: nothing that was seen on it joins"
        yield from _listed(_told(row) for row in _sightings(connection, "record_key", name))
        return
    if customer != name:
        yield f"{name} means {customer} now"
    rows = _sightings(connection, "customer_id", customer)
    ways = _ways(rows, [row.identifier for row in rows if row.is_founder][:1])
    records = {row.record for row in rows}
    own = [row for row in rows if row.joins and row.identifier_customer == customer]
    identifiers = {row.identifier for row in own}
    yield (
        f"{customer} is one customer: {len(identifiers)} identifiers "
        f"on {len(records)} records, told from the founder outwards"
    )
    order = [place for place in ways if place in identifiers]
    yield from _listed(_step(ways, _over_all(own, place)) for place in order)
    kept_out = [row for row in rows if not row.joins or row.identifier_customer != customer]
    if kept_out:
        yield "Seen on its records, but joins nothing:"
        yield from _listed(f"{_told(row)}, on {row.record}" for row in kept_out)


def _explain_pair(connection: duckdb.DuckDBPyConnection, left: str, right: str) -> Iterable[str]:
    customers = [_customer(connection, name) for name in (left, right)]
    rows = {
        row
        for name, customer in zip((left, right), customers, strict=True)
        for row in (
            _sightings(connection, "customer_id", customer)
            if customer
            else _sightings(connection, "record_key", name)
        )
    }
    ordered = sorted(rows, key=lambda row: (row.first_seen_at, row.record, row.identifier))
    ways = _ways(ordered, [left])
    if right in ways:
        yield f"{left} and {right} are one customer, {customers[0]}:"
        yield from _told_way(ordered, _way(ways, right))
        return
    told = " and ".join(customer or "nobody" for customer in customers)
    yield f"{left} and {right} are two: {told}"
    held: dict[str, set[str | None]] = defaultdict(set)
    for row in ordered:
        held[row.identifier].add(row.customer)
    shared = [row for row in ordered if len(held[row.identifier]) > 1]
    if shared:
        yield "Seen on records of both, and why it does not join them:"
        yield from _listed(f"{_told(row)}, on {row.record}" for row in shared)
    else:
        yield "Nothing that was seen on records of the one was seen on records of the other."


def _customer(connection: duckdb.DuckDBPyConnection, name: str) -> str | None:
    """The customer of a record, or the one that an id means now."""
    found = connection.execute(
        """
        select customer_id from identity.records where record_key = $name
        union all
        select current_customer_id from marts.customer_id_history where customer_id = $name
        """,
        {"name": name},
    ).fetchall()
    if not found:
        raise UnknownNameError(
            f"{name} is neither a customer_id nor a record; a record is named like "
            "demo_shop:accounts:A-1000: system, accounts, loyalty_cards, contacts or orders, and id"
        )
    [(customer,)] = found
    return customer if customer is None else str(customer)


def _sightings(connection: duckdb.DuckDBPyConnection, column: str, value: str) -> list[Sighting]:
    rows = connection.execute(
        f"""
        select
            record_key, customer_id, id_type || ' ' || left(id_key, 8), identifier_customer_id,
            is_founder, joins, standing, reason, first_seen_at, last_seen_at
        from identity.explain
        where {column} = ?
        order by first_seen_at, record_key, id_type, id_key
        """,
        [value],
    ).fetchall()
    return [Sighting(*row) for row in rows]


def _ways(rows: Iterable[Sighting], start: Sequence[str]) -> dict[str, str | None]:
    """The shortest way to each record and identifier: where each is reached from, breadth first."""
    neighbours: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row.joins:
            neighbours[row.record].append(row.identifier)
            neighbours[row.identifier].append(row.record)
    reached: dict[str, str | None] = dict.fromkeys(start)
    waiting = deque(start)
    while waiting:
        place = waiting.popleft()
        for neighbour in neighbours[place]:
            if neighbour not in reached:
                reached[neighbour] = place
                waiting.append(neighbour)
    return reached


def _way(ways: dict[str, str | None], end: str) -> list[str]:
    way = [end]
    while (before := ways[way[-1]]) is not None:
        way.append(before)
    return way[::-1]


def _told_way(rows: Iterable[Sighting], way: Sequence[str]) -> Iterable[str]:
    """Each record on the way with the identifiers that lead on from it."""
    by_ends = {(row.record, row.identifier): row for row in rows if row.joins}
    for place in range(0, len(way), 2):
        held = [
            by_ends[way[place], way[end]] for end in (place - 1, place + 1) if 0 <= end < len(way)
        ]
        yield f"  {way[place]} holds " + " and ".join(_told(row) for row in held)


def _over_all(rows: Iterable[Sighting], identifier: str) -> Sighting:
    """The sightings of an identifier as one, from the first to the last."""
    of_it = [row for row in rows if row.identifier == identifier]
    return replace(of_it[0], last_seen_at=max(row.last_seen_at for row in of_it))


def _step(ways: dict[str, str | None], row: Sighting) -> str:
    record = ways[row.identifier]
    if record is None:
        return f"{_told(row)}, the founder"
    return f"{_told(row)}, on {record} with {ways[record]}"


def _told(row: Sighting) -> str:
    why = {"known by": "", "conducting": ""}.get(row.standing, f", {row.standing}")
    reason = f": {row.reason}" if row.reason and not row.joins else ""
    return f"{row.identifier} ({row.seen}{why}{reason})"


def _listed(lines: Iterable[str]) -> Iterable[str]:
    every = list(lines)
    yield from (f"  {line}" for line in every[:MOST_LINES])
    if len(every) > MOST_LINES:
        yield f"  and {len(every) - MOST_LINES:,} more"
