"""What the exports remember: who is where, what came of each row, and what failed.

One DuckDB file, data/exports/store.duckdb, because it outlives every build and a sync must not
wait for one. The next build shows its tables to analysts, as `shown` writes them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

_TABLES = """
create schema if not exists exports;
-- Grain: one row per sync. The audience that it fills, by its id at the destination; that is null
-- in a store from before it was kept.
create table if not exists exports.audiences (
    sync_id varchar not null,
    audience_id varchar not null,
    opened_at timestamp not null,
    destination varchar
);
alter table exports.audiences add column if not exists destination varchar;
-- Grain: one row per sync and member who is, or may be, at the destination. status is held when
-- the destination said so; adding and removing when a request was begun and no answer is known.
-- identifiers are what the destination knows the member by.
create table if not exists exports.members (
    sync_id varchar not null,
    customer_id varchar not null,
    status varchar not null,
    identifiers varchar[] not null,
    content_hash varchar not null,
    consented_at timestamp,
    run_id varchar not null,
    place bigint not null,
    receipt varchar,
    receipt_place bigint,
    requested_at timestamp not null,
    acknowledged_at timestamp,
    expires_at timestamp
);
-- Grain: one row per run of a sync. finished_at is null while it runs.
create table if not exists exports.runs (
    run_id varchar not null,
    sync_id varchar not null,
    destination varchar not null,
    how varchar not null,
    status varchar not null,
    reason varchar,
    started_at timestamp not null,
    finished_at timestamp,
    segment_members bigint,
    desired_members bigint,
    refused map(varchar, bigint),
    planned_adds bigint,
    planned_removals bigint,
    held_back bigint,
    in_flight bigint,
    accepted bigint,
    rejected bigint,
    unknown bigint,
    unnamed bigint,
    requests bigint
);
-- Grain: one row per run and row of its plan that was tried, of the last 400 days. result is
-- accepted, rejected, pending (the destination works it off later) or unknown (no answer came; the
-- next run tries again).
create table if not exists exports.results (
    run_id varchar not null,
    place bigint not null,
    customer_id varchar not null,
    action varchar not null,
    cause varchar not null,
    request bigint not null,
    result varchar not null,
    reason varchar,
    told_at timestamp not null
);
-- Grain: one row per sync, customer and action that the destination rejected, until it takes it.
create table if not exists exports.dead_letters (
    sync_id varchar not null,
    customer_id varchar not null,
    action varchar not null,
    content_hash varchar not null,
    reason varchar not null,
    attempts bigint not null,
    first_failed_at timestamp not null,
    next_try_at timestamp not null
);
"""


def create_tables(store: duckdb.DuckDBPyConnection) -> None:
    """Make the tables that are missing."""
    store.execute(_TABLES)


@contextmanager
def open_store(file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the store, made when it is missing; one process at a time, the caller has the lock.

    Memory is bounded: what does not fit waits in a folder beside the file, which goes at the end.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(
        str(file),
        config={
            "memory_limit": "500MB",
            "threads": 2,
            "preserve_insertion_order": False,
            # Rows are written down every few seconds: rewriting the file as often would take longer
            # than all requests.
            "checkpoint_threshold": "1GB",
            "temp_directory": str(file.with_name(".spilled")),
        },
    ) as store:
        store.execute("set TimeZone = 'UTC'")
        create_tables(store)
        yield store
