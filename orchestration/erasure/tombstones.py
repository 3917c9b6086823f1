"""What keeps erased people out: keyed hashes of the names of their rows and of their identifiers.

A name is erased for ever: an account or an order that was erased does not come back with an old
file, a backup, or a later version of it. An identifier stops what happened before the erasure,
under whatever name it is delivered; what happens later is somebody new.
"""

from collections.abc import Collection
from pathlib import Path

import duckdb

from orchestration.contract import Entity
from orchestration.erasure.marks import IDENTIFIER, hash_sql, marks_query, prepare
from orchestration.ingest.sql import quote_files, quote_text
from orchestration.paths import Paths

ERASED = "erased"  # Why a row is not loaded that an erased person comes back with.


class PepperError(Exception):
    """The tombstones were made under another pepper: nobody could be known again."""


def tombstones_file(paths: Paths) -> Path | None:
    """The file of the registry that holds the hashes; None when nobody was ever erased."""
    file = paths.registry / "erased_records.parquet"
    return file if file.exists() else None


def read_tombstones(connection: duckdb.DuckDBPyConnection, file: Path) -> None:
    """Make the table `erasing.tombstones`: record_hash, erased_at; once for all cursors.

    Raises PepperError when SEGMENT_OF_ONE_PEPPER is not the one that the hashes were made with.
    """
    if not prepare(connection):
        return
    connection.execute(
        f"create table erasing.tombstones as select * from read_parquet({quote_files([file])})"
    )
    # A file from before erasures were dated.
    connection.execute(
        "alter table erasing.tombstones add column if not exists erased_at timestamp"
    )
    require_same_pepper(connection, "erasing.tombstones")


def require_same_pepper(connection: duckdb.DuckDBPyConnection, tombstones: str) -> None:
    """Raise PepperError when the tombstones of a table were made under another pepper."""
    others = connection.execute(
        f"select 1 from {tombstones} where key_check <> {hash_sql(quote_text(''))} limit 1"
    ).fetchall()
    if others:
        raise PepperError(
            "SEGMENT_OF_ONE_PEPPER is not the one under which customers were erased: with this one "
            "they would come back. Set the one from before."
        )


def erased_query(entity: Entity, relation: str, columns: Collection[str], keys: str) -> str:
    """SQL of the rows of `relation` that are an erased person's: their `keys`, and each of the
    hashes that say so. `erasing.tombstones` is there.
    """
    return f"""
        with marked as ({marks_query(entity, relation, columns, keys)}),
        borne as (
            select * exclude (own_name, marks, written), unnest(marks) as mark from marked
        )
        select borne.* exclude (mark, happened_at), tombstones.record_hash
        from borne
        inner join erasing.tombstones as tombstones
            on {hash_sql("borne.mark")} = tombstones.record_hash
        where
            not starts_with(borne.mark, '{IDENTIFIER}')
            or coalesce(borne.happened_at <= tombstones.erased_at, true)
    """


def reject_erased(
    connection: duckdb.DuckDBPyConnection, entity: Entity, system: str, file: Path
) -> None:
    """Note in `rejected` which rows of `checked` are an erased person's; no other reason counts."""
    read_tombstones(connection, file)
    relation = f"(select *, {quote_text(system)} as source_system from checked)"
    query = erased_query(entity, relation, entity.column_names, "_row")
    connection.execute(f"create temp table erased as select distinct _row from ({query})")
    connection.execute("delete from rejected where _row in (from erased)")
    connection.execute(f"insert into rejected select _row, '{ERASED}' from erased")
