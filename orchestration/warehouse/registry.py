"""What outlives every rebuild: the log of identities, the tombstones of erased customers, the arms
that customers were drawn for, and who was in which segment.

The schema `registry` of the warehouse holds them; a folder keeps the same as files, from which a
new warehouse takes them.
"""

import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from orchestration.ingest.sql import quote_text
from orchestration.paths import Paths
from orchestration.warehouse import dbt
from orchestration.warehouse.lock import build_lock

_TOMBSTONES = ("erased_records", "erased_customers")
_ASSIGNMENTS = "experiment_assignments"

# Who entered and left on a day; a day that was recorded anew has no trace of what it replaced.
_CHANGES_OF_DAY = """
select segment_id, customer_id, true as has_entered, entered_on as as_of
from registry.membership_spells
where entered_on = {day}
union all
select segment_id, customer_id, false as has_entered, left_on as as_of
from registry.membership_spells
where left_on = {day}
"""

_SPELLS = """
with changes as (
    select
        *,
        lead(as_of) over (partition by segment_id, customer_id order by as_of) as changed_on
    from read_parquet($files)
)
select segment_id, customer_id, as_of as entered_on, changed_on as left_on
from changes
where has_entered
"""


class ErasureError(Exception):
    """Nobody can be erased now; the message says what to do."""


def save_registry(warehouse: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Write what no file holds yet: a file of the log per build, of the segments per recorded day.

    The arms that customers were drawn for are one file, written anew when there are more or fewer;
    so are the tombstones of records. After an erasure the log is written anew, and the erased are
    taken out of the other files. The tombstones of customers are written last: as long as they are
    not there, all is done again.
    """
    folder.mkdir(exist_ok=True)
    for draft in folder.rglob(".*.parquet"):
        draft.unlink()
    erased = _count(warehouse, "erased_customers")
    is_new = erased > _rows(warehouse, folder / "erased_customers.parquet")
    if _count(warehouse, "erased_records") != _rows(warehouse, folder / "erased_records.parquet"):
        _write(warehouse, "registry.erased_records", folder / "erased_records.parquet")
    if is_new:
        for file in _log_files(folder):
            file.unlink()
        _forget_members(warehouse, folder)
    saved = _log_files(folder)
    since = int(saved[-1].stem) if saved else 0
    [(last,)] = warehouse.execute("select max(build_number) from registry.identity_log").fetchall()
    if last is not None and last > since:
        _write(
            warehouse,
            f"(from registry.identity_log where build_number > {since})",
            folder / f"{last:08d}.parquet",
        )
    drawn = _count(warehouse, _ASSIGNMENTS)
    if is_new or drawn != _rows(warehouse, folder / f"{_ASSIGNMENTS}.parquet"):
        _write(warehouse, f"registry.{_ASSIGNMENTS}", folder / f"{_ASSIGNMENTS}.parquet")
    _save_memberships(warehouse, folder)
    if is_new:
        _write(warehouse, "registry.erased_customers", folder / "erased_customers.parquet")


def restore_registry(warehouse: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Give a new warehouse what the files hold, and one from before an erasure its tombstones.

    The log of such a backup still has the hashes of the erased: that of the files takes its place.
    So does what they know of the segments, also when they have recorded a later day.
    """
    warehouse.execute("create schema if not exists registry")
    lacks_tombstones = _lacks_tombstones(warehouse, folder)
    days = _saved_days(folder)
    if days and (lacks_tombstones or days[-1] > _last_recorded_day(warehouse)):
        _restore_memberships(warehouse, folder, days)
    if _has_table(warehouse, "identity_log") and not lacks_tombstones:
        return
    whole = {table: [folder / f"{table}.parquet"] for table in (*_TOMBSTONES, _ASSIGNMENTS)}
    for table, files in {"identity_log": _log_files(folder), **whole}.items():
        names = [str(file) for file in files if file.exists()]
        if names:
            warehouse.execute(
                f"create or replace table registry.{table} as from read_parquet($files)",
                {"files": names},
            )


def _save_memberships(warehouse: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Write the days since the last saved one, and that one too: it may have been recorded anew."""
    saved = _saved_days(folder)
    days = warehouse.execute(
        "select distinct as_of::varchar as day from registry.segment_sizes "
        "where day >= $since order by day",
        {"since": saved[-1] if saved else ""},
    ).fetchall()
    for (day,) in days:
        changes = f"({_CHANGES_OF_DAY.format(day=f'date {quote_text(day)}')})"
        sizes = f"(from registry.segment_sizes where as_of = date {quote_text(day)})"
        # The sizes say that the day is saved, so they come last.
        _write(warehouse, changes, folder / "memberships" / f"{day}.parquet")
        _write(warehouse, sizes, folder / "segment_sizes" / f"{day}.parquet")


def _restore_memberships(
    warehouse: duckdb.DuckDBPyConnection, folder: Path, days: Sequence[str]
) -> None:
    for table, part, query in (
        ("membership_spells", "memberships", _SPELLS),
        ("segment_sizes", "segment_sizes", "from read_parquet($files)"),
    ):
        files = [str(folder / part / f"{day}.parquet") for day in days]
        warehouse.execute(f"create or replace table registry.{table} as {query}", {"files": files})


def _forget_members(warehouse: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Write the files anew that name customers who were erased."""
    files = [str(file) for file in folder.glob("memberships/*.parquet")]
    if not files:
        return
    named = warehouse.execute(
        "select distinct filename from read_parquet($files, filename = true) "
        "semi join registry.erased_customers using (customer_id)",
        {"files": files},
    ).fetchall()
    for (file,) in named:
        others = (
            f"(from read_parquet({quote_text(file)}) "
            "anti join registry.erased_customers using (customer_id))"
        )
        _write(warehouse, others, Path(file))


def _saved_days(folder: Path) -> list[str]:
    return sorted(file.stem for file in folder.glob("segment_sizes/[0-9]*.parquet"))


def _last_recorded_day(warehouse: duckdb.DuckDBPyConnection) -> str:
    """The last day of which the warehouse knows who was in which segment; "" when there is none."""
    if not _has_table(warehouse, "segment_sizes"):
        return ""
    [(day,)] = warehouse.execute(
        "select max(as_of)::varchar from registry.segment_sizes"
    ).fetchall()
    return day or ""


def _lacks_tombstones(warehouse: duckdb.DuckDBPyConnection, folder: Path) -> bool:
    for table, key in (("erased_customers", "customer_id"), ("erased_records", "record_hash")):
        file = folder / f"{table}.parquet"
        if not file.exists():
            continue
        if not _has_table(warehouse, table):
            return True
        missing = warehouse.execute(
            f"select 1 from read_parquet($file) as saved anti join registry.{table} "
            f"using ({key}) limit 1",
            {"file": str(file)},
        ).fetchall()
        if missing:
            return True
    return False


def copy_registry(catalog: str, replay: duckdb.DuckDBPyConnection) -> None:
    """Give the warehouse of a replay what another one, attached to it, knows better: who was erased
    and who was drawn for which arm. The log of a replay is its own.
    """
    replay.execute("create schema if not exists registry")
    for table in (*_TOMBSTONES, _ASSIGNMENTS):
        if _has_table(replay, table, catalog):
            replay.execute(
                f"create or replace table registry.{table} as from {catalog}.registry.{table}"
            )


def last_erasure(warehouse: duckdb.DuckDBPyConnection) -> datetime | None:
    """When somebody was erased last, in UTC; None when nobody ever was."""
    moments = []
    for table in _TOMBSTONES:
        if _has_column(warehouse, table, "erased_at"):
            moments += warehouse.execute(f"select max(erased_at) from registry.{table}").fetchall()
    return max((moment for (moment,) in moments if moment is not None), default=None)


def erase_customers(
    paths: Paths,
    customer_ids: Sequence[str],
    progress: Callable[[str], None],
    wait_seconds: float = 600,
) -> None:
    """Erase customers from the graph and the registry, named by any ids that they ever had.

    The next build makes everything anew without their records; replays, which hold them too, are
    removed. Raw tables, landing files and what is published are not touched here. Nobody is erased
    when it raises: DbtError when an id is unknown or erased already, ErasureError when the last
    build did not pass, since readers and the graph then differ in who is who, LockHeld when a
    build runs on.
    """
    manifest = dbt.parse(paths)
    with build_lock(paths.lock, "erasing customers", wait_seconds, progress):
        require_finished_build(paths.warehouse)
        erased_at = datetime.now(UTC).replace(tzinfo=None).isoformat(sep=" ")
        arguments = {"customer_ids": list(customer_ids), "erased_at": erased_at}
        dbt.run_operation(manifest, paths, "erase_customers", arguments)
        with duckdb.connect(str(paths.warehouse)) as warehouse:
            save_registry(warehouse, paths.registry)
        shutil.rmtree(paths.replays, ignore_errors=True)
    progress(f"erased from the graph: {len(customer_ids):,}; the next build makes everything anew")


def require_finished_build(file: Path) -> None:
    """Raise ErasureError unless the last build of a warehouse passed."""
    with duckdb.connect(str(file), read_only=True) as warehouse:
        last = warehouse.execute(
            "select finished_at from meta.builds order by started_at desc limit 1"
        ).fetchall()
    if not last or last[0][0] is None:
        raise ErasureError("nobody is erased: the last build did not pass; make build first")


def _has_table(
    warehouse: duckdb.DuckDBPyConnection, table: str, catalog: str | None = None
) -> bool:
    """Whether the registry of the warehouse, or of another one attached to it, has a table."""
    known = warehouse.execute(
        "select 1 from duckdb_tables() where schema_name = 'registry' and table_name = $table "
        "and database_name = coalesce($catalog, current_database())",
        {"table": table, "catalog": catalog},
    ).fetchall()
    return bool(known)


def _has_column(warehouse: duckdb.DuckDBPyConnection, table: str, column: str) -> bool:
    known = warehouse.execute(
        "select 1 from duckdb_columns() where database_name = current_database() "
        "and schema_name = 'registry' and table_name = $table and column_name = $column",
        {"table": table, "column": column},
    ).fetchall()
    return bool(known)


def _log_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("[0-9]*.parquet"))


def _count(warehouse: duckdb.DuckDBPyConnection, table: str) -> int:
    [(rows,)] = warehouse.execute(f"select count(*) from registry.{table}").fetchall()
    return int(rows)


def _rows(warehouse: duckdb.DuckDBPyConnection, file: Path) -> int:
    if not file.exists():
        return 0
    [(rows,)] = warehouse.execute(
        "select count(*) from read_parquet($file)", {"file": str(file)}
    ).fetchall()
    return int(rows)


def _write(warehouse: duckdb.DuckDBPyConnection, relation: str, file: Path) -> None:
    """Whole or not at all, should the process end."""
    file.parent.mkdir(exist_ok=True)
    draft = file.with_name(f".{file.name}")
    warehouse.execute(
        f"copy (from {relation}) to {quote_text(str(draft))} (format parquet, compression zstd)"
    )
    draft.replace(file)
