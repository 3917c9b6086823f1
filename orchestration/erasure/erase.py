"""Forgets people, step by step: each step can be done again, and a kill loses none."""

import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb

from orchestration.activation.audience import stop_customers
from orchestration.erasure.compaction import rewrite
from orchestration.erasure.destinations import forget, holders
from orchestration.erasure.files import delete_own_rows, stage_files, switch
from orchestration.erasure.journal import (
    Case,
    Journal,
    close_journal,
    journal_folder,
    read_journal,
    write_journal,
)
from orchestration.erasure.marks import hash_sql, prepare
from orchestration.erasure.people import (
    Answer,
    answer,
    customer_ids,
    delivered_requests,
    find_marks,
    given_requests,
)
from orchestration.erasure.rows import follow
from orchestration.erasure.search import Found, search
from orchestration.erasure.tombstones import require_same_pepper
from orchestration.ingest.sql import quote_name, quote_text
from orchestration.launch import run_build
from orchestration.paths import Paths
from orchestration.warehouse.lock import build_lock
from orchestration.warehouse.macros import macro_sql
from orchestration.warehouse.registry import (
    ErasureError,
    erase_customers,
    require_finished_build,
    save_registry,
)
from orchestration.warehouse.serving import remove_earlier

_Step = Callable[[Journal], None]

# What no rebuild makes again.
_LASTING_SCHEMAS = ("meta", "registry", "predictions", "raw_tables")
# Whatever holds an erased person there is removed as a whole: it can be made again, or missed.
_PASSING = ("reports", "logs", "dbt", "dagster", "linkage", "predictions", "backtest", "bench")
_PASSING_FILES = "warehouse.duckdb.damaged-*"


@dataclass(frozen=True)
class Told:
    """What became of one request: its place among those that were given, and a line that says it.

    `is_open` when nobody was erased and a person has to do something.
    """

    place: str
    line: str
    is_open: bool = False


@dataclass(frozen=True)
class Eraser:
    """One run of the command, with all that it takes from outside."""

    paths: Paths
    progress: Callable[[str], None]
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    sleep: Callable[[float], None] = time.sleep
    wait_seconds: float = 3_600

    def erase(self, who: Sequence[str]) -> list[Told]:
        """Forget whom `who` names, or, when it names nobody, all who asked a source system.

        Goes on first with an erasure that was begun. Removals that destinations are owed are sent
        again. Raises ErasureError, PepperError, LockHeld when a build or sync runs too long, and
        BuildError.
        """
        with build_lock(self.paths.erasure / ".lock", "an erasure", 0, self.progress):
            told = []
            if journal := read_journal(self.paths):
                self.progress("going on with an erasure that was begun")
                told += self._finish(journal)
            self._settle_owed()
            answers, journal = self._begin(who)
            told += [
                Told(each.request.place, each.reason, each.verdict == "unclear")
                for each in answers
                if each.reason
            ]
            if journal:
                told += self._finish(journal)
            return told

    # --- Beginning ------------------------------------------------------------------------------

    def _begin(self, who: Sequence[str]) -> tuple[list[Answer], Journal | None]:
        """Find out who is meant and what is theirs. From here on they are sent nowhere."""
        now = datetime.now(UTC).replace(tzinfo=None)
        with self._warehouse() as warehouse:
            prepare(warehouse)
            given = given_requests(warehouse, who, now)
            answers = answer(warehouse, given or delivered_requests(warehouse))
            erased = [each for each in answers if each.reason is None]
            if not erased:
                return answers, None
            find_marks(warehouse, erased)
            traces = follow(warehouse, self.paths)
            cases = [_case(warehouse, each) for each in erased]
            hashes = warehouse.execute(
                f"select {hash_sql('mark')}, request_id from marks order by all"
            ).fetchall()
            [(as_of,)] = warehouse.execute("select max(as_of)::varchar from meta.builds").fetchall()
            journal = Journal(as_of, now.isoformat(), cases, dict(hashes), traces)
        stop_customers(self.paths, journal.customer_ids)
        write_journal(self.paths, journal)
        self.progress(f"{len(cases):,} to forget, known by {len(hashes):,} names")
        return answers, journal

    # --- Going on -------------------------------------------------------------------------------

    def _finish(self, journal: Journal) -> list[Told]:
        """Do all steps that have not been done, and write the proofs."""
        steps: dict[str, _Step] = {
            "entomb": self._entomb,
            "remember": self._remember_destinations,
            "forget": self._forget_there,
            "stage": self._stage,
            "scrub": self._scrub,
            "renew": self._renew,
            "rebuild": self._rebuild,
            "clean": self._clean,
        }
        for name, step in steps.items():
            if name not in journal.done:
                self.progress(f"== {name}")
                step(journal)
                journal.done.append(name)
                write_journal(self.paths, journal)
        self.progress("== search")
        found = self._search(journal)
        told = [self._prove(journal, case, found) for case in journal.cases]
        close_journal(self.paths)
        return told

    def _entomb(self, journal: Journal) -> None:
        """Take the people out of the graph, and keep out what bears their names."""
        with self._warehouse() as warehouse:
            erased = warehouse.execute("select customer_id from registry.erased_customers")
            known = {customer_id for (customer_id,) in erased.fetchall()}
        customers = [each for each in journal.customer_ids if each not in known]
        if customers:
            erase_customers(self.paths, customers, self.progress, self.wait_seconds)
        with self._warehouse() as warehouse:
            warehouse.execute(
                "alter table registry.erased_records add column if not exists erased_at timestamp"
            )
            # Anew for whoever has come back since: what happened in between stays out as well.
            names = {"hashes": sorted(journal.hashes)}
            warehouse.execute(
                "delete from registry.erased_records where list_contains($hashes, record_hash)",
                names,
            )
            warehouse.execute(
                f"""
                insert into registry.erased_records by name
                select
                    unnest($hashes::varchar[]) as record_hash,
                    {hash_sql("''")} as key_check,
                    timestamp {quote_text(journal.erased_at)} as erased_at
                """,
                names,
            )
            save_registry(warehouse, self.paths.registry)

    def _remember_destinations(self, journal: Journal) -> None:
        held = holders(self.paths, journal.customer_ids, self.progress)
        for case in journal.cases:
            case.syncs = [each for each in held if held[each] & set(case.customer_ids)]

    def _forget_there(self, journal: Journal) -> None:
        forget(self.paths, journal.customer_ids, self.progress, self.environment, self.sleep)

    def _stage(self, journal: Journal) -> None:
        with self._warehouse() as warehouse:
            staged = stage_files(self.paths, journal.hashes, journal.traces)
            counts = staged.counts + delete_own_rows(
                warehouse, self.paths, journal.hashes, journal.traces
            )
        journal.moves, journal.within = staged.moves, sorted(staged.within)
        # Of an earlier round as well, whose search found that there is more to do.
        counts.update({(request, place): rows for request, place, rows in journal.counts})
        journal.counts = [(*place, rows) for place, rows in sorted(counts.items())]

    def _scrub(self, journal: Journal) -> None:
        with build_lock(self.paths.lock, "an erasure", self.wait_seconds, self.progress):
            switch(self.paths, journal.moves)

    def _renew(self, journal: Journal) -> None:
        if not _has_changed(journal):
            return
        with build_lock(self.paths.lock, "an erasure", self.wait_seconds, self.progress):
            rewrite(self.paths.warehouse, _LASTING_SCHEMAS)

    def _rebuild(self, journal: Journal) -> None:
        if _has_changed(journal):
            as_of = date.fromisoformat(journal.as_of)
            run_build(self.paths, as_of, self.progress, self.wait_seconds)

    def _clean(self, journal: Journal) -> None:
        """Remove what was made from the people and is not made anew by a build."""
        if _has_changed(journal):
            remove_earlier(self.paths.serving, self.paths.versions)
            shutil.rmtree(self.paths.replays, ignore_errors=True)
        for made in ("payloads", "demo"):
            shutil.rmtree(self.paths.exports / made, ignore_errors=True)
        passing = [self.paths.data / name for name in _PASSING]
        for folder in passing:
            for file in search(folder, journal.traces, journal.within).holders:
                file.unlink(missing_ok=True)
        for file in self.paths.data.glob(_PASSING_FILES):
            file.unlink()

    # --- Proving --------------------------------------------------------------------------------

    def _search(self, journal: Journal) -> Found:
        """Raises ErasureError when somebody is still found: all steps from the staging of files on
        are done again by the next run.
        """
        skipped = [journal_folder(self.paths)]
        if holders(self.paths, journal.customer_ids, self.progress):
            # Who is owed a removal can only be named by what the destination knows.
            skipped.append(self.paths.exports / "store.duckdb")
        with build_lock(self.paths.lock, "an erasure", self.wait_seconds, self.progress):
            found = search(self.paths.data, journal.traces, journal.within, skipped)
        if found.holders:
            journal.done = journal.done[: journal.done.index("stage")]
            write_journal(self.paths, journal)
            first = [str(each.relative_to(self.paths.data)) for each in found.holders[:5]]
            raise ErasureError(
                f"{len(found.holders):,} files still hold somebody who was erased: "
                f"{', '.join(first)}; mend or remove them, then run make erase, which goes on"
            )
        return found

    def _prove(self, journal: Journal, case: Case, found: Found) -> Told:
        """Write what was done for one request, without a word about the person."""
        held = holders(self.paths, case.customer_ids, self.progress)
        rows: Counter[str] = Counter()
        for request, place, count in journal.counts:
            if request == case.request_id:
                rows[place] += count
        proof = {
            "request": case.request_id,
            "asked_by": case.asked_by,
            "asked_at": case.asked_at,
            "erased_at": journal.erased_at,
            "finished_at": _now(),
            "result": _result(case, rows),
            "customers": sorted(map(_customer_hash, case.customer_ids)),
            "rows": dict(sorted(rows.items())),
            "tables": case.tables,
            "destinations": case.syncs,
            "owed": sorted(held),
            "searched": {"files": found.files, "bytes": found.size, "holding": 0},
        }
        file = _write_proof(self.paths, proof)
        result = f"{proof['result']}: {file}"
        if held:
            result += f"; {', '.join(sorted(held))} did not answer: make erase tells them again"
        return Told(case.asked_by, result)

    def _settle_owed(self) -> None:
        """Tell destinations again that did not answer, and say in the proofs who did."""
        proofs = [(file, json.loads(file.read_text())) for file in _proofs(self.paths)]
        owing = [(file, proof) for file, proof in proofs if proof["owed"]]
        if not owing:
            return
        with self._warehouse() as warehouse:
            rows = warehouse.execute("select customer_id from registry.erased_customers").fetchall()
        by_hash = {_customer_hash(customer_id): customer_id for (customer_id,) in rows}
        forget(self.paths, by_hash.values(), self.progress, self.environment, self.sleep)
        for file, proof in owing:
            customers = {by_hash[each] for each in proof["customers"]}
            proof["owed"] = sorted(holders(self.paths, customers, self.progress))
            proof["finished_at"] = _now()
            _write(file, proof)

    @contextmanager
    def _warehouse(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The warehouse, under the build lock."""
        file = self.paths.warehouse
        with build_lock(self.paths.lock, "an erasure", self.wait_seconds, self.progress):
            if not file.exists():
                raise ErasureError("nobody is erased: there is no warehouse yet; make build first")
            require_finished_build(file)
            with duckdb.connect(str(file)) as warehouse:
                require_same_pepper(warehouse, "registry.erased_records")
                yield warehouse


def _has_changed(journal: Journal) -> bool:
    """Whether anything that a build reads is gone."""
    return bool(journal.counts or journal.customer_ids)


def _case(warehouse: duckdb.DuckDBPyConnection, each: Answer) -> Case:
    ids = customer_ids(warehouse, [each.customer_id] if each.customer_id else [])
    request = each.request
    return Case(
        request.request_id,
        "a source system" if request.rows else request.place,
        request.asked_at.isoformat(),
        ids,
        _table_rows(warehouse, ids),
        each.verdict == "erased before",
    )


def _result(case: Case, rows: Mapping[str, int]) -> str:
    if rows or case.customer_ids:
        return "erased"
    return "erased before, nothing found since" if case.was_erased else "nothing found"


def _table_rows(warehouse: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> dict[str, int]:
    """The rows of customers in each table of the warehouse that names customers."""
    tables = warehouse.execute(
        "select schema_name, table_name from duckdb_columns() inner join duckdb_tables() "
        "using (database_name, schema_name, table_name) where column_name = 'customer_id' "
        "and database_name = current_database() and not duckdb_tables.temporary order by all"
    ).fetchall()
    counts = {}
    for schema, table in tables:
        [(rows,)] = warehouse.execute(
            f"select count(*) from {quote_name(schema)}.{quote_name(table)} "
            "where list_contains($ids::varchar[], customer_id)",
            {"ids": list(ids)},
        ).fetchall()
        if rows:
            counts[f"{schema}.{table}"] = int(rows)
    return counts


def _customer_hash(customer_id: str) -> str:
    text = quote_text(f"erasure:{customer_id}")
    [(found,)] = duckdb.execute(f"select {macro_sql('keyed_hash', text)}").fetchall()
    return str(found)


def _now() -> str:
    return datetime.now(UTC).replace(tzinfo=None).isoformat()


def _proofs(paths: Paths) -> list[Path]:
    return sorted(paths.erasure.glob("*.json"))


def _write_proof(paths: Paths, proof: Mapping[str, Any]) -> Path:
    """A file of its own for each erasure: whoever comes back may be erased again."""
    day = str(proof["erased_at"])[:19].replace(":", "").replace("-", "")
    return _write(paths.erasure / f"{proof['request']}-{day}.json", proof)


def _write(file: Path, proof: Mapping[str, Any]) -> Path:
    draft = file.with_suffix(".draft")
    draft.write_text(json.dumps(proof, indent=2) + "\n")
    draft.replace(file)
    return file
