"""What outlives every rebuild: the log of identities and the tombstones of erased customers.

The schema `registry` of the warehouse holds them; a folder keeps the same as files, from which a
new warehouse takes them.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from orchestration.ingest.sql import quote_text
from orchestration.paths import Paths
from orchestration.warehouse import dbt
from orchestration.warehouse.lock import build_lock

_TOMBSTONES = ("erased_records", "erased_customers")


def save_registry(warehouse: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Write the log entries that no file holds yet, a file per build; all anew after an erasure."""
    folder.mkdir(exist_ok=True)
    [(erased,)] = warehouse.execute("select count(*) from registry.erased_customers").fetchall()
    is_new = erased != _rows(warehouse, folder / "erased_customers.parquet")
    saved = [] if is_new else _log_files(folder)
    since = int(saved[-1].stem) if saved else 0
    [(last,)] = warehouse.execute("select max(build_number) from registry.identity_log").fetchall()
    if last is not None and last > since:
        _write(
            warehouse,
            f"(from registry.identity_log where build_number > {since})",
            folder / f"{last:08d}.parquet",
        )
    if is_new:
        for file in _log_files(folder)[:-1]:
            file.unlink()
        for table in _TOMBSTONES:
            _write(warehouse, f"registry.{table}", folder / f"{table}.parquet")


def restore_registry(warehouse: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Give a new warehouse what the files hold."""
    standing = warehouse.execute(
        "select 1 from duckdb_tables() where schema_name = 'registry'"
    ).fetchall()
    if standing or not folder.exists():
        return
    warehouse.execute("create schema if not exists registry")
    tables = {table: [folder / f"{table}.parquet"] for table in _TOMBSTONES}
    for table, files in {"identity_log": _log_files(folder), **tables}.items():
        names = [str(file) for file in files if file.exists()]
        if names:
            warehouse.execute(
                f"create table registry.{table} as from read_parquet($files)", {"files": names}
            )


def copy_tombstones(catalog: str, replay: duckdb.DuckDBPyConnection) -> None:
    """Give the warehouse of a replay the tombstones of another one that is attached to it."""
    replay.execute("create schema if not exists registry")
    for table in _TOMBSTONES:
        known = replay.execute(
            "select 1 from duckdb_tables() where database_name = ? and schema_name = 'registry' "
            "and table_name = ?",
            [catalog, table],
        ).fetchall()
        if known:
            replay.execute(
                f"create or replace table registry.{table} as from {catalog}.registry.{table}"
            )


def last_erasure(warehouse: duckdb.DuckDBPyConnection) -> datetime | None:
    """When customers were erased last, in UTC; None when nobody ever was."""
    known = warehouse.execute(
        "select 1 from duckdb_tables() "
        "where schema_name = 'registry' and table_name = 'erased_customers'"
    ).fetchall()
    if not known:
        return None
    [(erased_at,)] = warehouse.execute(
        "select max(erased_at) from registry.erased_customers"
    ).fetchall()
    return erased_at if isinstance(erased_at, datetime) else None


def erase_customers(
    paths: Paths,
    customer_ids: Sequence[str],
    progress: Callable[[str], None],
    wait_seconds: float = 600,
) -> None:
    """Erase customers from the graph and the registry, named by any ids that they ever had.

    The next build makes everything anew without their records. Raw tables, landing files and what
    is published are not touched here. Raises DbtError when an id is unknown, and nobody is erased
    then; LockHeld when a build runs on.
    """
    manifest = dbt.parse(paths)
    erased_at = datetime.now(UTC).replace(tzinfo=None).isoformat(sep=" ")
    arguments = {"customer_ids": list(customer_ids), "erased_at": erased_at}
    with build_lock(paths.lock, "erasing customers", wait_seconds, progress):
        dbt.run_operation(manifest, paths, "erase_customers", arguments)
        with duckdb.connect(str(paths.warehouse)) as warehouse:
            save_registry(warehouse, paths.registry)
    progress(f"{len(customer_ids):,} customers erased from the graph; the next build builds anew")


def _log_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("[0-9]*.parquet"))


def _rows(warehouse: duckdb.DuckDBPyConnection, file: Path) -> int:
    if not file.exists():
        return 0
    [(rows,)] = warehouse.execute(
        "select count(*) from read_parquet($file)", {"file": str(file)}
    ).fetchall()
    return int(rows)


def _write(warehouse: duckdb.DuckDBPyConnection, relation: str, file: Path) -> None:
    """Whole or not at all, should the process end."""
    draft = file.with_name(f".{file.name}")
    warehouse.execute(
        f"copy (from {relation}) to {quote_text(str(draft))} (format parquet, compression zstd)"
    )
    draft.replace(file)
