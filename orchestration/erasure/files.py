"""Takes rows out of landed files, raw files and quarantine, and keeps the ledger true.

All new files are written beside the old ones first and then take their places together, so that a
process which ends in between leaves the one or the other, and never rows that nobody can place.
Erased lines of a text become empty ones: all other rows keep their numbers. A row of somebody else
that mentions the person (a note with an address in it, the recipient of a gift) stays, without
these words.
"""

import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

from orchestration.contract import Entity, load_contract
from orchestration.erasure.journal import Move
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
from orchestration.erasure.writing import (
    ScrubError,
    Touched,
    change_table,
    write_parquet,
    write_text,
)
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


@dataclass
class Staged:
    """New files that wait to take their places, and how many rows are gone from where, by request.
    `within` are texts of the person that stand within a longer word of somebody else.
    """

    moves: list[Move] = field(default_factory=list)
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
    for move in scrub.staged.moves:
        with (paths.data / move.draft).open("rb") as written:
            os.fsync(written.fileno())
    return scrub.staged


def switch(paths: Paths, moves: Sequence[Move]) -> None:
    """Let each new file take its place; those that have already are left alone, and so is what a
    source system has delivered or removed meanwhile: the search says who is in it.
    """
    for move in moves:
        draft, target = paths.data / move.draft, paths.data / move.target
        if not draft.exists():
            continue
        if target.exists() and target.stat().st_mtime_ns == move.mtime_ns:
            draft.replace(target)
        else:
            draft.unlink()


def delete_own_rows(
    warehouse: duckdb.DuckDBPyConnection,
    paths: Paths,
    hashes: Mapping[str, str],
    traces: Sequence[Trace],
) -> Counter[tuple[str, str]]:
    """Take erased people out of the tables raw_tables.<entity>; how many rows, by request."""
    scrub = _Scrub(paths, hashes, traces)
    scrub.prepare(warehouse)
    for entity in load_contract().values():
        relation = own_relation(warehouse, entity)
        if relation is None:
            continue
        touched = scrub.look(warehouse, entity, relation, "row_number").get(0, Touched())
        change_table(warehouse, f"raw_tables.{quote_name(entity.name)}", touched)
        scrub.count("raw_tables", touched)
    return scrub.staged.counts


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

    def look(
        self,
        connection: duckdb.DuckDBPyConnection,
        entity: Entity,
        relation: str,
        row: str,
        load: str = "0",
    ) -> dict[int, Touched]:
        """What happens to the rows of a relation of raw rows, by load."""
        columns = contract_columns(connection, entity, relation)
        keys = f"{load} as place_load, {row} as place_row"
        text = f"concat_ws(' ', {', '.join(map(quote_name, columns))})"
        self._find_words(connection, written_rows(relation, keys, text, self._texts))
        self._find_gifts(connection, relation, columns, keys)
        return _touched(connection, marked_rows(entity, relation, columns, keys))

    def stage_raw(self, connection: duckdb.DuckDBPyConnection, entity: Entity) -> None:
        """Write the raw files of an entity anew."""
        relation = raw_relation(self._paths, entity)
        if relation is None:
            return
        found = self.look(connection, entity, relation, "_row", "_load_id")
        for load_id, touched in found.items():
            load, rows = self._ledger[load_id], len(touched.gone)
            file = self._paths.raw / str(load.raw_file)
            draft = self._stage(file, "raw", touched)
            write_parquet(file, draft, touched, "_row")
            [(latest,)] = connection.execute(
                f"select {latest_event_at(entity)} from read_parquet({quote_files([draft])})"
            ).fetchall()
            self._ledger[load_id] = replace(
                load,
                rows_in=load.rows_in - rows,
                rows_loaded=load.rows_loaded - rows,
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
            self._find_words(connection, written_rows(relation, keys, "raw", self._texts))
            gone = f"{_rows_with_ids(relation, keys)} union all {_SAID}"
            touched = _touched(connection, gone).get(0)
            if touched is None:
                continue
            rows = list(touched.gone)
            reasons = dict(
                connection.execute(
                    f"select reason, count(*) from {relation} "
                    "where list_contains($rows, row) group by reason",
                    {"rows": rows},
                ).fetchall()
            )
            write_parquet(file, self._stage(file, "quarantine", touched), touched, "row")
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
        self._find_words(connection, written_rows("records", keys, opened.record_text, self._texts))
        self._find_gifts(connection, "given", entity.column_names, keys)
        # A row that cannot be taken apart may say more of the person than the words that are found.
        gone = f"""
            select place_load, place_row, request_id
            from ({marked_rows(entity, given, entity.column_names, keys)})
            union all
            {_SAID} and place_row in (select _row from given where _error is not null)
        """
        touched = _touched(connection, gone).get(0)
        if touched is None:
            return
        draft = self._stage(file.path, "landing", touched, file.mtime_ns)
        if opened.is_columnar:
            write_parquet(file.path, draft, touched)
        else:
            words = {
                line: words
                for row, words in touched.mentions.items()
                for line in lines_of(connection, opened, [row])
            }
            write_text(file, draft, lines_of(connection, opened, touched.gone), words)
        self._describe(file, draft)

    def stage_ledger(self) -> None:
        """Write the ledger anew, if any file was: its loads are still those of the new files."""
        if self.staged.moves:
            write_loads(self._stage(ledger_file(self._paths), "", Touched()), self._ledger.values())

    def count(self, place: str, touched: Touched) -> None:
        """Note how many rows are gone from a place, and in how many words are."""
        self.staged.counts.update((request, place) for request in touched.gone.values())
        for words in touched.mentions.values():
            self.staged.counts.update((each, f"{place}: words") for each in set(words.values()))

    def _find_words(self, connection: duckdb.DuckDBPyConnection, written: str) -> None:
        """Make `said`: which words of the people stand in which rows, whosever these are."""
        connection.execute(f"create or replace temp table said as {written}")
        others = connection.execute("select distinct word from said where not is_alone").fetchall()
        self.staged.within.update(word for (word,) in others)

    def _find_gifts(
        self,
        connection: duckdb.DuckDBPyConnection,
        relation: str,
        columns: Collection[str],
        keys: str,
    ) -> None:
        """Add to `said` the names of recipients at the people's address."""
        query = gift_rows(relation, columns, keys, self._traces)
        if query:
            connection.execute(f"insert into said {query}")

    def _stage(
        self, target: Path, place: str, touched: Touched, mtime_ns: int | None = None
    ) -> Path:
        """The draft of a file, noted with what is gone from it."""
        draft = target.with_name(f"{_DRAFT}{target.name}")
        seen = target.stat().st_mtime_ns if mtime_ns is None else mtime_ns
        new, old = (str(each.relative_to(self._paths.data)) for each in (draft, target))
        self.staged.moves.append(Move(new, old, seen))
        self.count(place, touched)
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


_SAID = "select place_load, place_row, request_id from said where is_alone"


def _touched(connection: duckdb.DuckDBPyConnection, gone: str) -> dict[int, Touched]:
    """By load: the rows of a query, and the words of `said` in other rows."""
    connection.execute(f"""
        create or replace temp table gone as
        select place_load, place_row, max(request_id) as request_id
        from ({gone})
        group by place_load, place_row
    """)
    found: dict[int, Touched] = {}
    for load_id, row, request in connection.execute("from gone order by all").fetchall():
        found.setdefault(load_id, Touched()).gone[row] = request
    for load_id, row, request, word in connection.execute(
        "select place_load, place_row, request_id, word from said "
        "anti join gone using (place_load, place_row) where is_alone order by all"
    ).fetchall():
        mentions = found.setdefault(load_id, Touched()).mentions
        mentions.setdefault(row, {})[word] = request
    return found


def _rows_with_ids(relation: str, keys: str) -> str:
    """SQL of the rows of a quarantine that say an id of the table `ids`: keys, request."""
    words = "string_split_regex(lower(raw), '[^\\pL\\pN_.-]+')"
    return f"""
        select said.* exclude (word), ids.request_id
        from (select {keys}, unnest({words}) as word from {relation}) as said
        inner join ids on said.word = ids.id
    """
