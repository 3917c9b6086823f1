"""Writes a table, a text or a Parquet file anew, without rows, and without words in others."""

import io
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchestration.erasure.rows import alone
from orchestration.ingest.files import LandedFile
from orchestration.ingest.sql import quote_name

_ERASED = "erased"  # What stands for a word of the person in a row of somebody else.


@dataclass
class Touched:
    """Rows of one relation that go, with their requests, and words that are taken out of rows that
    stay, with theirs; by the number of the row.
    """

    gone: dict[int, str] = field(default_factory=dict)
    mentions: dict[int, dict[str, str]] = field(default_factory=dict)


class ScrubError(Exception):
    """A file could not be written anew without the person; nothing was changed."""


def change_table(connection: duckdb.DuckDBPyConnection, table: str, touched: Touched) -> None:
    """Leave rows out of a table of the warehouse, and words out of others: by their rowid."""
    connection.execute("begin")  # The ids of rows stand as long as nothing is committed.
    connection.execute(
        f"delete from {table} where list_contains($rows::bigint[], rowid)",
        {"rows": list(touched.gone)},
    )
    described = connection.execute(f"describe {table}").fetchall()
    texts = [quote_name(name) for name, kind, *_ in described if kind == "VARCHAR"]
    for row, words in touched.mentions.items():
        held = f"from {table} where rowid = $row"
        [values] = connection.execute(f"select {', '.join(texts)} {held}", {"row": row}).fetchall()
        changes = ", ".join(f"{name} = ${place}" for place, name in enumerate(texts, start=1))
        new = [value and alone(words).sub(_ERASED, value) for value in values]
        connection.execute(f"update {table} set {changes} where rowid = {row}", new)
    connection.execute("commit")


def write_text(
    file: LandedFile, draft: Path, gone: Collection[int], mentions: Mapping[int, Collection[str]]
) -> None:
    """Leave lines empty, and words out of others. Raises ScrubError when the file has fewer."""
    number = 0
    with (
        _open(file.path, "rb", file.compression) as source,
        _open(draft, "wb", file.compression) as target,
    ):
        for line in _lines(source):
            number += 1
            if number in gone:
                target.write(line[len(line.rstrip(b"\r\n")) :])
            elif number in mentions:
                target.write(alone(mentions[number]).sub(_ERASED, line.decode()).encode())
            else:
                target.write(line)
    if max((*gone, *mentions)) > number:
        raise ScrubError(
            f"landing/{file.name}: its lines cannot be counted for sure; nothing is erased: "
            "deliver the file again with one kind of line ends"
        )


def _open(path: Path, mode: str, compression: str) -> Any:
    """A file of bytes, packed or not."""
    plain = pa.OSFile(str(path), mode)
    if compression == "none":
        return plain if mode == "wb" else io.BufferedReader(plain)
    if mode == "wb":
        return pa.CompressedOutputStream(plain, compression)
    return io.BufferedReader(pa.CompressedInputStream(plain, compression))


def _lines(source: Any) -> Iterator[bytes]:
    """The lines with their ends, as DuckDB counts them: \\n, \\r\\n or \\r ends one."""
    for line in source:
        yield from line.splitlines(keepends=True) if b"\r" in line[:-2] else (line,)


def write_parquet(source: Path, draft: Path, touched: Touched, column: str | None = None) -> None:
    """Leave rows out, and words out of others: by the number in a column, or else by their place,
    counted from 1.
    """
    given = pq.ParquetFile(source)
    gone = pa.array(sorted(touched.gone), pa.int64())
    place = 1
    with pq.ParquetWriter(draft, given.schema_arrow, compression=_codec(given)) as target:
        for group in range(given.num_row_groups):
            table = given.read_row_group(group)
            places = pa.array(range(place, place + table.num_rows), pa.int64())
            numbers = table[column].combine_chunks() if column else places
            place += table.num_rows
            table = _without_words(table, numbers, touched.mentions)
            target.write_table(table.filter(pc.invert(pc.is_in(numbers, value_set=gone))))


def _without_words(
    table: pa.Table, numbers: Any, mentions: Mapping[int, Collection[str]]
) -> pa.Table:
    mentioned = pa.array(sorted(mentions), pa.int64())
    is_mentioned = pc.is_in(numbers, value_set=mentioned)
    patterns = [alone(mentions[each]) for each in numbers.filter(is_mentioned).to_pylist()]
    for place, column in enumerate(table.schema if patterns else ()):
        if not _is_text(column.type):
            continue
        values = table.column(place).cast(pa.string()).combine_chunks()
        new = [
            value and pattern.sub(_ERASED, value)
            for value, pattern in zip(
                values.filter(is_mentioned).to_pylist(), patterns, strict=True
            )
        ]
        replaced = pc.replace_with_mask(values, is_mentioned, pa.array(new, pa.string()))
        table = table.set_column(place, column, replaced.cast(column.type))
    return table


def _is_text(kind: pa.DataType) -> bool:
    """Whether a column has texts, however these are stored."""
    return any(
        test(kind)
        for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_dictionary)
    )


def _codec(file: pq.ParquetFile) -> str:
    if not file.num_row_groups:
        return "zstd"
    name = str(file.metadata.row_group(0).column(0).compression).lower()
    return "none" if name == "uncompressed" else name
