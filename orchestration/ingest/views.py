"""The raw tables, as views over the loaded files."""

from collections.abc import Iterable, Mapping

import duckdb

from orchestration.contract import Entity
from orchestration.ingest.ledger import Load, fingerprint, read_ledger
from orchestration.ingest.sql import quote_files, quote_name
from orchestration.paths import Paths

METADATA = {
    "source_system": "varchar",
    "_extra": "varchar",
    "_file": "varchar",
    "_row": "bigint",
    "_delivered_on": "date",
    "_loaded_at": "timestamp",
    "_load_id": "bigint",
}
OF_A_TABLE = {"source_system": "'warehouse'", "_load_id": "0::bigint"}


class ContractError(Exception):
    """A table of the warehouse does not fit the contract."""


def create_raw_views(
    connection: duckdb.DuckDBPyConnection, paths: Paths, contract: Mapping[str, Entity]
) -> None:
    """Create the view raw.<entity> for every entity, over exactly the files in the ledger.

    A table raw_tables.<entity>, which a data engineer may keep in the warehouse, adds its rows;
    columns that are optional may be missing there. An entity without rows is an empty view with
    all columns, so that every source is optional.
    """
    loads = [load for load in read_ledger(paths) if load.raw_file]
    connection.execute("create schema if not exists raw")
    for entity in contract.values():
        _check_no_table(connection, entity)
        own = [load for load in loads if load.entity == entity.name]
        parts = [
            *_from_files(connection, paths, entity, own),
            *_from_table(connection, entity),
        ]
        connection.execute(
            f"create or replace view raw.{quote_name(entity.name)} as "
            + ("\nunion all\n".join(parts) or f"select {_columns(entity, {}, {})} where false")
        )


def own_tables_state(connection: duckdb.DuckDBPyConnection) -> str:
    """A fingerprint of what the schema raw_tables holds; empty when it holds nothing.

    Its rows carry no load, so this is how a build knows that they changed.
    """
    names = connection.execute(
        """
        select table_name
        from information_schema.tables
        where table_catalog = current_database() and table_schema = 'raw_tables'
        order by table_name
        """
    ).fetchall()
    parts = []
    for (name,) in names:
        [(rows, total)] = connection.execute(
            f"select count(*), sum(hash(own)::hugeint) from raw_tables.{quote_name(name)} as own"
        ).fetchall()
        parts.append(f"{name}:{rows}:{total}")
    return " ".join(parts)


def _from_files(
    connection: duckdb.DuckDBPyConnection, paths: Paths, entity: Entity, loads: Iterable[Load]
) -> list[str]:
    """A query for each version of the contract under which files were loaded."""
    versions: dict[str, list[str]] = {}
    for load in loads:
        versions.setdefault(load.contract, []).append(str(load.raw_file))
    queries = []
    for version, names in versions.items():
        files = [paths.raw / name for name in names]
        source = f"read_parquet({quote_files(files)}, hive_partitioning = false)"
        columns = _wanted(entity)
        if version != fingerprint(entity):
            newest = f"read_parquet({quote_files(files[-1:])}, hive_partitioning = false)"
            described = connection.execute(f"describe select * from {newest}").fetchall()
            columns = {name: data_type for name, data_type, *_ in described}
        queries.append(f"select {_columns(entity, columns, {})} from {source}")
    return queries


def _from_table(connection: duckdb.DuckDBPyConnection, entity: Entity) -> list[str]:
    """A query for the table raw_tables.<entity>, if there is one."""
    columns = dict(
        connection.execute(
            """
            select lower(column_name), data_type
            from duckdb_columns()
            where database_name = current_database()
                and schema_name = 'raw_tables'
                and table_name = ?
            """,
            [entity.name],
        ).fetchall()
    )
    if not columns:
        return []
    missing = [c.name for c in entity.columns if c.required and c.name not in columns]
    if missing:
        raise ContractError(
            f"the table raw_tables.{entity.name} lacks the required columns {', '.join(missing)}: "
            "add them, or rename the columns that hold them"
        )
    selected = _columns(entity, columns, OF_A_TABLE)
    return [f"select {selected} from raw_tables.{quote_name(entity.name)}"]


def _check_no_table(connection: duckdb.DuckDBPyConnection, entity: Entity) -> None:
    tables = connection.execute(
        """
        select 1
        from duckdb_tables()
        where database_name = current_database() and schema_name = 'raw' and table_name = ?
        """,
        [entity.name],
    ).fetchall()
    if tables:
        raise ContractError(
            f"raw.{entity.name} is a table, but the schema raw is for views over landed files: "
            f"move it to raw_tables.{entity.name}, which is read together with them"
        )


def _wanted(entity: Entity) -> dict[str, str]:
    return {column.name: column.data_type for column in entity.columns} | METADATA


def _columns(entity: Entity, found: Mapping[str, str], defaults: Mapping[str, str]) -> str:
    """Select list of all columns of a raw table, cast or NULL where those found differ."""
    selected = []
    for name, data_type in _wanted(entity).items():
        column = quote_name(name)
        if name not in found:
            selected.append(f"{defaults.get(name, f'null::{data_type}')} as {column}")
        elif found[name].upper() == data_type.upper():
            selected.append(column)
        else:
            selected.append(f"{column}::{data_type} as {column}")
    return ", ".join(selected)
