"""Which warehouse file a build works in, and whether it can go on from the last build.

The incremental models remember the last load that they hold (docs/decisions.md). That is enough
to go on from as long as the code is the same, the as-of day does not move back, and no earlier
load holds rows that the old as-of day hid and the new one shows. Otherwise everything is built
anew from the raw files, and the reason is told.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib import metadata
from pathlib import Path

import duckdb

from orchestration.activation.shown import create_shown_views
from orchestration.contract import load_contract
from orchestration.ingest.ledger import Load, read_ledger
from orchestration.ingest.loader import create_raw_views, find_new_files
from orchestration.ingest.sql import quote_name, quote_text
from orchestration.ingest.views import own_tables_state
from orchestration.linkage import model as linkage
from orchestration.paths import PROJECT, Paths
from orchestration.quality.passed import unchecked
from orchestration.warehouse.lock import LockHeld, build_lock
from orchestration.warehouse.registry import (
    copy_registry,
    last_erasure,
    restore_registry,
    save_registry,
)
from orchestration.warehouse.serving import read_meta

_SEGMENT_SCHEMAS = ("segments", "audiences")
_BUILT_SCHEMAS = (
    *("reference", "staging", "entities", "identity", "linkage", "marts", "pii"),
    *_SEGMENT_SCHEMAS,
)
# Below models, macros and seeds: folders of layers that every build makes whole.
_SEGMENT_FOLDERS = ("segments", "audiences", "experiments")

_BUILDS = """
create table if not exists meta.builds (
    started_at timestamp,
    finished_at timestamp,
    as_of date,
    last_load_id bigint,
    code_version varchar,
    own_tables varchar,
    is_full_refresh boolean,
    segments_version varchar
);
-- A warehouse from before the column was there.
alter table meta.builds add column if not exists segments_version varchar;
"""


@dataclass(frozen=True)
class Workspace:
    """The files of one build. A replay of a past date has its own, apart from the readers'."""

    as_of: date
    warehouse: Path
    serving: Path
    versions: Path
    is_replay: bool

    @property
    def registry(self) -> Path:
        """The folder that keeps the registry, should the warehouse be lost."""
        return self.warehouse.parent / "registry"


@dataclass(frozen=True)
class Start:
    """How a build starts; `reason` says why everything is built anew, None when it is not.

    `tested_load_id` is the last load of the builds since then that passed their tests.
    """

    started_at: datetime
    last_load_id: int
    tested_load_id: int | None
    reason: str | None


def choose_workspace(paths: Paths, as_of: date) -> Workspace:
    """The main warehouse, or a replay's own when `as_of` lies before its last build."""
    newest = _newest_as_of(paths.warehouse)
    if newest is None or as_of >= newest:
        return Workspace(as_of, paths.warehouse, paths.serving, paths.versions, False)
    folder = paths.replays / as_of.isoformat()
    return Workspace(
        as_of, folder / "warehouse.duckdb", folder / "serving.duckdb", folder / "serving", True
    )


def describe_state(paths: Paths, as_of: date) -> dict[str, str]:
    """What a published version was built from: the day, the code, the last load, the links."""
    last_load_id = max((load.load_id for load in read_ledger(paths)), default=0)
    return {
        "as_of": as_of.isoformat(),
        "code_version": code_version(),
        "segments_version": segments_version(),
        "last_load_id": str(last_load_id),
        "linkage": linkage.describe(paths),
        "predicted_at": _predicted_at(paths),
    }


def is_up_to_date(paths: Paths, as_of: date) -> bool:
    """True when readers have what a build would give them, and no file waits or was refused."""
    if not paths.serving.exists() or find_new_files(paths):
        return False
    ledger = read_ledger(paths)
    if unchecked(paths, ledger) or any(_is_refused(load, paths) for load in ledger):
        return False
    published = read_meta(paths.serving)
    state = describe_state(paths, as_of)
    return all(published.get(key) == value for key, value in state.items()) and (
        _is_warehouse_unchanged(paths)
    )


def _is_warehouse_unchanged(paths: Paths) -> bool:
    """True when its own tables are as they were, and nobody was erased since the last build.

    False as well when another process has the warehouse: what it finds there is not known.
    """
    try:
        with (
            build_lock(paths.lock, "a look for what is new", 0, lambda _line: None),
            duckdb.connect(str(paths.warehouse), read_only=True) as warehouse,
        ):
            [(own_tables, began)] = warehouse.execute(
                "select own_tables, started_at from meta.builds where finished_at is not null "
                "order by started_at desc limit 1"
            ).fetchall()
            erased_at = last_erasure(warehouse)
            if erased_at is not None and erased_at > began:
                return False
            return bool(own_tables_state(warehouse) == own_tables)
    except (LockHeld, duckdb.Error):
        return False


def _is_refused(load: Load, paths: Paths) -> bool:
    return load.error is not None and (paths.landing / load.file).exists()


def _predicted_at(paths: Paths) -> str:
    """When the job predict published last; empty before the first time."""
    return paths.predicted_at.read_text() if paths.predicted_at.exists() else ""


def start_build(workspace: Workspace, paths: Paths, loads: Sequence[Load]) -> Start:
    """Bring the raw views of the warehouse up to date, and note that a build starts."""
    workspace.warehouse.parent.mkdir(parents=True, exist_ok=True)
    started_at = datetime.now(UTC).replace(tzinfo=None)
    version = code_version()
    with duckdb.connect(str(workspace.warehouse)) as warehouse:
        warehouse.execute("create schema if not exists meta")
        warehouse.execute(_BUILDS)
        restore_registry(warehouse, workspace.registry)
        if workspace.is_replay:
            _copy_from_main(paths.warehouse, warehouse)
        create_raw_views(warehouse, paths, load_contract())
        create_shown_views(warehouse, paths.exports / "tables")
        own_tables = own_tables_state(warehouse)
        reason = _reason_to_rebuild(warehouse, workspace.as_of, loads, version, own_tables)
        if reason is not None:
            _drop_what_was_built(warehouse, _BUILT_SCHEMAS)
        elif _last_segments_version(warehouse) != segments_version():
            _drop_what_was_built(warehouse, _SEGMENT_SCHEMAS)
        tested_load_id = None if reason else _tested_load_id(warehouse)
        last_load_id = max((load.load_id for load in loads), default=0)
        warehouse.execute(
            """
            insert into meta.builds by name
            select
                $started_at as started_at,
                $as_of as as_of,
                $last_load_id as last_load_id,
                $code_version as code_version,
                $segments_version as segments_version,
                $own_tables as own_tables,
                $is_full_refresh as is_full_refresh
            """,
            {
                "started_at": started_at,
                "as_of": workspace.as_of,
                "last_load_id": last_load_id,
                "code_version": version,
                "segments_version": segments_version(),
                "own_tables": own_tables,
                "is_full_refresh": reason is not None,
            },
        )
    return Start(started_at, last_load_id, tested_load_id, reason)


def _copy_from_main(source: Path, replay: duckdb.DuckDBPyConnection) -> None:
    """Give the warehouse of a replay what only the main one has: the tables of the schema
    raw_tables, who was erased, whenever that was, and who was drawn for which arm.
    """
    replay.execute("drop schema if exists raw_tables cascade")
    replay.execute("create schema raw_tables")
    replay.execute(f"attach {quote_text(str(source))} as main_warehouse (read_only)")
    names = replay.execute(
        """
        select table_name
        from information_schema.tables
        where table_catalog = 'main_warehouse' and table_schema = 'raw_tables'
        """
    ).fetchall()
    for (name,) in names:
        replay.execute(
            f"create table raw_tables.{quote_name(name)} as "
            f"from main_warehouse.raw_tables.{quote_name(name)}"
        )
    copy_registry("main_warehouse", replay)
    replay.execute("detach main_warehouse")


def finish_build(workspace: Workspace, start: Start) -> None:
    """Note that the build that `start` began has built and tested all models."""
    with duckdb.connect(str(workspace.warehouse)) as warehouse:
        save_registry(warehouse, workspace.registry)
        warehouse.execute(
            "update meta.builds set finished_at = ? where started_at = ?",
            [datetime.now(UTC).replace(tzinfo=None), start.started_at],
        )


def last_full_build(workspace: Workspace) -> str:
    """When the last build began that made everything anew: increments go on from it."""
    with duckdb.connect(str(workspace.warehouse)) as warehouse:
        [(started_at,)] = warehouse.execute(
            "select max(started_at) from meta.builds where is_full_refresh"
        ).fetchall()
    return str(started_at)


def code_version(project: Path = PROJECT) -> str:
    """A hash over all that decides what models up to the marts hold, data aside: the pepper of
    ids too.

    So do the Python functions that the models call, and the libraries that these ask.
    """
    digest = hashlib.sha256(os.environ.get("SEGMENT_OF_ONE_PEPPER", "").encode())
    above = _segment_files(project)
    files = [file for folder in ("models", "macros", "seeds") for file in _files(project / folder)]
    _add_files(digest, project, [file for file in files if file not in above])
    _add_files(digest, project, [project / "dbt_project.yml"])
    _add_files(digest, project, [project / "orchestration" / "warehouse" / "functions.py"])
    _add_libraries(digest, ("phonenumbers", "email-validator", "idna", "holidays"))
    return digest.hexdigest()[:16]


def segments_version(project: Path = PROJECT) -> str:
    """A hash over what decides the layers above the marts: their models, macros and seeds, and
    the compiler of rules.

    Nothing there is computed by increments. So a new rule does not build all of history anew.
    """
    digest = hashlib.sha256()
    _add_files(digest, project, sorted(_segment_files(project)))
    _add_files(digest, project, _files(project / "orchestration" / "segments"))
    _add_libraries(digest, ("sqlglot",))
    return digest.hexdigest()[:16]


def _segment_files(project: Path) -> set[Path]:
    return {
        file
        for folder in ("models", "macros", "seeds")
        for name in _SEGMENT_FOLDERS
        for file in _files(project / folder / name)
    }


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file() and file.suffix != ".pyc")


def _add_files(digest: "hashlib._Hash", project: Path, files: Iterable[Path]) -> None:
    for file in files:
        digest.update(str(file.relative_to(project)).encode())
        digest.update(file.read_bytes())


def _add_libraries(digest: "hashlib._Hash", libraries: Iterable[str]) -> None:
    for library in libraries:
        digest.update(f"{library} {metadata.version(library)}".encode())


def _last_segments_version(warehouse: duckdb.DuckDBPyConnection) -> str | None:
    [(version,)] = warehouse.execute(
        "select arg_max(segments_version, started_at) from meta.builds"
    ).fetchall()
    return version if isinstance(version, str) else None


def _newest_as_of(warehouse: Path) -> date | None:
    if not warehouse.exists():
        return None
    with duckdb.connect(str(warehouse)) as connection:
        known = connection.execute(
            "select 1 from duckdb_tables() where schema_name = 'meta' and table_name = 'builds'"
        ).fetchall()
        if not known:
            return None
        [(newest,)] = connection.execute("select max(as_of) from meta.builds").fetchall()
    return newest if isinstance(newest, date) else None


def _tested_load_id(warehouse: duckdb.DuckDBPyConnection) -> int | None:
    [(tested,)] = warehouse.execute(
        """
        select max(last_load_id)
        from meta.builds
        where
            finished_at is not null
            and started_at >= (select max(started_at) from meta.builds where is_full_refresh)
        """
    ).fetchall()
    return tested if isinstance(tested, int) else None


def _drop_what_was_built(warehouse: duckdb.DuckDBPyConnection, schemas: Iterable[str]) -> None:
    """Leave no relation of an earlier build, one of a model that is gone included."""
    for schema in schemas:
        warehouse.execute(f"drop schema if exists {schema} cascade")


def _reason_to_rebuild(
    warehouse: duckdb.DuckDBPyConnection,
    as_of: date,
    loads: Sequence[Load],
    version: str,
    own_tables: str,
) -> str | None:
    """Why the incremental models cannot go on; None when they can."""
    builds = warehouse.execute(
        """
        select
            finished_at, as_of, last_load_id, code_version, own_tables, is_full_refresh, started_at
        from meta.builds
        order by started_at desc
        """
    ).fetchall()
    if not builds:
        return "first build"
    finished_at, last_as_of, last_load_id, last_version, last_own, was_full, began = builds[0]
    if finished_at is None and was_full:
        return "the last full build did not finish"
    if last_version != version:
        return "models, macros, seeds or project settings changed"
    if last_own != own_tables:
        return "tables of the schema raw_tables changed"
    erased_at = last_erasure(warehouse)
    if erased_at is not None and erased_at > began:
        return "customers were erased"
    if as_of < last_as_of:
        return f"as_of moves back from {last_as_of}"
    if not loads:
        return None
    hidden = [
        load
        for load in loads
        if load.load_id <= last_load_id and _holds_rows_from_after(load, last_as_of)
    ]
    if hidden and as_of > last_as_of:
        return f"{len(hidden)} earlier loads hold rows from after {last_as_of}"
    return None


def _holds_rows_from_after(load: Load, day: date) -> bool:
    """True when a row of the load happened or was delivered after the end of `day`."""
    happened_later = load.latest_event_at is not None and load.latest_event_at.date() > day
    return happened_later or (load.delivered_on is not None and load.delivered_on > day)


def set_aside_if_unreadable(warehouse: Path, progress: Callable[[str], None]) -> None:
    """Move a damaged warehouse away: the raw files are the truth, it is built from them anew."""
    if not warehouse.exists():
        return
    try:
        duckdb.connect(str(warehouse)).close()
    except duckdb.IOException as error:
        if "lock" in str(error):
            raise
        aside = warehouse.with_name(f"{warehouse.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S}")
        warehouse.rename(aside)
        wal = warehouse.with_name(warehouse.name + ".wal")
        if wal.exists():
            wal.rename(aside.with_name(aside.name + ".wal"))
        progress(f"{warehouse} cannot be read; moved to {aside.name} and built anew")
