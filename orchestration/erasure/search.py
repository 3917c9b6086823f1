"""Looks for erased people in every file of the data folder, byte by byte and row by row.

Tables are looked at twice. What DuckDB and Parquet compress is read as rows; their bytes are looked
through as well, since deleting leaves rows behind that no query finds.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from orchestration.activation.match_keys import unkeyed_hashes
from orchestration.erasure.rows import Trace, alone, any_of, pattern_of
from orchestration.ingest.files import COMPRESSIONS
from orchestration.ingest.sql import quote_files, quote_name, quote_text

_CHUNK = 1 << 25
_MUTE = ("DOUBLE", "FLOAT", "BOOLEAN", "DATE", "TIMESTAMP")  # Types that say nothing of anybody.
_OVERLAP = 1 << 12  # Longer than anything that is searched for, with what stands beside it.


@dataclass(frozen=True)
class Found:
    """How much was looked through, and the files that hold an erased person."""

    files: int
    size: int
    holders: tuple[Path, ...]


@dataclass(frozen=True)
class _Wanted:
    """What must be nowhere, in lower case: texts anywhere, words where they stand alone.

    Names stand with their street in one row, or in one line of a text.
    """

    texts: frozenset[str]
    words: frozenset[str]
    names: frozenset[tuple[str, ...]]

    @property
    def is_in_row(self) -> str:
        """SQL that says whether the text `said` of a row has any of it."""
        tests = [
            f"regexp_matches(said, {quote_text(pattern)})"
            for pattern in (any_of(self.texts), pattern_of(self.words))
            if pattern
        ]
        tests += [
            " and ".join(
                f"contains(said, {quote_text(each)})"
                f" and regexp_matches(said, {quote_text(pattern_of([each]))})"
                for each in name
            )
            for name in sorted(self.names)
        ]
        return " or ".join(f"({test})" for test in tests) or "false"


def search(
    data: Path,
    traces: Sequence[Trace],
    within: Collection[str],
    skipped: Collection[Path] = (),
) -> Found:
    """Look for people in all files below a folder; links, and `skipped` with all below, aside.

    Texts that are also within longer words of others count where they stand alone.
    """
    wanted = _wanted(traces, frozenset(within))
    holders, files, size = [], 0, 0
    with duckdb.connect() as connection:
        for file in sorted(data.rglob("*")):
            if file.is_symlink() or not file.is_file():
                continue
            if any(file == each or each in file.parents for each in skipped):
                continue
            files += 1
            size += file.stat().st_size
            if _holds(connection, file, wanted):
                holders.append(file)
    return Found(files, size, tuple(holders))


def _wanted(traces: Sequence[Trace], within: frozenset[str]) -> _Wanted:
    texts = {text for trace in traces for text in trace.texts}
    hashes = {each for text in texts for each in unkeyed_hashes({"email": text, "phone": text})}
    names = frozenset(name for trace in traces for name in trace.names)
    return _Wanted(frozenset((texts - within) | hashes), frozenset(texts & within), names)


def _holds(connection: duckdb.DuckDBPyConnection, file: Path, wanted: _Wanted) -> bool:
    if file.suffix == ".parquet":
        relation = f"read_parquet({quote_files([file])}, hive_partitioning = false)"
        return _bytes_hold(file, wanted) or _relation_holds(connection, relation, wanted)
    if _is_database(file):
        return _bytes_hold(file, wanted) or _database_holds(connection, file, wanted)
    return _text_holds(file, wanted)


def _bytes_hold(file: Path, wanted: _Wanted) -> bool:
    texts = [text.encode() for text in wanted.texts]
    words = re.compile(
        rb"(?<![a-z0-9_.%+-])(?:" + b"|".join(re.escape(w.encode()) for w in wanted.words) + rb")\b"
    )
    for chunk in _chunks(file):
        lower = chunk.lower()
        if any(text in lower for text in texts) or (wanted.words and words.search(lower)):
            return True
    return False


def _text_holds(file: Path, wanted: _Wanted) -> bool:
    words = alone(wanted.words)
    for chunk in _chunks(file):
        lower = chunk.decode("utf-8", "replace").lower()
        if any(text in lower for text in wanted.texts):
            return True
        if wanted.words and words.search(lower):
            return True
        if any(_line_holds(lower, name) for name in wanted.names):
            return True
    return False


def _line_holds(text: str, name: tuple[str, ...]) -> bool:
    *names, street = name
    place = text.find(street)
    while place >= 0:
        start, end = text.rfind("\n", 0, place) + 1, text.find("\n", place)
        line = text[start : end if end >= 0 else None]
        if all(re.search(rf"\b{re.escape(each)}\b", line) for each in names):
            return True
        place = text.find(street, place + 1)
    return False


def _chunks(file: Path) -> Iterator[bytes]:
    """The content, unpacked, in pieces that overlap."""
    packed = COMPRESSIONS.get(file.suffix.lower().removeprefix("."))
    with pa.OSFile(str(file)) as plain:
        stream: Any = pa.CompressedInputStream(plain, packed) if packed else plain
        before = b""
        while piece := stream.read(_CHUNK):
            yield before + piece
            before = piece[-_OVERLAP:]


# --- Tables -------------------------------------------------------------------------------------


def _is_database(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(12)[8:] == b"DUCK"


def _database_holds(connection: duckdb.DuckDBPyConnection, file: Path, wanted: _Wanted) -> bool:
    connection.execute(f"attach {quote_text(str(file))} as searched (read_only)")
    tables = connection.execute(
        "select schema_name, table_name from duckdb_tables() "
        "where database_name = 'searched' order by all"
    ).fetchall()
    relations = [f"searched.{quote_name(schema)}.{quote_name(table)}" for schema, table in tables]
    holds = any(_relation_holds(connection, relation, wanted) for relation in relations)
    connection.execute("detach searched")
    return holds


def _relation_holds(connection: duckdb.DuckDBPyConnection, relation: str, wanted: _Wanted) -> bool:
    described = connection.execute(f"describe select * from {relation}").fetchall()
    columns = [f"{quote_name(name)}::varchar" for name, kind, *_ in described if kind not in _MUTE]
    if not columns:
        return False
    found = connection.execute(
        f"select 1 from (select lower(concat_ws(' ', {', '.join(columns)})) as said "
        f"from {relation}) where {wanted.is_in_row} limit 1"
    ).fetchall()
    return bool(found)
