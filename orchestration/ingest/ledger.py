"""The ledger of loads: a line for each landed file, and the commit point of its load."""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, BinaryIO

from orchestration.contract import Entity
from orchestration.paths import Paths


class LedgerError(Exception):
    """The ledger cannot be read."""


@dataclass(frozen=True)
class Load:
    """What became of one landed file. Times are UTC without saying so, as in DuckDB.

    `contract` is the fingerprint of the entity that the file was judged by. A file with an
    `error` was refused: nothing of it is loaded. A file that is `duplicate_of` another (or of
    itself, when only its time changed) has the same bytes and is not loaded again. `raw_file`
    is relative to the folder of raw files.
    """

    load_id: int
    system: str
    entity: str
    file: str
    size: int
    mtime_ns: int
    contract: str
    delivered_on: date | None
    loaded_at: datetime
    sha256: str = ""
    rows_in: int = 0
    rows_loaded: int = 0
    rows_quarantined: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    new_columns: tuple[str, ...] = ()
    latest_event_at: datetime | None = None
    error: str | None = None
    duplicate_of: str | None = None
    raw_file: str | None = None


def fingerprint(entity: Entity | None) -> str:
    """Changes when the columns of the entity do; empty for an entity that is unknown."""
    if entity is None:
        return ""
    columns = [(column.name, column.data_type, column.required) for column in entity.columns]
    return hashlib.sha256(json.dumps(columns).encode()).hexdigest()[:12]


def read_ledger(paths: Paths) -> list[Load]:
    """All loads in their order; a last line that a killed process left unfinished is none."""
    file = ledger_file(paths)
    if not file.exists():
        return []
    lines = file.read_bytes().split(b"\n")[:-1]
    return [_parse(line, f"{file}, line {number}") for number, line in enumerate(lines, start=1)]


def write_loads(file: Path, loads: Iterable[Load]) -> None:
    """Write a whole ledger to a file of its own."""
    with file.open("wb") as ledger:
        ledger.writelines(map(_line, loads))
        ledger.flush()
        os.fsync(ledger.fileno())


def append_load(paths: Paths, load: Load) -> None:
    """Write the load to disk; from here on it counts."""
    file = ledger_file(paths)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+b") as ledger:
        _cut_torn_line(ledger)
        ledger.write(_line(load))
        ledger.flush()
        os.fsync(ledger.fileno())
    sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    """Make sure that the names of the files in a folder are on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def ledger_file(paths: Paths) -> Path:
    """Where the ledger of a data folder is."""
    return paths.raw / "loads.ndjson"


def _line(load: Load) -> bytes:
    return f"{json.dumps(asdict(load), default=_iso)}\n".encode()


def _cut_torn_line(ledger: BinaryIO) -> None:
    if ledger.seek(0, os.SEEK_END) == 0:
        return
    ledger.seek(-1, os.SEEK_END)
    if ledger.read(1) != b"\n":
        ledger.seek(0)
        ledger.truncate(ledger.read().rfind(b"\n") + 1)


def _iso(value: date) -> str:
    return value.isoformat()


def _parse(line: bytes, place: str) -> Load:
    try:
        fields: dict[str, Any] = json.loads(line)
        for name, parse in (
            ("delivered_on", date.fromisoformat),
            ("loaded_at", datetime.fromisoformat),
            ("latest_event_at", datetime.fromisoformat),
            ("new_columns", tuple),
        ):
            fields[name] = None if fields[name] is None else parse(fields[name])
        return Load(**fields)
    except (ValueError, KeyError, TypeError) as error:
        raise LedgerError(
            f"{place} is damaged: restore the file, or remove the folder to load all again"
        ) from error
