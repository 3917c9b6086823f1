"""Publish a finished warehouse: readers see the version before or the new one, never a mixture.

Each version is a DuckDB file of its own in the folder `versions`, and a link names the one to
read. A rename over one name would not do: a process that still has the old file open gets the
old data again when it connects by that name, and a stale .wal could be taken for the new file's.

A version starts as a copy of the one before, where the warehouse has not been built anew since:
of large relations only the rows of later loads are written again, all others are made anew.
"""

import os
import secrets
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from orchestration.warehouse.lock import explain_open_error, is_disk_full
from orchestration.warehouse.relations import Relation, View, portable_views, read_relations

# The steps of a publication in their order, as `after_step` is told them.
STEPS = (
    "remove leftovers",
    "create file",
    "copy tables",
    "create views",
    "describe",
    "close file",
    "sync file",
    "name file",
    "switch link",
    "remove old versions",
)

# Readers with DuckDB 1.2 or later can open the published files.
STORAGE_VERSION = "v1.2.0"

_DRAFT = "serving_draft"
_STAMP = "%Y%m%dT%H%M%S%fZ"
_VERSIONS = "serving-[0-9]*T[0-9]*Z-*.duckdb"


class PublishError(Exception):
    """Readers keep what they had; the message says why and what to do."""


@dataclass(frozen=True)
class Origin:
    """What a version is published from.

    `about` is kept in meta.published. `full_build` names the last build that made everything
    anew and `last_load_id` the last load that the warehouse knows. `keys` are the columns that
    name a row, by `schema.relation`, of the relations with a column load_id whose changes can be
    told by it. `uncounted` are views with more rows than are worth counting.
    """

    about: Mapping[str, str]
    full_build: str
    last_load_id: int
    keys: Mapping[str, Sequence[str]]
    uncounted: Collection[str] = ()


@dataclass(frozen=True)
class _Base:
    """The version that a draft is a copy of, and the last load that it knew."""

    file: Path
    last_load_id: int


@dataclass(frozen=True)
class Published:
    """One published version: its file, and the rows of each `schema.relation` in it."""

    file: Path
    rows: dict[str, int]


def _go_on(_step: str) -> None:
    """Do nothing after a step."""


def publish(
    warehouse: Path,
    link: Path,
    versions: Path,
    schemas: Sequence[str],
    origin: Origin,
    keep: int,
    progress: Callable[[str], None],
    after_step: Callable[[str], None] = _go_on,
) -> Published:
    """Copy `schemas` of `warehouse` to a new file in `versions` and point `link` to it.

    Views stay views if all that they read is published; every other relation becomes a table.
    The last `keep` versions stay; with one, a reader that is just opening the version before may
    find it gone and try again. The caller holds the build lock. Raises PublishError, and then
    `link` is as it was.
    """
    if keep < 1:
        raise ValueError(f"keep is {keep}: at least the version that is published must stay")
    if link.exists() and not link.is_symlink():
        raise PublishError(f"{link} is not a link: move it away, then publish again")
    try:
        with ExitStack() as cleanup:
            cleanup.callback(_remove_drafts, link, versions)
            published = _publish(warehouse, link, versions, schemas, origin, progress, after_step)
    except (duckdb.Error, OSError) as error:
        raise PublishError(_explain(error, warehouse, versions)) from error
    _remove_old(link, versions, keep)
    after_step("remove old versions")
    progress(f"published {published.file.name}, {published.file.stat().st_size / 1e6:,.0f} MB")
    return published


def rollback(link: Path, versions: Path) -> Path:
    """Point `link` to the version before the present one, and return that file.

    The next publication removes the version that was rolled back from.
    """
    if not link.is_symlink():
        raise PublishError(f"{link} is not a link to a published version: publish first")
    present = link.readlink().name
    earlier = [file for file in _published(versions) if file.name < present]
    if not earlier:
        raise PublishError(f"{versions} has no version before {present} to roll back to")
    _switch(link, earlier[-1])
    return earlier[-1]


def remove_earlier(link: Path, versions: Path) -> None:
    """Remove all versions but the one that `link` points to, after an erasure."""
    _remove_old(link, versions, 1)


def read_meta(link: Path) -> dict[str, str]:
    """What meta.published says of the version that `link` points to."""
    if not link.exists():
        raise PublishError(f"{link} leads to no file: publish first")
    with duckdb.connect(str(link), read_only=True) as connection:
        return dict(connection.execute("select key, value from meta.published").fetchall())


# --- Writing the file -------------------------------------------------------------------------


def _publish(
    warehouse: Path,
    link: Path,
    versions: Path,
    schemas: Sequence[str],
    origin: Origin,
    progress: Callable[[str], None],
    after_step: Callable[[str], None],
) -> Published:
    """All steps but the removal of old versions; a failure may leave a draft."""
    versions.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(link, versions)
    after_step("remove leftovers")
    version = _next_version(versions)
    draft = versions / f".tmp-{version}.duckdb"
    file = versions / f"serving-{version}.duckdb"
    base = _base(link, origin)
    if base:
        shutil.copyfile(base.file, draft)
    rows = _write(warehouse, draft, base, schemas, origin, version, progress, after_step)
    _sync_file(draft)
    after_step("sync file")
    _name_file(draft, file)
    after_step("name file")
    _switch(link, file)
    after_step("switch link")
    return Published(file, rows)


def _base(link: Path, origin: Origin) -> _Base | None:
    """The version that readers have, if the warehouse only went on from it."""
    if not link.exists():
        return None
    try:
        about = read_meta(link)
    except duckdb.Error:
        # Damaged, or not one of ours: readers need a new one all the more.
        return None
    if about.get("full_build") != origin.full_build:
        return None
    return _Base(link.resolve(), int(about["last_load_id"]))


def _write(
    warehouse: Path,
    draft: Path,
    base: _Base | None,
    schemas: Sequence[str],
    origin: Origin,
    version: str,
    progress: Callable[[str], None],
    after_step: Callable[[str], None],
) -> dict[str, int]:
    """Write the whole new version to `draft`; rows of each relation."""
    # A view names the catalogue that it was made in, and DuckDB calls that as the file.
    catalogue = warehouse.stem
    with _connect(warehouse, catalogue, draft) as connection:
        _create_schemas(connection, schemas)
        after_step("create file")
        relations = read_relations(connection, catalogue, schemas)
        views = portable_views(connection, catalogue, relations)
        kept = {view.relation for view in views}
        tables = [relation for relation in relations if relation not in kept]
        progress(f"publishing {len(tables):,} tables and {len(views):,} views")
        # A view that names a relation without its schema finds it as it did in the warehouse.
        connection.execute(f"use {_quoted(catalogue)}")
        carried = _carried_over(connection, tables, origin) if base else set()
        _drop_all_but(connection, carried)
        rows = {}
        for relation in tables:
            with _naming(relation):
                if base and relation in carried:
                    _carry_over(connection, catalogue, relation, origin, base.last_load_id)
                else:
                    _copy_table(connection, catalogue, relation)
            rows[relation] = _count(connection, relation)
        after_step("copy tables")
        _create_views(connection, views)
        _copy_column_comments(connection, catalogue, relations)
        after_step("create views")
        connection.execute(f"detach {_quoted(catalogue)}")
        # Read without the warehouse: a view that still needs it fails here, not at a reader.
        for view in views:
            if f"{view.relation.schema}.{view.relation.name}" in origin.uncounted:
                _read_nothing(connection, view.relation)
            else:
                rows[view.relation] = _count(connection, view.relation)
        _describe(connection, origin, version, rows)
        after_step("describe")
        connection.execute(f"checkpoint {_DRAFT}")
        connection.execute(f"detach {_DRAFT}")
    if _wal(draft).exists():
        raise PublishError(f"{_wal(draft)} was left: the new version is not complete")
    after_step("close file")
    _report(rows, progress)
    return {f"{relation.schema}.{relation.name}": count for relation, count in rows.items()}


@contextmanager
def _connect(warehouse: Path, catalogue: str, draft: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    settings: dict[str, Any] = {
        "threads": 2,
        "preserve_insertion_order": False,
        "temp_directory": str(draft.with_suffix(".spill")),
    }
    with duckdb.connect(config=settings) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"attach {_literal(str(warehouse))} as {_quoted(catalogue)} (read_only)")
        connection.execute(
            f"attach {_literal(str(draft))} as {_DRAFT} (storage_version '{STORAGE_VERSION}')"
        )
        yield connection


def _create_schemas(connection: duckdb.DuckDBPyConnection, schemas: Sequence[str]) -> None:
    for schema in [*schemas, "meta"]:
        connection.execute(f"create schema if not exists {_DRAFT}.{_quoted(schema)}")


def _carried_over(
    connection: duckdb.DuckDBPyConnection, tables: Iterable[Relation], origin: Origin
) -> set[Relation]:
    """The tables of the draft that only need the rows of later loads."""
    standing = {(row[0].lower(), row[1].lower()) for row in _draft_relations(connection)}
    return {
        table
        for table in tables
        if table.key in standing and f"{table.schema}.{table.name}" in origin.keys
    }


def _draft_relations(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str, bool]]:
    """Schema, name and whether it is a view, views first: they read the tables."""
    return connection.execute(
        """
        select schema_name, view_name, true
        from duckdb_views() where database_name = $draft and not internal
        union all
        select schema_name, table_name, false from duckdb_tables() where database_name = $draft
        """,
        {"draft": _DRAFT},
    ).fetchall()


def _drop_all_but(connection: duckdb.DuckDBPyConnection, carried: set[Relation]) -> None:
    kept = {relation.key for relation in carried}
    for schema, name, is_view in _draft_relations(connection):
        if (schema.lower(), name.lower()) not in kept:
            kind = "view" if is_view else "table"
            connection.execute(f"drop {kind} {_quoted(_DRAFT, schema, name)}")


def _copy_table(connection: duckdb.DuckDBPyConnection, catalogue: str, relation: Relation) -> None:
    name = _quoted(relation.schema, relation.name)
    connection.execute(f"create table {_DRAFT}.{name} as select * from {_quoted(catalogue)}.{name}")
    if relation.comment is not None:
        connection.execute(f"comment on table {_DRAFT}.{name} is {_literal(relation.comment)}")


def _carry_over(
    connection: duckdb.DuckDBPyConnection,
    catalogue: str,
    relation: Relation,
    origin: Origin,
    last_load_id: int,
) -> None:
    """Write the rows of later loads again; rows that are gone are looked for only if some are."""
    name = _quoted(relation.schema, relation.name)
    source, target = f"{_quoted(catalogue)}.{name}", f"{_DRAFT}.{name}"
    key = [_quoted(column) for column in origin.keys[f"{relation.schema}.{relation.name}"]]
    same = " and ".join(f"other.{column} = published.{column}" for column in key)
    connection.execute(
        f"create or replace temp table changed as "
        f"select * from {source} where load_id > {last_load_id}"
    )
    connection.execute(
        f"delete from {target} as published "
        f"where exists (select 1 from changed as other where {same})"
    )
    connection.execute(f"insert into {target} by name select * from changed")
    if _scalar(connection, f"select count(*) from {source}") != _count(connection, relation):
        connection.execute(
            f"delete from {target} as published "
            f"where not exists (select 1 from {source} as other where {same})"
        )


def _create_views(connection: duckdb.DuckDBPyConnection, views: Sequence[View]) -> None:
    connection.execute(f"use {_DRAFT}")
    for view in views:
        with _naming(view.relation):
            connection.execute(view.statement)
        if view.relation.comment is not None:
            name = _quoted(view.relation.schema, view.relation.name)
            connection.execute(f"comment on view {name} is {_literal(view.relation.comment)}")
    connection.execute("use memory")


def _copy_column_comments(
    connection: duckdb.DuckDBPyConnection, catalogue: str, relations: Iterable[Relation]
) -> None:
    published = {(relation.schema, relation.name) for relation in relations}
    comments = connection.execute(
        """
        select schema_name, table_name, column_name, comment
        from duckdb_columns()
        where database_name = ? and comment is not null
        """,
        [catalogue],
    ).fetchall()
    for schema, table, column, comment in comments:
        if (schema, table) in published:
            name = _quoted(_DRAFT, schema, table, column)
            connection.execute(f"comment on column {name} is {_literal(comment)}")


def _describe(
    connection: duckdb.DuckDBPyConnection,
    origin: Origin,
    version: str,
    rows: Mapping[Relation, int],
) -> None:
    """Write the tables meta.published and meta.relations."""
    published = {
        **origin.about,
        "full_build": origin.full_build,
        "last_load_id": str(origin.last_load_id),
        "version": version,
        "published_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    connection.execute(f"create table {_DRAFT}.meta.published (key varchar, value varchar)")
    connection.executemany(
        f"insert into {_DRAFT}.meta.published values (?, ?)", list(published.items())
    )
    connection.execute(
        f"create table {_DRAFT}.meta.relations "
        "(schema_name varchar, relation_name varchar, row_count bigint)"
    )
    if rows:
        connection.executemany(
            f"insert into {_DRAFT}.meta.relations values (?, ?, ?)",
            [(relation.schema, relation.name, count) for relation, count in rows.items()],
        )


def _count(connection: duckdb.DuckDBPyConnection, relation: Relation) -> int:
    name = _quoted(_DRAFT, relation.schema, relation.name)
    with _naming(relation):
        count: int = _scalar(connection, f"select count(*) from {name}")
    return count


def _read_nothing(connection: duckdb.DuckDBPyConnection, relation: Relation) -> None:
    with _naming(relation):
        connection.execute(f"from {_quoted(_DRAFT, relation.schema, relation.name)} limit 0")


@contextmanager
def _naming(relation: Relation) -> Iterator[None]:
    """Say which relation could not be read; errors of the disk pass."""
    what = f"{relation.schema}.{relation.name} cannot be published"
    try:
        yield
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        raise PublishError(f"{what}: {str(error).splitlines()[0]}") from error
    except (duckdb.DataError, duckdb.ProgrammingError) as error:
        # The text may quote a value, and a value may be personal.
        raise PublishError(f"{what}: {type(error).__name__} in one of its columns") from None


def _report(rows: Mapping[Relation, int], progress: Callable[[str], None]) -> None:
    for schema in sorted({relation.schema for relation in rows}):
        counts = [count for relation, count in rows.items() if relation.schema == schema]
        progress(f"{schema}: {len(counts):,} relations, {sum(counts):,} rows")


# --- Files ------------------------------------------------------------------------------------


def _published(versions: Path) -> list[Path]:
    """The whole versions, oldest first."""
    return sorted(versions.glob(_VERSIONS))


def _next_version(versions: Path) -> str:
    """The time in UTC and a random suffix; sorts after all versions even if the clock went back."""
    now = datetime.now(UTC)
    for file in _published(versions)[-1:]:
        last = datetime.strptime(file.name.split("-")[1], _STAMP).replace(tzinfo=UTC)
        now = max(now, last + timedelta(microseconds=1))
    return f"{now.strftime(_STAMP)}-{secrets.token_hex(2)}"


def _remove_leftovers(link: Path, versions: Path) -> None:
    """Remove drafts, and versions after the linked one: never served, or rolled back from."""
    _remove_drafts(link, versions)
    files = _published(versions)
    served = link.resolve()
    if served in [file.resolve() for file in files]:
        for file in files:
            if file.name > served.name:
                file.unlink()


def _remove_drafts(link: Path, versions: Path) -> None:
    _link_draft(link).unlink(missing_ok=True)
    for draft in versions.glob(".tmp-*"):
        if draft.is_dir():
            shutil.rmtree(draft)
        else:
            draft.unlink()


def _sync_file(draft: Path) -> None:
    """Make the file read-only and wait until the disk has it."""
    draft.chmod(0o444)
    _sync(draft)


def _name_file(draft: Path, file: Path) -> None:
    draft.rename(file)
    _sync(file.parent)


def _switch(link: Path, file: Path) -> None:
    """Point `link` to `file` in one step; a reader finds the one or the other."""
    new = _link_draft(link)
    new.unlink(missing_ok=True)
    new.symlink_to(os.path.relpath(file.resolve(), link.parent.resolve()))
    new.replace(link)
    _sync(link.parent)


def _remove_old(link: Path, versions: Path, keep: int) -> None:
    """Remove all but the last `keep` versions; a reader that has one open keeps it till then."""
    for file in _published(versions)[:-keep]:
        if file.name != link.readlink().name:
            file.unlink()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _link_draft(link: Path) -> Path:
    return link.with_name(f".tmp-{link.name}")


def _wal(file: Path) -> Path:
    return file.with_name(f"{file.name}.wal")


def _explain(error: Exception, warehouse: Path, versions: Path) -> str:
    if isinstance(error, duckdb.Error) and not is_disk_full(error):
        return explain_open_error(error, versions if ".tmp-" in str(error) else warehouse)
    if not is_disk_full(error):
        return f"nothing was published: {error}"
    kept = _published(versions)
    size = sum(file.stat().st_size for file in kept)
    free = shutil.disk_usage(versions).free
    return (
        f"no space left in {versions}: {free / 1e6:,.0f} MB are free and a new version needs more. "
        f"Free some space (versions kept: {len(kept)}, {size / 1e6:,.0f} MB), then publish "
        "again; readers keep the version that they have"
    )


# --- SQL text ---------------------------------------------------------------------------------


def _quoted(*parts: str) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _scalar(connection: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[str] = ()) -> Any:
    row = connection.execute(sql, list(parameters)).fetchone()
    assert row is not None
    return row[0]
