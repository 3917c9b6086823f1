"""What is counted about new files before rules judge it: SQL aggregates over raw Parquet."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import duckdb

from orchestration.contract import Entity
from orchestration.ingest.ledger import Load
from orchestration.ingest.sql import quote_files, quote_name, quote_text
from orchestration.paths import Paths
from orchestration.quality.rules import orphan_share, rules_for_rows

SAMPLE = 200_000  # rows of a system that are looked at, about
EARLIER = 30  # loads of a system that a new one is compared with
REPEATED = "duplicate key"  # the loader's reason for a row that is loaded already
FILLED = 0.5  # share of earlier rows that makes a column one that is filled
ENOUGH_ROWS = 100  # fewer can be without a value of such a column by chance

_LOADS = """struct(
    load_id bigint, system varchar, file varchar, is_new boolean, path varchar, every bigint,
    error varchar, rows_in bigint, rows_quarantined bigint, bad_rows bigint, reasons varchar,
    latest_event_at timestamp
)[]"""


def measure(
    connection: duckdb.DuckDBPyConnection,
    paths: Paths,
    entity: Entity,
    new: Sequence[Load],
    ledger: Sequence[Load],
) -> None:
    """Create `rows` and `files` about the new loads of one entity; the connection has neither.

    `rows`   system, file, and the columns that have rules or references, for about SAMPLE new
             rows of each system. A hash of load and row chooses them: the same ones each time.
    `files`  one row for each new load, with the columns that orchestration.quality.rules names.
    """
    _create_loads(connection, paths, new, _earlier(entity, new, ledger))
    _create_rows(connection, paths, entity, new)
    _create_chunks(connection, entity)
    _create_references(connection, paths, entity, new, ledger)
    _create_files(connection, entity)


def _earlier(entity: Entity, new: Sequence[Load], ledger: Sequence[Load]) -> list[Load]:
    """The last loads before the new ones, of the same entity and systems."""
    new_ids = {load.load_id for load in new}
    earlier: list[Load] = []
    for system in sorted({load.system for load in new}):
        of_system = [
            load
            for load in ledger
            if load.raw_file
            and (load.system, load.entity) == (system, entity.name)
            and load.load_id not in new_ids
        ]
        earlier += of_system[-EARLIER:]
    return earlier


def _create_loads(
    connection: duckdb.DuckDBPyConnection,
    paths: Paths,
    new: Sequence[Load],
    earlier: Sequence[Load],
) -> None:
    """Create `loads`, the new and the earlier ones; of `every` so many rows one is looked at."""
    rows_of = Counter[str]()
    for load in new:
        rows_of[load.system] += load.rows_loaded
    loads = []
    for load, is_new in [*((load, True) for load in new), *((load, False) for load in earlier)]:
        bad = {reason: n for reason, n in (load.reasons or {}).items() if reason != REPEATED}
        loads.append(
            {
                "load_id": load.load_id,
                "system": load.system,
                "file": f"landing/{load.file}",
                "is_new": is_new,
                "path": str(paths.raw / load.raw_file) if load.raw_file else None,
                "every": max(1, math.ceil(rows_of[load.system] / SAMPLE)),
                "error": load.error,
                "rows_in": load.rows_in,
                "rows_quarantined": load.rows_quarantined,
                "bad_rows": sum(bad.values()),
                "reasons": ", ".join(f"{reason}: {n:,}" for reason, n in bad.items()),
                "latest_event_at": load.latest_event_at,
            }
        )
    connection.execute(
        f"create temp table loads as select unnest(?::{_LOADS}, recursive := true)", [loads]
    )


def _create_rows(
    connection: duckdb.DuckDBPyConnection, paths: Paths, entity: Entity, new: Sequence[Load]
) -> None:
    wanted = {rule.column for rule in rules_for_rows(entity)} | set(entity.references)
    columns = [column for column in entity.columns if column.name in wanted]
    names = "".join(f", {quote_name(column.name)}" for column in columns)
    files = [paths.raw / load.raw_file for load in new if load.raw_file]
    typed = "".join(
        f", null::{column.data_type} as {quote_name(column.name)}" for column in columns
    )
    source = (
        f"select _load_id, _row{names} from {_parquet(files)}"
        if files
        else f"select null::bigint as _load_id, null::bigint as _row{typed} where false"
    )
    connection.execute(f"""
        create temp table rows as
        with delivered as ({source})
        select loads.load_id, loads.system, loads.file{names}
        from delivered
        join loads on delivered._load_id = loads.load_id
        where hash(delivered._load_id, delivered._row) % loads.every = 0
    """)


def _create_chunks(connection: duckdb.DuckDBPyConnection, entity: Entity) -> None:
    """Create `chunks`: rows and filled values of each column, told by the ends of the files."""
    connection.execute("""
        create temp table chunks (path varchar, column_name varchar, rows bigint, filled bigint)
    """)
    paths = [
        Path(path)
        for (path,) in connection.execute(
            "select path from loads where path is not null order by load_id"
        ).fetchall()
    ]
    if not paths:
        return
    optional = [column.name for column in entity.columns if not column.required]
    connection.execute(
        f"""
        insert into chunks
        select
            file_name,
            path_in_schema,
            sum(num_values),
            sum(num_values - stats_null_count)
        from parquet_metadata({quote_files(paths)})
        where path_in_schema = '_load_id' or list_contains(?, path_in_schema)
        group by file_name, path_in_schema
        """,
        [optional],
    )


def _create_references(
    connection: duckdb.DuckDBPyConnection,
    paths: Paths,
    entity: Entity,
    new: Sequence[Load],
    ledger: Sequence[Load],
) -> None:
    """Create `child_rows`: rows with a reference, and those whose parent is in no load.

    A system need not deliver the parents at all, unless the rows have no time of their own.
    """
    connection.execute("""
        create temp table child_rows (
            load_id bigint, column_name varchar, children bigint, orphans bigint
        )
    """)
    new_systems = {load.system for load in new}
    for column, parent in entity.references.items():
        table, key = parent.split(".")
        parents = [
            load
            for load in ledger
            if load.raw_file and load.entity == table and load.system in new_systems
        ]
        systems = sorted({load.system for load in parents})
        files = [paths.raw / load.raw_file for load in parents if load.raw_file]
        known = (
            f"select source_system as system, {quote_name(key)} as parent from {_parquet(files)}"
            if files
            else "select null::varchar as system, null::varchar as parent where false"
        )
        connection.execute(
            f"""
            insert into child_rows
            with parents as ({known}),
            children as (
                select load_id, system, {quote_name(column)} as parent
                from rows
                where {quote_name(column)} is not null
                    and (list_contains(?, system) or {entity.event_at is None})
            ),
            orphans as (
                select load_id, count(*) as orphans
                from children
                anti join parents using (system, parent)
                group by load_id
            )
            select load_id, {quote_text(column)}, count(*), coalesce(any_value(orphans), 0)
            from children
            left join orphans using (load_id)
            group by load_id
            """,
            [systems],
        )


def _create_files(connection: duckdb.DuckDBPyConnection, entity: Entity) -> None:
    references = "".join(
        f"""
            any_value(children) filter (where column_name = {quote_text(column)})
                as {quote_name(f"children_{column}")},
            any_value(orphans) filter (where column_name = {quote_text(column)})
                as {quote_name(f"orphans_{column}")},
            any_value(case when orphans <= 1 then 0 else orphans / children end)
                filter (where column_name = {quote_text(column)})
                as {quote_name(orphan_share(column))},"""
        for column in entity.references
    )
    connection.execute(f"""
        create temp table files as
        with raw_rows as (
            select path, rows as rows_raw from chunks where column_name = '_load_id'
        ),
        filled_before as (
            select loads.system, chunks.column_name
            from chunks
            join loads using (path)
            where not loads.is_new
            group by loads.system, chunks.column_name
            having sum(chunks.filled) >= {FILLED} * sum(chunks.rows)
        ),
        silent as (
            select
                loads.load_id,
                count(*) as columns_fallen_silent,
                string_agg(chunks.column_name, ', ' order by chunks.column_name)
                    as silent_columns
            from chunks
            join loads using (path)
            semi join filled_before using (system, column_name)
            where loads.is_new and chunks.rows >= {ENOUGH_ROWS} and chunks.filled = 0
            group by loads.load_id
        ),
        newest_before as (
            select system, max(latest_event_at) as newest_at
            from loads
            where not is_new
            group by system
        ),
        reference_counts as (
            select
                {references}
                load_id
            from child_rows
            group by load_id
        )
        select
            loads.load_id,
            loads.file,
            loads.error,
            loads.rows_in,
            loads.rows_quarantined,
            loads.bad_rows,
            loads.reasons,
            coalesce(raw_rows.rows_raw, 0) as rows_raw,
            silent.silent_columns,
            reference_counts.* exclude (load_id),
            case when loads.error is null then 0 else 1 end as refused,
            abs(loads.rows_in - loads.rows_quarantined - coalesce(raw_rows.rows_raw, 0))
                as rows_lost,
            -- A single bad row is let in, unless it is all that the file has.
            case
                when loads.bad_rows = loads.rows_in then sign(loads.rows_in)
                when loads.bad_rows = 1 then 0
                else loads.bad_rows / loads.rows_in
            end as bad_share,
            coalesce(silent.columns_fallen_silent, 0) as columns_fallen_silent,
            date_diff('day', loads.latest_event_at, newest_before.newest_at) as days_behind
        from loads
        left join raw_rows using (path)
        left join silent using (load_id)
        left join newest_before using (system)
        left join reference_counts using (load_id)
        where loads.is_new
    """)


def _parquet(files: Iterable[Path]) -> str:
    return f"read_parquet({quote_files(files)}, hive_partitioning = false)"
