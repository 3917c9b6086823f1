"""What analysts see of the store: its tables without identifiers, as files that builds read."""

from pathlib import Path

import duckdb

from orchestration.activation.store import create_tables
from orchestration.ingest.sql import quote_name, quote_text

# No identifiers, and no hashes of what is sent. Long tables are written as they lie: sorting a
# million rows would take as long as all else of a run that changes little.
_SHOWN = {
    "runs": "select * exclude (refused), cast(to_json(refused) as varchar) as kept_back_by "
    "from exports.runs order by sync_id, started_at, run_id",
    "members": "select sync_id, customer_id, status, consented_at, requested_at, acknowledged_at, "
    "expires_at from exports.members",
    "results": "select runs.sync_id, results.* from exports.results as results "
    "inner join exports.runs as runs using (run_id)",
    "dead_letters": "select sync_id, customer_id, action, reason, attempts, first_failed_at, "
    "next_try_at from exports.dead_letters order by sync_id, customer_id, action",
}


def write_shown(store: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Write each table to a file of its own; readers find the file before or the new one."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, sql in _SHOWN.items():
        draft = folder / f".{name}.parquet"
        store.execute(f"copy ({sql}) to {quote_text(str(draft))} (format parquet)")
        draft.replace(folder / f"{name}.parquet")


def create_shown_views(warehouse: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Make the views exports.<name> over the files; empty before the first sync.

    A column that a file of an earlier version does not have is NULL.
    """
    warehouse.execute("create schema if not exists exports")
    with duckdb.connect() as empty:
        create_tables(empty)
        shapes = {name: _columns(empty, sql) for name, sql in _SHOWN.items()}
    for name, columns in shapes.items():
        file = folder / f"{name}.parquet"
        source, found = "(select 1) where false", {}
        if file.exists():
            source = f"read_parquet({quote_text(str(file))}, hive_partitioning = false)"
            found = _columns(warehouse, f"from {source}")
        selected = ", ".join(
            quote_name(column) if column in found else f"null::{kind} as {quote_name(column)}"
            for column, kind in columns.items()
        )
        warehouse.execute(
            f"create or replace view exports.{quote_name(name)} as select {selected} from {source}"
        )


def _columns(connection: duckdb.DuckDBPyConnection, sql: str) -> dict[str, str]:
    described = connection.execute(f"describe {sql}").fetchall()
    return {name: data_type for name, data_type, *_ in described}
