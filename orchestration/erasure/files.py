"""Takes rows out of landed files, raw files and quarantine, and keeps the ledger true.

All new files are written beside the old ones first and then take their places together, so that a
process which ends in between leaves the one or the other, and never rows that nobody can place.
Erased lines of a text become empty ones: all other rows keep their numbers. An order of somebody
else that went to the person stays, without the name of whom it went to.
"""

import io
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchestration.contract import Entity, load_contract
from orchestration.erasure.rows import (
    Trace,
    contract_columns,
    gift_rows,
    marked_rows,
    own_relation,
    prepare_rows,
    raw_relation,
    written_rows,
)
from orchestration.erasure.tombstones import read_tombstones, tombstones_file
from orchestration.ingest.checks import latest_event_at
from orchestration.ingest.files import (
    LandedFile,
    RefusedFileError,
    check_place,
    find_files,
    hash_file,
)
from orchestration.ingest.ledger import ledger_file, read_ledger, write_loads
from orchestration.ingest.readers import lines_of, open_file
from orchestration.ingest.sql import quote_files, quote_name, quote_text
from orchestration.paths import Paths

_DRAFT = ".erasing-"  # Begins the name of a new file; the loader leaves such files alone.
_SHORTEST_ID = 3  # Shorter ids of a person are found in rows of everybody.

_NAMELESS = "erased"  # What stands for the name of a recipient.

_Rows = dict[int, str]  # The request by the number of the row.


class ScrubError(Exception):
    """A file could not be written anew without the person; nothing was changed."""


@dataclass
class Staged:
    """New files that wait to take their places (draft and target, as paths in the data folder), and
    how many rows are gone from where, by request. `within` are texts of the person that stand
    within a longer word of somebody else.
    """

    moves: list[tuple[str, str]] = field(default_factory=list)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    within: set[str] = field(default_factory=set)


def stage_files(paths: Paths, hashes: Mapping[str, str], traces: Sequence[Trace]) -> Staged:
    """Write all files anew that hold rows of erased people, without these rows.

    `hashes` are the tombstones with their requests; earlier ones count as well, for nobody's
    request. Raises ScrubError.
    """
    for draft in paths.data.rglob(f"{_DRAFT}*"):
        draft.unlink()
    scrub = _Scrub(paths, hashes, traces)
    with duckdb.connect() as connection:
        connection.execute("set global timezone = 'UTC'")
        scrub.prepare(connection)
        for entity in load_contract().values():
            scrub.stage_raw(connection, entity)
        scrub.stage_quarantine(connection)
        for file in find_files(paths.landing):
            # Temporary tables live as long as the cursor; the search says who is in a refused file.
            with connection.cursor() as own, suppress(RefusedFileError):
                scrub.stage_landed(own, file)
    scrub.stage_ledger()
    return scrub.staged


def switch(paths: Paths, moves: Sequence[tuple[str, str]]) -> None:
    """Let each new file take its place; those that have already are left alone."""
    for draft, target in moves:
        if (paths.data / draft).exists():
            (paths.data / draft).replace(paths.data / target)


def delete_own_rows(
    warehouse: duckdb.DuckDBPyConnection,
    paths: Paths,
    hashes: Mapping[str, str],
    traces: Sequence[Trace],
) -> Counter[tuple[str, str]]:
    """Delete erased people's rows in the tables raw_tables.<entity>; how many, by request."""
    scrub = _Scrub(paths, hashes, traces)
    scrub.prepare(warehouse)
    counts: Counter[tuple[str, str]] = Counter()
    for entity in load_contract().values():
        relation = own_relation(warehouse, entity)
        if relation is None:
            continue
        rows = scrub.rows(warehouse, entity, relation, "row_number").get(0, {})
        warehouse.execute(
            f"delete from raw_tables.{quote_name(entity.name)} "
            "where list_contains($rows::bigint[], rowid)",
            {"rows": list(rows)},
        )
        counts.update((request, "raw_tables") for request in rows.values())
    return counts


class _Scrub:
    """One look through all files."""

    def __init__(self, paths: Paths, hashes: Mapping[str, str], traces: Sequence[Trace]) -> None:
        self.staged = Staged()
        self._paths = paths
        self._hashes = hashes
        self._traces = traces
        self._ledger = {load.load_id: load for load in read_ledger(paths)}
        self._texts = {text for trace in traces for text in trace.texts}

    def prepare(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make the tables that say whose a row is, for all cursors of the database."""
        file = tombstones_file(self._paths)
        if file is None:
            raise ScrubError("there are no tombstones yet: nothing is scrubbed")
        read_tombstones(connection, file)
        prepare_rows(connection, self._hashes, self._traces)
        # Of whom is erased now everything goes, whatever its date says.
        connection.execute(
            "update erasing.tombstones set erased_at = null "
            "where record_hash in (select record_hash from erasing.requests)"
        )

    def rows(
        self,
        connection: duckdb.DuckDBPyConnection,
        entity: Entity,
        relation: str,
        row: str,
        load: str = "0",
    ) -> dict[int, _Rows]:
        """The erased rows of a relation of raw rows, by load."""
        columns = contract_columns(connection, entity, relation)
        keys = f"{load} as place_load, {row} as place_row"
        text = f"concat_ws(' ', {', '.join(map(quote_name, columns))})"
        return self._by_load(
            connection,
            marked_rows(entity, relation, columns, keys),
            written_rows(relation, keys, text, self._texts),
        )

    def gifts(
        self,
        connection: duckdb.DuckDBPyConnection,
        relation: str,
        columns: Collection[str],
        row: str,
        load: str = "0",
    ) -> dict[int, dict[int, str]]:
        """The names of recipients that are an erased person's, by load and row."""
        keys = f"{load} as place_load, {row} as place_row"
        query = gift_rows(relation, columns, keys, self._traces)
        if query is None:
            return {}
        found: dict[int, dict[int, str]] = {}
        rows = connection.execute(f"from ({query}) order by all").fetchall()
        for load_id, number, request, name in rows:
            found.setdefault(load_id, {})[number] = name
            self.staged.counts[request, "recipients"] += 1
        return found

    def stage_raw(self, connection: duckdb.DuckDBPyConnection, entity: Entity) -> None:
        """Write the raw files of an entity anew."""
        relation = raw_relation(self._paths, entity)
        if relation is None:
            return
        gone = self.rows(connection, entity, relation, "_row", "_load_id")
        columns = contract_columns(connection, entity, relation)
        gifts = self.gifts(connection, relation, columns, "_row", "_load_id")
        for load_id in sorted({*gone, *gifts}):
            rows = gone.get(load_id, {})
            load = self._ledger[load_id]
            file = self._paths.raw / str(load.raw_file)
            draft = self._stage(file, "raw", rows)
            _write_parquet(file, draft, rows, "_row", gifts.get(load_id, ()))
            [(latest,)] = connection.execute(
                f"select {latest_event_at(entity)} from read_parquet({quote_files([draft])})"
            ).fetchall()
            self._ledger[load_id] = replace(
                load,
                rows_in=load.rows_in - len(rows),
                rows_loaded=load.rows_loaded - len(rows),
                latest_event_at=latest,
            )

    def stage_quarantine(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Write files of the quarantine anew. Their rows cannot always be taken apart: those go
        that say a text or an id of the person, whichever column it is in.
        """
        loads = [load for load in self._ledger.values() if load.rows_quarantined]
        held = [load for load in loads if (self._paths.quarantine / str(load.raw_file)).exists()]
        ids = [
            (trace.request_id, each.lower())
            for trace in self._traces
            for each in trace.ids
            if len(each) >= _SHORTEST_ID
        ]
        connection.execute("create temp table ids (request_id varchar, id varchar)")
        if ids:
            connection.executemany("insert into ids values (?, ?)", ids)
        for load in held:
            file = self._paths.quarantine / str(load.raw_file)
            relation = f"read_parquet({quote_files([file])})"
            keys = "0 as place_load, row as place_row"
            rows = self._by_load(
                connection,
                _rows_with_ids(relation, keys),
                written_rows(relation, keys, "raw", self._texts),
            ).get(0, {})
            if not rows:
                continue
            reasons = dict(
                connection.execute(
                    f"select reason, count(*) from {relation} "
                    "where list_contains($rows, row) group by reason",
                    {"rows": list(rows)},
                ).fetchall()
            )
            _write_parquet(file, self._stage(file, "quarantine", rows), rows, "row")
            self._ledger[load.load_id] = replace(
                load,
                rows_in=load.rows_in - len(rows),
                rows_quarantined=load.rows_quarantined - len(rows),
                reasons=dict(Counter(load.reasons) - Counter(reasons)),
            )

    def stage_landed(self, connection: duckdb.DuckDBPyConnection, file: LandedFile) -> None:
        """Write a landed file anew, loaded or not. Raises RefusedFileError where nobody could."""
        contract = load_contract()
        check_place(file, contract)
        entity = contract[file.entity]
        opened = open_file(connection, file, entity)
        given = f"(select *, {quote_text(file.system)} as source_system from given)"
        keys = "0 as place_load, _row as place_row"
        rows = self._by_load(
            connection,
            marked_rows(entity, given, entity.column_names, keys),
            written_rows("records", keys, opened.record_text, self._texts),
        ).get(0, {})
        gifts = self.gifts(connection, "given", entity.column_names, "_row").get(0, {})
        if not rows and not gifts:
            return
        draft = self._stage(file.path, "landing", rows)
        if opened.is_columnar:
            _write_parquet(file.path, draft, rows, None, gifts)
        else:
            names = {
                line: name
                for row, name in gifts.items()
                for line in lines_of(connection, opened, [row])
            }
            _write_text(file, draft, lines_of(connection, opened, rows), names)
        self._describe(file, draft)

    def stage_ledger(self) -> None:
        """Write the ledger anew, if any file was: its loads are still those of the new files."""
        if self.staged.moves:
            write_loads(self._stage(ledger_file(self._paths), "", {}), self._ledger.values())

    def _by_load(
        self, connection: duckdb.DuckDBPyConnection, marked: str, written: str
    ) -> dict[int, _Rows]:
        """The rows of two queries, by load."""
        connection.execute(f"create or replace temp table said as {written}")
        self.staged.within.update(
            text
            for (text,) in connection.execute(
                "select distinct found_text from said where not is_alone"
            ).fetchall()
        )
        found: dict[int, _Rows] = {}
        for load_id, row, request in connection.execute(f"""
            select place_load, place_row, max(request_id)
            from (
                select place_load, place_row, request_id from ({marked})
                union all
                select place_load, place_row, request_id from said where is_alone
            )
            group by place_load, place_row
            order by all
        """).fetchall():
            found.setdefault(load_id, {})[row] = request
        return found

    def _stage(self, target: Path, place: str, rows: _Rows) -> Path:
        """The draft of a file, noted with what is gone from it."""
        draft = target.with_name(f"{_DRAFT}{target.name}")
        move = (draft.relative_to(self._paths.data), target.relative_to(self._paths.data))
        self.staged.moves.append((str(move[0]), str(move[1])))
        self.staged.counts.update((request, place) for request in rows.values())
        return draft

    def _describe(self, file: LandedFile, draft: Path) -> None:
        """Let the ledger know the new file, if it knew the old one: it is not loaded again."""
        last = [load for load in self._ledger.values() if load.file == file.name][-1:]
        for load in last:
            if (load.size, load.mtime_ns) == (file.size, file.mtime_ns):
                found = draft.stat()
                new = replace(file, path=draft, size=found.st_size, mtime_ns=found.st_mtime_ns)
                self._ledger[load.load_id] = replace(
                    load, size=new.size, mtime_ns=new.mtime_ns, sha256=hash_file(new)
                )


def _rows_with_ids(relation: str, keys: str) -> str:
    """SQL of the rows of a quarantine that say an id of the table `ids`: keys, request."""
    words = "string_split_regex(lower(raw), '[^\\pL\\pN_.-]+')"
    return f"""
        select said.* exclude (word), ids.request_id
        from (select {keys}, unnest({words}) as word from {relation}) as said
        inner join ids on said.word = ids.id
    """


# --- Writing a file ---------------------------------------------------------------------------


def _write_text(
    file: LandedFile, draft: Path, lines: Collection[int], names: Mapping[int, str]
) -> None:
    """Leave lines empty, and names out of others."""
    number = 0
    with (
        _open(file.path, "rb", file.compression) as source,
        _open(draft, "wb", file.compression) as target,
    ):
        for line in _lines(source):
            number += 1
            if number in lines:
                target.write(line[len(line.rstrip(b"\r\n")) :])
            elif number in names:
                target.write(line.replace(names[number].encode(), _NAMELESS.encode()))
            else:
                target.write(line)
    if max((*lines, *names)) > number:
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


def _write_parquet(
    source: Path,
    draft: Path,
    rows: Collection[int],
    column: str | None = None,
    nameless: Collection[int] = (),
) -> None:
    """Leave rows out, and the recipients of `nameless` ones: by the number in a column, or else by
    their place, counted from 1.
    """
    given = pq.ParquetFile(source)
    gone, without_name = (pa.array(sorted(each), pa.int64()) for each in (rows, nameless))
    place = 1
    with pq.ParquetWriter(draft, given.schema_arrow, compression=_codec(given)) as target:
        for group in range(given.num_row_groups):
            table = given.read_row_group(group)
            places = pa.array(range(place, place + table.num_rows), pa.int64())
            numbers = table[column] if column else places
            place += table.num_rows
            if nameless:
                table = _without_names(table, pc.is_in(numbers, value_set=without_name))
            target.write_table(table.filter(pc.invert(pc.is_in(numbers, value_set=gone))))


def _without_names(table: pa.Table, is_nameless: Any) -> pa.Table:
    [place] = [
        place
        for place, name in enumerate(table.column_names)
        if name.strip().lower() == "recipient_name"
    ]
    nameless = pa.scalar(_NAMELESS, table.schema.field(place).type)
    names = pc.if_else(is_nameless, nameless, table.column(place))
    return table.set_column(place, table.schema.field(place), names)


def _codec(file: pq.ParquetFile) -> str:
    if not file.num_row_groups:
        return "zstd"
    name = str(file.metadata.row_group(0).column(0).compression).lower()
    return "none" if name == "uncompressed" else name
