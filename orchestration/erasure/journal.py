"""The state of an erasure that has begun: whoever goes on after a kill finds here what is left.

It is the one file with an erased person's data while the erasure lasts, and goes at its end.
"""

import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

from orchestration.erasure.rows import Trace
from orchestration.paths import Paths


class ErasureOpenError(Exception):
    """An erasure has begun that has not ended."""


class Move(NamedTuple):
    """A new file that waits to take its place, both as paths in the data folder, and the time of
    the file that is there, in nanoseconds: one that is newer by then stays.
    """

    draft: str
    target: str
    mtime_ns: int


@dataclass
class Case:
    """One request that is being fulfilled, of one person. Times are ISO texts, in UTC."""

    request_id: str
    asked_by: str
    asked_at: str
    customer_ids: list[str]
    tables: dict[str, int]
    was_erased: bool
    syncs: list[str] = field(default_factory=list)


@dataclass
class Journal:
    """What is to be done: `hashes` are the tombstones with their requests, `moves` the new files
    that take their places, `counts` the rows that went (request, place, rows), `within` the texts
    that somebody else's words hold too. `done` are the names of the steps that have ended.
    """

    as_of: str
    erased_at: str
    cases: list[Case]
    hashes: dict[str, str]
    traces: list[Trace]
    moves: list[Move] = field(default_factory=list)
    counts: list[tuple[str, str, int]] = field(default_factory=list)
    within: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)

    @property
    def customer_ids(self) -> list[str]:
        """All ids of all customers who are erased."""
        return sorted({each for case in self.cases for each in case.customer_ids})


def journal_folder(paths: Paths) -> Path:
    """Where the journal lies while an erasure lasts."""
    return paths.erasure / ".open"


def read_journal(paths: Paths) -> Journal | None:
    """The erasure that has begun; None when there is none."""
    file = _file(paths)
    if not file.exists():
        return None
    found = json.loads(file.read_text())
    found["cases"] = [Case(**each) for each in found["cases"]]
    found["moves"] = [Move(*each) for each in found["moves"]]
    found["traces"] = [_trace(**each) for each in found["traces"]]
    return Journal(**found)


def write_journal(paths: Paths, journal: Journal) -> None:
    """Write the state to disk, as a whole."""
    file = _file(paths)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = file.with_suffix(".draft")
    with draft.open("w") as opened:
        json.dump(asdict(journal), opened)
        opened.flush()
        os.fsync(opened.fileno())
    draft.replace(file)


def close_journal(paths: Paths) -> None:
    """The erasure has ended: nothing of it stays here."""
    shutil.rmtree(journal_folder(paths), ignore_errors=True)


def require_whole_files(paths: Paths) -> None:
    """Raise ErasureOpenError while files may be half rewritten: nothing may be loaded then."""
    journal = read_journal(paths)
    if journal is not None and "scrub" not in journal.done:
        raise ErasureOpenError(
            "an erasure has begun and has not ended: run make erase, which goes on with it"
        )


def _file(paths: Paths) -> Path:
    return journal_folder(paths) / "journal.json"


def _trace(**fields: object) -> Trace:
    """JSON knows no tuples."""

    def fixed(value: object) -> object:
        return tuple(map(fixed, value)) if isinstance(value, list) else value

    return Trace(**{name: fixed(value) for name, value in fields.items()})  # type: ignore[arg-type]
