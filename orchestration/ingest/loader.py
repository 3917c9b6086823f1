"""Loads what source systems have delivered into typed Parquet files, each file once."""

import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import duckdb

from orchestration.contract import Entity
from orchestration.erasure.tombstones import ERASED, reject_erased, tombstones_file
from orchestration.ingest.checks import latest_event_at, reject_bad_rows, reject_duplicates
from orchestration.ingest.files import (
    LandedFile,
    RefusedFileError,
    check_complete,
    check_place,
    find_files,
    hash_file,
)
from orchestration.ingest.ledger import Load, append_load, fingerprint, read_ledger, sync_folder
from orchestration.ingest.readers import open_file
from orchestration.ingest.sql import quote_files, quote_name, quote_text
from orchestration.ingest.views import ContractError, create_raw_views
from orchestration.paths import Paths

__all__ = [
    "ContractError",
    "Load",
    "LoadReport",
    "LostRowsError",
    "create_raw_views",
    "find_new_files",
    "load_new_files",
    "read_ledger",
]

MEMORY_LIMIT = "2GB"
WRITTEN = re.compile(r"(?P<unfinished>\.?)(?P<load_id>\d{8,})__\w+\.parquet(\.tmp)?")


class LostRowsError(Exception):
    """The rows of a file are not those that were loaded and quarantined."""


@dataclass(frozen=True)
class LoadReport:
    """What a run found: files that it loaded, refused or knew already under another name.

    `still_refused` are files that an earlier run refused and nobody has changed since.
    """

    loads: tuple[Load, ...]
    still_refused: tuple[Load, ...]


def load_new_files(
    paths: Paths,
    contract: Mapping[str, Entity],
    now: datetime,
    progress: Callable[[str], None],
) -> LoadReport:
    """Load every landed file that the ledger does not know; `now` is UTC.

    A file that cannot be loaded is refused and the others go on; a row that cannot be loaded
    goes to quarantine and the others go on. Only one process may load at a time.
    """
    history = _History(read_ledger(paths))
    _remove_orphans(paths, history.next_id)
    loads, still_refused = [], []
    with _database(paths) as database:
        for file in find_files(paths.landing):
            last = history.latest(file)
            if last and last.error is None:
                continue
            if last and last.contract == fingerprint(contract.get(file.entity)):
                still_refused.append(last)
                progress(_describe(last))
                continue
            load = _load_file(database, paths, contract, history, file, now)
            if not file.is_unchanged():
                _remove_orphans(paths, history.next_id)
                progress(f"wait  {file.name}: it changed while it was read")
                continue
            append_load(paths, load)
            history.add(load)
            loads.append(load)
            progress(_describe(load))
    return LoadReport(tuple(loads), tuple(still_refused))


def find_new_files(paths: Paths) -> list[Path]:
    """Landed files that the ledger does not know, or knew with other bytes."""
    history = _History(read_ledger(paths))
    return [file.path for file in find_files(paths.landing) if history.latest(file) is None]


class _History:
    """The ledger, by what has to be looked up in it."""

    def __init__(self, loads: Iterable[Load]) -> None:
        self.next_id = 1
        self._by_name: dict[str, Load] = {}
        self._by_content: dict[tuple[str, str, str], str] = {}
        self._raw_files: dict[tuple[str, str], list[str]] = {}
        for load in loads:
            self.add(load)

    def add(self, load: Load) -> None:
        self.next_id = load.load_id + 1
        self._by_name[load.file] = load
        if load.raw_file:
            self._by_content[load.system, load.entity, load.sha256] = load.file
            self._raw_files.setdefault((load.system, load.entity), []).append(load.raw_file)

    def latest(self, file: LandedFile) -> Load | None:
        """What became of the file, unless it has changed since."""
        load = self._by_name.get(file.name)
        unchanged = load and (load.size, load.mtime_ns) == (file.size, file.mtime_ns)
        return load if unchanged else None

    def twin(self, file: LandedFile, sha256: str) -> str | None:
        """The loaded file of the same system and entity that has the same bytes."""
        return self._by_content.get((file.system, file.entity, sha256))

    def raw_files(self, file: LandedFile) -> list[str]:
        """What was loaded before from the same system for the same entity."""
        return self._raw_files.get((file.system, file.entity), [])


def _load_file(
    database: duckdb.DuckDBPyConnection,
    paths: Paths,
    contract: Mapping[str, Entity],
    history: _History,
    file: LandedFile,
    now: datetime,
) -> Load:
    """Write the file's rows to raw and quarantine, which count once the ledger has the load."""
    load = Load(
        load_id=history.next_id,
        system=file.system,
        entity=file.entity,
        file=file.name,
        size=file.size,
        mtime_ns=file.mtime_ns,
        contract=fingerprint(contract.get(file.entity)),
        delivered_on=file.delivered_on,
        loaded_at=now,
    )
    try:
        check_place(file, contract)
        load = replace(load, sha256=hash_file(file))
        if twin := history.twin(file, load.sha256):
            return replace(load, duplicate_of=twin)
        check_complete(file)
        earlier = [paths.raw / name for name in history.raw_files(file)]
        with database.cursor() as connection:  # temporary tables live as long as it does
            return _load_rows(connection, paths, contract[file.entity], file, load, earlier)
    except RefusedFileError as error:
        return replace(load, error=f"landing/{file.name}: {error}")


def _load_rows(
    connection: duckdb.DuckDBPyConnection,
    paths: Paths,
    entity: Entity,
    file: LandedFile,
    load: Load,
    earlier: Sequence[Path],
) -> Load:
    opened = open_file(connection, file, entity)
    try:
        reject_bad_rows(connection, entity, opened, load.loaded_at)
    except duckdb.Error as error:
        if file.format == "parquet" and _is_damage(error):
            raise RefusedFileError(
                "the Parquet data are damaged: deliver the file again"
            ) from error
        raise
    if tombstones := tombstones_file(paths):
        reject_erased(connection, entity, file.system, tombstones)
    reject_duplicates(connection, entity, earlier)
    reasons = dict(
        connection.execute(
            "select reason, count(*) from rejected group by reason order by count(*) desc, reason"
        ).fetchall()
    )
    name = f"{entity.name}/{load.load_id:08d}__{load.system}.parquet"
    loaded = _write(connection, _raw_rows(entity, load), paths.raw / name)
    quarantined = 0
    if reasons:
        rows = _quarantined_rows(load, opened.record_text)
        quarantined = _write(connection, rows, paths.quarantine / name)
    if opened.rows != loaded + quarantined:
        raise LostRowsError(
            f"landing/{file.name} has {opened.rows} rows, but {loaded} were loaded and "
            f"{quarantined} quarantined; nothing of it is kept"
        )
    latest = connection.execute(
        f"select {latest_event_at(entity)} from read_parquet({quote_files([paths.raw / name])})"
    ).fetchall()[0][0]
    return replace(
        load,
        rows_in=opened.rows,
        rows_loaded=loaded,
        rows_quarantined=quarantined,
        reasons=reasons,
        new_columns=opened.new_columns,
        latest_event_at=latest,
        raw_file=name,
    )


def _raw_rows(entity: Entity, load: Load) -> str:
    delivered_on = f"date '{load.delivered_on}'" if load.delivered_on else "null::date"
    return f"""
        select
            {", ".join(map(quote_name, entity.column_names))},
            {quote_text(load.system)} as source_system,
            _extra,
            {quote_text(load.file)} as _file,
            _row,
            {delivered_on} as _delivered_on,
            {_timestamp(load.loaded_at)} as _loaded_at,
            {load.load_id}::bigint as _load_id
        from checked
        anti join rejected using (_row)
    """


def _quarantined_rows(load: Load, record_text: str) -> str:
    """What is kept of rows that were not loaded; nothing but its number of an erased person's."""
    return f"""
        select
            {quote_text(load.system)} as source_system,
            {quote_text(load.entity)} as entity,
            {quote_text(load.file)} as file,
            _row as row,
            rejected.reason,
            case when rejected.reason <> '{ERASED}' then {record_text} end as raw,
            {_timestamp(load.loaded_at)} as loaded_at
        from rejected
        join records using (_row)
        order by row
    """


def _timestamp(moment: datetime) -> str:
    return f"timestamp '{moment.isoformat(sep=' ')}'"


def _write(connection: duckdb.DuckDBPyConnection, rows: str, file: Path) -> int:
    """Write a Parquet file that is whole whenever it has its name; returns its rows."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f".{file.name}.tmp")
    connection.execute(
        f"copy ({rows}) to {quote_text(str(unfinished))} (format parquet, compression zstd)"
    )
    with unfinished.open("rb") as written:
        os.fsync(written.fileno())
    unfinished.replace(file)
    sync_folder(file.parent)
    counted = connection.execute(
        f"select sum(num_rows) from parquet_file_metadata({quote_files([file])})"
    ).fetchall()
    return int(counted[0][0])


@contextmanager
def _database(paths: Paths) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory, in UTC, that spills to a folder of its own."""
    spill = paths.raw / ".spill"
    shutil.rmtree(spill, ignore_errors=True)
    spill.mkdir(parents=True)
    try:
        with duckdb.connect() as database:
            database.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
            database.execute(f"set temp_directory = {quote_text(str(spill))}")
            database.execute("set global timezone = 'UTC'")
            yield database
    finally:
        shutil.rmtree(spill, ignore_errors=True)


def _is_damage(error: duckdb.Error) -> bool:
    """Whether the file is at fault, and neither the query nor the machine."""
    damage = (duckdb.InvalidInputException, duckdb.IOException, duckdb.InternalException)
    return isinstance(error, damage) or type(error) is duckdb.Error


def _remove_orphans(paths: Paths, next_id: int) -> None:
    """Remove what a killed run wrote without entering it in the ledger."""
    for folder in (paths.raw, paths.quarantine):
        for file in folder.glob("*/*"):
            match = WRITTEN.fullmatch(file.name)
            if match and (match["unfinished"] or int(match["load_id"]) >= next_id):
                file.unlink()


def _describe(load: Load) -> str:
    if load.error:
        return f"refused {load.error}"
    if load.duplicate_of:
        return f"skip  {load.file}: duplicate file, same bytes as {load.duplicate_of}"
    text = f"load  {load.file}: {load.rows_in:,} rows"
    if load.reasons:
        counts: Counter[str] = Counter()
        for reason, rows in load.reasons.items():
            counts[reason.split(":")[0]] += rows
        parts = ", ".join(f"{rows:,} {reason}" for reason, rows in counts.most_common())
        text += f", {load.rows_quarantined:,} in quarantine ({parts})"
    if load.new_columns:
        text += f"; new columns {', '.join(load.new_columns)}"
    return text
