"""What is counted about new files before rules judge it: SQL aggregates over raw Parquet."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import duckdb

from orchestration.contract import Entity
from orchestration.erasure.tombstones import ERASED
from orchestration.ingest.ledger import Load
from orchestration.ingest.sql import quote_files, quote_name, quote_text
from orchestration.paths import Paths
from orchestration.quality.rules import LEAST_QUARANTINED, orphan_share, rules_for_rows

SAMPLE = 200_000  # rows of a system that are looked at, about
EARLIER = 30  # loads of a system that a new one is compared with
# The loader's reasons for rows that are no fault of the file: loaded already, or of the erased.
HARMLESS = ("duplicate key", ERASED)
FILLED = 0.5  # share of earlier rows that makes a column one that is filled
ENOUGH_ROWS = 100  # fewer can be without a value of such a column by chance

_LOADS = """struct(
    load_id bigint, system varchar, file varchar, is_new boolean, path varchar,
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
    before = _by_system(
        load
        for load in ledger
        if load.raw_file and load.entity == entity.name and load.load_id not in new_ids
    )
    systems = sorted({load.system for load in new})
    return [load for system in systems for load in before.get(system, [])[-EARLIER:]]


def _create_loads(
    connection: duckdb.DuckDBPyConnection,
    paths: Paths,
    new: Sequence[Load],
    earlier: Sequence[Load],
) -> None:
    """Create `loads`, the new and the earlier ones as the ledger has them."""
    known = [
        {
            "load_id": load.load_id,
            "system": load.system,
            "file": f"landing/{load.file}",
            "is_new": is_new,
            "path": str(paths.raw / load.raw_file) if load.raw_file else None,
            "error": load.error,
            "rows_in": load.rows_in,
            "rows_quarantined": load.rows_quarantined,
            "bad_rows": sum(_bad(load).values()),
            "reasons": ", ".join(f"{reason}: {rows:,}" for reason, rows in _bad(load).items()),
            "latest_event_at": load.latest_event_at,
        }
        for loads, is_new in ((new, True), (earlier, False))
        for load in loads
    ]
    connection.execute(
        f"create temp table loads as select unnest(?::{_LOADS}, recursive := true)", [known]
    )


def _bad(load: Load) -> dict[str, int]:
    """Quarantined rows by reason, without those that are no fault of the file."""
    return {reason: n for reason, n in (load.reasons or {}).items() if reason not in HARMLESS}


def _create_rows(
    connection: duckdb.DuckDBPyConnection, paths: Paths, entity: Entity, new: Sequence[Load]
) -> None:
    wanted = {rule.column for rule in rules_for_rows(entity)} | set(entity.references)
    columns = [column for column in entity.columns if column.name in wanted]
    names = "".join(f", {quote_name(column.name)}" for column in columns)
    typed = "".join(f", {quote_name(column.name)} {column.data_type}" for column in columns)
    connection.execute(
        f"create temp table rows (load_id bigint, system varchar, file varchar{typed})"
    )
    for system, loads in _by_system(load for load in new if load.raw_file).items():
        every = math.ceil(sum(load.rows_loaded for load in loads) / SAMPLE) or 1
        connection.execute(
            f"""
            insert into rows
            select _load_id, ?, 'landing/' || _file{names}
            from {_parquet(_raw_files(paths, loads))}
            where hash(_load_id, _row) % {every} = 0
            """,
            [system],
        )


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
    # _load_id is filled in every row and so tells how many there are.
    wanted = ["_load_id", *(column.name for column in entity.columns if not column.required)]
    connection.execute(
        f"""
        insert into chunks
        select
            file_name,
            path_in_schema,
            sum(num_values),
            sum(num_values - stats_null_count)
        from parquet_metadata({quote_files(paths)})
        where list_contains(?, path_in_schema)
        group by file_name, path_in_schema
        """,
        [wanted],
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
    for column, reference in entity.references.items():
        table, key = reference.split(".")
        parents = [
            load
            for load in ledger
            if load.raw_file and load.entity == table and load.system in new_systems
        ]
        connection.execute(
            f"""
            insert into child_rows
            with parents as ({_keys(paths, parents, key)}),
            children as (
                select load_id, system, {quote_name(column)} as key
                from rows
                where {quote_name(column)} is not null
                    and (list_contains(?, system) or {entity.event_at is None})
            ),
            orphans as (
                select load_id, count(*) as orphans
                from children
                anti join parents using (system, key)
                group by load_id
            )
            select load_id, {quote_text(column)}, count(*), coalesce(any_value(orphans), 0)
            from children
            left join orphans using (load_id)
            group by load_id
            """,
            [sorted(_by_system(parents))],
        )


def _keys(paths: Paths, loads: Sequence[Load], key: str) -> str:
    """Query of the keys in some loads."""
    if not loads:
        return "select null::varchar as system, null::varchar as key where false"
    files = _parquet(_raw_files(paths, loads))
    return f"select source_system as system, {quote_name(key)} as key from {files}"


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
            case
                when loads.bad_rows >= {LEAST_QUARANTINED} then loads.bad_rows / loads.rows_in
                else 0
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


def _by_system(loads: Iterable[Load]) -> dict[str, list[Load]]:
    systems: dict[str, list[Load]] = {}
    for load in loads:
        systems.setdefault(load.system, []).append(load)
    return systems


def _raw_files(paths: Paths, loads: Iterable[Load]) -> list[Path]:
    return [paths.raw / load.raw_file for load in loads if load.raw_file]


def _parquet(files: Iterable[Path]) -> str:
    return f"read_parquet({quote_files(files)}, hive_partitioning = false)"
