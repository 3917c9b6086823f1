"""One build at a time, and plain words for a warehouse file that cannot be opened."""

import errno
import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from orchestration.paths import Paths

POLL_SECONDS = 0.2

_CONFLICT = re.compile(r"Conflicting lock is held in (?P<exe>.+?) \(PID (?P<pid>\d+)\)")


class LockHeld(Exception):  # noqa: N818
    """Another process held the lock for as long as was waited."""


@contextmanager
def build_lock(
    path: Path, purpose: str, wait_seconds: float, progress: Callable[[str], None]
) -> Iterator[None]:
    """Hold the lock at `path` for `purpose`; wait up to `wait_seconds` for another holder.

    The system frees the lock when its holder ends, however it ends. The file stays: removing it
    would let two processes lock two files of one name. Raises LockHeld; not reentrant.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        _wait(file, path, wait_seconds, progress)
        _replace_text(file, json.dumps(_holder(purpose)))
        try:
            yield
        finally:
            _replace_text(file, "")


def explain_open_error(error: Exception, warehouse: Path) -> str:
    """One line that says why `warehouse` could not be opened or written, and what to do."""
    text = str(error)
    conflict = _CONFLICT.search(text)
    if conflict:
        return (
            f"{warehouse} is open in process {conflict['pid']} ({conflict['exe']}): "
            f"close it, or read {Paths(warehouse.parent).serving} instead"
        )
    if is_disk_full(error):
        free = shutil.disk_usage(_existing(warehouse.parent)).free
        return (
            f"no space left on the disk of {warehouse} ({free / 1e6:,.0f} MB free): "
            "free some space, then start again"
        )
    for mark, advice in _ADVICE.items():
        if mark in text:
            return f"{warehouse} {advice}"
    return text.strip().split("\n", 1)[0] or type(error).__name__


def is_disk_full(error: Exception) -> bool:
    """True for errors of Python and of DuckDB that more disk space would have avoided."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return any(mark in str(error) for mark in _DISK_FULL)


_DISK_FULL = ("No space left on device", "Disk quota exceeded", "max_temp_directory_size")

_REBUILD = "move it away and build again from the landed files"

# What DuckDB writes -> what is wrong with the file and what to do.
_ADVICE = {
    "database does not exist": "does not exist: build it first",
    "not a valid DuckDB database file": f"is not a DuckDB file: {_REBUILD}",
    "Corrupt database file": f"is damaged: {_REBUILD}",
    "Could not read enough bytes": f"is cut short: {_REBUILD}",
    "WAL does not match": f"has a .wal file that belongs to another file: {_REBUILD}, .wal too",
    "database file with version number": "was written by a newer DuckDB: use that version",
    "different configuration than existing connections": (
        "is open in this process with other settings: close that connection first"
    ),
    "Read-only file system": "is on a file system that is mounted read-only",
    "Permission denied": "may not be opened by this user: check the owner and mode of its folder",
    "Is a directory": "is a folder, not a file: move it away",
}


def _wait(file: TextIO, path: Path, wait_seconds: float, progress: Callable[[str], None]) -> None:
    deadline = time.monotonic() + wait_seconds
    told = False
    while not _try_lock(file):
        holder = _read_holder(file)
        if time.monotonic() >= deadline:
            raise LockHeld(
                f"{path} is held by {_describe(holder)}; waited {wait_seconds:g} s: "
                "let that process end, or stop it, then start again"
            )
        if not told:
            progress(f"waiting for {_describe(holder)}")
            told = True
        time.sleep(POLL_SECONDS)


def _try_lock(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(purpose: str) -> dict[str, Any]:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return {"pid": os.getpid(), "purpose": purpose, "since": since}


def _read_holder(file: TextIO) -> dict[str, Any] | None:
    """Who holds the lock; None in the moment between its locking and its signing."""
    file.seek(0)
    text = file.read()
    try:
        holder: dict[str, Any] = json.loads(text)
    except json.JSONDecodeError:
        return None
    return holder


def _describe(holder: dict[str, Any] | None) -> str:
    if holder is None:
        return "another process that has just started"
    return f"{holder['purpose']} of process {holder['pid']}, started {holder['since']}"


def _replace_text(file: TextIO, text: str) -> None:
    file.truncate(0)
    file.write(text)
    file.flush()


def _existing(folder: Path) -> Path:
    """The folder itself or the nearest one above it that exists."""
    return folder if folder.exists() else _existing(folder.parent)
