"""Who may be in an audience at this moment, and what of them is sent."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

import duckdb

from orchestration.activation.destination import Declared
from orchestration.activation.syncs import Sync, SyncError
from orchestration.ingest.loader import find_new_files
from orchestration.ingest.sql import quote_name, quote_text
from orchestration.paths import Paths
from orchestration.warehouse.lock import LockHeld, build_lock

# What a person decided: files of these entities that no build has read yet stop every export.
_DECISIONS = ("consent_events", "erasure_requests")

# Grain: one row per value that somebody who refused is known by: it is not sent of anybody.
_REFUSED_VALUES = """
create or replace temp table refused_values as
with refusing as (
    select customer_id
    from warehouse.audiences.customer_gates
    where
        brand_id = $brand and purpose = $purpose and channel = $channel
        and refused_by in ('erasure', 'consent')
),
named as (
    select unnest([{identifiers}]) as value
    from warehouse.pii.match_keys as keys
    semi join refusing using (customer_id)
)
select value
from named
where value is not null
group by value
"""

# Grain: one row per customer with what is sent of each, if anything is. A view: it is read while
# the warehouse is attached.
_MEMBER_FIELDS = """
create or replace temp view member_fields as
select
    customers.customer_id,
    {columns}
from warehouse.marts.customer_360 as customers
left join warehouse.pii.match_keys as keys using (customer_id)
"""

# Grain: one row per customer who is in the segment or known to the destination. refused_by says why
# one is not sent.
_CANDIDATES = """
create or replace temp table candidates as
with members as (
    select customer_id
    from warehouse.segments.memberships
    where segment_id = $segment
),
everyone as (
    select customer_id, true as is_member
    from members
    union all
    select customer_id, false as is_member
    from exports.members
    anti join members using (customer_id)
    where sync_id = $sync_id
),
gates as (
    select customer_id, decided_at, refused_by
    from warehouse.audiences.customer_gates
    where brand_id = $brand and purpose = $purpose and channel = $channel
),
known as (
    select
        everyone.customer_id,
        everyone.is_member,
        case
            when fields.customer_id is null then 'gone'
            when gates.customer_id is null then 'consent'
            else gates.refused_by
        end as refused_by,
        gates.decided_at as consented_at,
        [{identifier_fields}] as identifiers,
        md5(cast(to_json([{texts}]) as varchar)) as content_hash
    from everyone
    left join member_fields as fields using (customer_id)
    left join gates using (customer_id)
),
refused as (
    select
        * replace (
            case
                when refused_by is not null then refused_by
                when list_aggregate(identifiers, 'max') = '' then 'no_identifier'
            end as refused_by
        )
    from known
)
select
    * replace (
        case
            when refused_by is not null or not is_member then refused_by
            when row_number() over (
                partition by identifiers, refused_by is null and is_member order by customer_id
            ) > 1 then 'duplicate'
        end as refused_by
    )
from refused
"""


def sent_column(field: str) -> str:
    """The column of a field that is sent, quoted; a field may be called customer_id."""
    return quote_name(f"sent {field}")


class Audience(Protocol):
    """Where an audience comes from."""

    fields: tuple[str, ...]

    def version(self) -> str:
        """Changes whenever who may be sent may have changed: a plan of before is worth nothing."""

    def stopped(self) -> frozenset[str]:
        """Customers who are being erased: not to be sent any more, whatever the plan says."""

    def reading(self, store: duckdb.DuckDBPyConnection) -> AbstractContextManager[None]:
        """Make the temporary table `candidates`: customer_id, is_member, refused_by, consented_at,
        identifiers, content_hash (of all that is sent, identifiers among it).

        And `member_fields`, which can be read until the context ends: customer_id and, named by
        `sent_column`, a column for each of `fields`.
        """


class WarehouseAudience:
    """The audience of a sync, as the last build that passed knows it."""

    def __init__(self, paths: Paths, sync: Sync, declared: Declared) -> None:
        """Nothing is read yet."""
        self._paths = paths
        self._sync = sync
        self._declared = declared
        self._columns = _columns(sync, declared)
        self.fields = tuple(self._columns)

    def version(self) -> str:
        """The published file that readers have; empty before the first build."""
        serving = self._paths.serving
        return str(serving.readlink()) if serving.is_symlink() else ""

    def stopped(self) -> frozenset[str]:
        """Those whose erasure has begun."""
        return read_stopped(self._paths)

    @contextmanager
    def reading(self, store: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """As `Audience.reading`. Raises SyncError when the last build is none to send from."""
        sync, declared = self._sync, self._declared
        purpose, channel = sync.consent
        gate = {"brand": sync.brand, "purpose": purpose, "channel": channel}
        refused_values = _REFUSED_VALUES.format(
            identifiers=", ".join(
                quote_name(declared.fields[name]) for name in declared.identifiers
            )
        )
        member_fields = _MEMBER_FIELDS.format(
            columns=",\n    ".join(
                f"{source} as {sent_column(field)}" for field, source in self._columns.items()
            )
        )
        candidates = _CANDIDATES.format(
            identifier_fields=", ".join(
                f"coalesce(fields.{sent_column(name)}, '')" for name in declared.identifiers
            ),
            texts=", ".join(
                f"cast(fields.{sent_column(field)} as varchar)" for field in self.fields
            ),
        )
        with _attached(self._paths, store):
            _require_known_decisions(self._paths, store)
            _require_segment(store, sync)
            store.execute(refused_values, gate)
            store.execute(member_fields)
            store.execute(candidates, {**gate, "segment": sync.segment, "sync_id": sync.sync_id})
            yield
            store.execute("drop view member_fields")


class ErasedAudience:
    """All whom a destination may hold, of whom some are erased: only these change."""

    fields: tuple[str, ...] = ()

    def __init__(self, sync_id: str, erased: Collection[str]) -> None:
        """`erased` are ids of customers, known there or not."""
        self._sync_id = sync_id
        self._erased = sorted(erased)

    def version(self) -> str:
        """Always the same: no build brings an erased customer back."""
        return "erased"

    def stopped(self) -> frozenset[str]:
        """Nobody is added."""
        return frozenset()

    @contextmanager
    def reading(self, store: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """As `Audience.reading`."""
        store.execute(
            "create or replace temp table candidates as "
            "select customer_id, true as is_member, consented_at, identifiers, content_hash, "
            "case when list_contains($erased, customer_id) then 'erasure' end as refused_by "
            "from exports.members where sync_id = $sync_id",
            {"erased": self._erased, "sync_id": self._sync_id},
        )
        store.execute(
            "create or replace temp view member_fields as "
            "select customer_id from exports.members where false"
        )
        yield
        store.execute("drop view member_fields")


def _columns(sync: Sync, declared: Declared) -> Mapping[str, str]:
    """The SQL of each field that is sent."""
    columns = {}
    for field, source in declared.fields.items():
        column = f"keys.{quote_name(source)}"
        if field in declared.identifiers:
            column = (
                f"case when {column} not in (select value from refused_values) then {column} end"
            )
        columns[field] = column
    for field, source in sync.attributes.items():
        columns[field] = f"customers.{quote_name(source)}"
    if sync.value and declared.value_field:
        columns[declared.value_field] = f"cast(customers.{quote_name(sync.value)} as double)"
    return columns


@contextmanager
def _attached(paths: Paths, store: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """The warehouse, for the seconds that reading takes; a build may not work in it meanwhile."""
    if not paths.warehouse.exists():
        raise SyncError("there is nothing to send yet: run make build first")
    with ExitStack() as stack:
        try:
            stack.enter_context(
                build_lock(paths.lock, "reading an audience", 600, lambda _line: None)
            )
        except LockHeld as error:
            raise SyncError(f"nothing is sent while a build works: {error}") from None
        store.execute(f"attach {quote_text(str(paths.warehouse))} as warehouse (read_only)")
        stack.callback(store.execute, "detach warehouse")
        yield


def _require_known_decisions(paths: Paths, store: duckdb.DuckDBPyConnection) -> None:
    last = store.execute(
        "select finished_at from warehouse.meta.builds order by started_at desc limit 1"
    ).fetchall()
    if not last or last[0][0] is None:
        raise SyncError("the last build did not pass: nothing is sent; run make build first")
    waiting = [file for file in find_new_files(paths) if file.parent.name in _DECISIONS]
    if waiting:
        raise SyncError(
            f"{len(waiting)} files of consents or erasure requests have landed that no build has "
            "read: nothing is sent; run make build first"
        )


def _require_segment(store: duckdb.DuckDBPyConnection, sync: Sync) -> None:
    for relation, column, value in (
        ("segments.catalog", "segment_id", sync.segment),
        ("reference.brands", "brand_id", sync.brand),
    ):
        known = store.execute(
            f"select 1 from warehouse.{relation} where {column} = $value", {"value": value}
        ).fetchall()
        if not known:
            raise SyncError(f'syncs/{sync.sync_id}.yml: {column} "{value}" is not in {relation}')


def read_stopped(paths: Paths) -> frozenset[str]:
    """Customers whose erasure has begun; a line each."""
    file = _stopped_file(paths)
    return frozenset(file.read_text().split()) if file.exists() else frozenset()


def stop_customers(paths: Paths, customer_ids: list[str]) -> None:
    """Keep customers out of every request from now on, also of syncs that run."""
    file = _stopped_file(paths)
    file.parent.mkdir(parents=True, exist_ok=True)
    stopped = sorted(read_stopped(paths) | set(customer_ids))
    draft = file.with_name(f".{file.name}")
    draft.write_text("".join(f"{customer}\n" for customer in stopped))
    draft.replace(file)


def _stopped_file(paths: Paths) -> Path:
    return paths.exports / "stopped"
