"""Finds the files that source systems have delivered and tells what they are."""

import difflib
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa

FORMATS = {"csv": "csv", "ndjson": "ndjson", "jsonl": "ndjson", "parquet": "parquet"}
COMPRESSIONS = {"gz": "gzip", "zst": "zstd"}
SYSTEM_NAME = re.compile(r"[a-z][a-z0-9_]*")
DATE = re.compile(r"(?<!\d)(\d{4})(-?)(\d{2})\2(\d{2})(?!\d)")
CHUNK = 1 << 20


class RefusedFileError(Exception):
    """Nothing of the file can be loaded; the message says why and names no value."""


@dataclass(frozen=True)
class LandedFile:
    """A file below the landing folder; `name` is its path there, with slashes."""

    path: Path
    name: str
    size: int
    mtime_ns: int

    @property
    def system(self) -> str:
        """The first folder of its path."""
        return self.name.split("/")[0]

    @property
    def entity(self) -> str:
        """The second folder of its path; empty when there is none."""
        return self.name.split("/")[1] if self.name.count("/") > 1 else ""

    @property
    def compression(self) -> str:
        """`gzip`, `zstd` or `none`, by the ending."""
        return COMPRESSIONS.get(self.path.suffix.lower().removeprefix("."), "none")

    @property
    def format(self) -> str | None:
        """`csv`, `ndjson`, `parquet` or None, by the ending."""
        compressed = self.compression != "none"
        ending = Path(self.path.stem if compressed else self.path.name).suffix
        found = FORMATS.get(ending.lower().removeprefix("."))
        return None if compressed and found == "parquet" else found

    @property
    def delivered_on(self) -> date | None:
        """The last valid YYYY-MM-DD or YYYYMMDD in its file name; None means history."""
        valid = [day for match in DATE.finditer(self.path.name) if (day := _date(match))]
        return max(valid, default=None)

    def is_unchanged(self) -> bool:
        """Whether size and time are still those that were found."""
        try:
            now = self.path.stat()
        except FileNotFoundError:
            return False
        return (now.st_size, now.st_mtime_ns) == (self.size, self.mtime_ns)


def find_files(landing: Path) -> list[LandedFile]:
    """All finished files, in the order in which they are to be loaded.

    History comes first, then day by day, because a duplicate is judged against what was
    delivered before. Names that start with `.` or `_` or end in `.tmp` or `.part` are still
    being written.
    """
    files = [
        _landed(path, landing)
        for path in landing.rglob("*")
        if path.is_file() and _is_finished(path.relative_to(landing))
    ]
    return sorted(files, key=_loading_order)


def check_place(file: LandedFile, entities: Iterable[str]) -> None:
    """Refuse a file whose folder or ending does not say what it holds."""
    known = list(entities)
    if file.name.count("/") != 2:
        raise RefusedFileError("is not in a folder landing/<system>/<entity>/: move it there")
    if not file.path.as_posix().endswith(file.name):
        raise RefusedFileError("the file name is not UTF-8: rename it")
    if not SYSTEM_NAME.fullmatch(file.system):
        raise RefusedFileError(
            f'the system folder "{file.system}" must be lower case letters, digits and "_", '
            "starting with a letter: rename it"
        )
    if file.entity not in known:
        near = difflib.get_close_matches(file.entity, known)
        choice = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known)}"
        raise RefusedFileError(f'the contract has no entity "{file.entity}"; {choice}')
    if file.format is None:
        raise RefusedFileError(
            "is no .csv, .ndjson, .jsonl (each also as .gz or .zst) or .parquet file"
        )


def check_complete(file: LandedFile) -> None:
    """Refuse a compressed file that is damaged or cut off.

    DuckDB reads such a file without complaint up to where it breaks.
    """
    if file.compression == "none":
        return
    try:
        with (
            pa.OSFile(str(file.path)) as compressed,
            pa.CompressedInputStream(compressed, file.compression) as stream,
        ):
            while stream.read(CHUNK):
                pass
    except OSError as error:
        raise RefusedFileError(
            f"the {file.compression} data are damaged or incomplete: deliver the file again"
        ) from error


def hash_file(file: LandedFile) -> str:
    """SHA-256 of the bytes of the file, in hex."""
    try:
        with file.path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except PermissionError as error:
        raise RefusedFileError("may not be read: allow it, then touch the file") from error


def _landed(path: Path, landing: Path) -> LandedFile:
    found = path.stat()
    name = path.relative_to(landing).as_posix().encode(errors="backslashreplace").decode()
    return LandedFile(path, name, found.st_size, found.st_mtime_ns)


def _is_finished(relative: Path) -> bool:
    return not any(part.startswith((".", "_")) for part in relative.parts) and not (
        relative.name.endswith((".tmp", ".part"))
    )


def _loading_order(file: LandedFile) -> tuple[date, str, str, str]:
    return (file.delivered_on or date.min, file.path.name, file.system, file.entity)


def _date(match: re.Match[str]) -> date | None:
    try:
        return date(int(match[1]), int(match[3]), int(match[4]))
    except ValueError:
        return None
