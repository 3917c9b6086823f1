"""The build lock, held by real processes, and what is said of files that cannot be opened."""

import errno
import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.warehouse.lock import LockHeld, build_lock, explain_open_error, is_disk_full

# Children are forked from a process that has no threads and has imported what takes long.
CLEAN = get_context("forkserver")
CLEAN.set_forkserver_preload(["duckdb", "pytest", "orchestration.warehouse.lock"])
PATIENCE = 60


def quiet(_line: str) -> None:
    pass


def hold(path: Path, held: Event, release: Event) -> None:
    with build_lock(path, "daily build", 0, quiet):
        held.set()
        release.wait(PATIENCE)


def increment(path: Path, counter: Path, times: int) -> None:
    for _ in range(times):
        with build_lock(path, "count", PATIENCE, quiet):
            counter.write_text(str(int(counter.read_text()) + 1))


def open_warehouse(warehouse: Path, read_only: bool, opened: Event, release: Event) -> None:
    with duckdb.connect(str(warehouse), read_only=read_only):
        opened.set()
        release.wait(PATIENCE)


@contextmanager
def another_process(work: Callable[..., None], *arguments: object) -> Iterator[Any]:
    """A process that has begun its work, and the event that lets it end."""
    begun, release = CLEAN.Event(), CLEAN.Event()
    process = CLEAN.Process(target=work, args=(*arguments, begun, release))
    process.start()
    try:
        assert begun.wait(PATIENCE)
        yield process, release
        if process.is_alive():
            release.set()
        process.join(PATIENCE)
    finally:
        process.kill()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / ".build.lock"


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    """A warehouse of a few blocks."""
    file = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute(
            "create table numbers as select range as n, md5(n::text) from range(99999)"
        )
    return file


def test_a_second_process_waits_and_then_gets_the_lock(path: Path) -> None:
    said: list[str] = []
    with another_process(hold, path) as (holder, release):

        def tell(line: str) -> None:
            said.append(line)
            release.set()

        with build_lock(path, "replay", PATIENCE, tell):
            signed = json.loads(path.read_text())
    assert len(said) == 1
    assert said[0].startswith(f"waiting for daily build of process {holder.pid}, started 20")
    assert (signed["pid"], signed["purpose"]) == (os.getpid(), "replay")
    assert holder.exitcode == 0


def test_who_waits_too_long_is_told_who_holds_the_lock(path: Path) -> None:
    with another_process(hold, path) as (holder, _):
        with pytest.raises(LockHeld) as refusal, build_lock(path, "replay", 0.3, quiet):
            pytest.fail("two processes hold the lock")
        signed = json.loads(path.read_text())
    message = str(refusal.value)
    assert f"daily build of process {holder.pid}" in message
    assert str(path) in message
    assert "\n" not in message
    assert signed["pid"] == holder.pid, "who waits in vain leaves the signature alone"


def test_a_killed_holder_leaves_no_lock(path: Path) -> None:
    with another_process(hold, path) as (holder, _):
        holder.kill()
        holder.join(PATIENCE)
    assert json.loads(path.read_text())["pid"] == holder.pid, "the dead holder's signature is left"
    with build_lock(path, "replay", 0, quiet):
        assert json.loads(path.read_text())["pid"] == os.getpid()


def test_a_failed_build_frees_the_lock(path: Path) -> None:
    with suppress(ZeroDivisionError), build_lock(path, "daily build", 0, quiet):
        raise ZeroDivisionError
    assert path.read_text() == ""
    with build_lock(path, "daily build", 0, quiet):
        pass


@pytest.mark.parametrize("signature", ["", '{"pid": 12'])
def test_a_holder_that_has_not_signed_yet_is_waited_for(path: Path, signature: str) -> None:
    path.parent.mkdir()
    path.write_text(signature)
    with path.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(LockHeld, match="another process"), build_lock(path, "b", 0, quiet):
            pytest.fail("two hold the lock")


def test_there_is_never_more_than_one_holder(path: Path, tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    workers = [CLEAN.Process(target=increment, args=(path, counter, 5)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(PATIENCE)
    assert counter.read_text() == "15"


@pytest.mark.parametrize("read_only", [False, True])
def test_the_process_that_has_the_warehouse_open_is_named(warehouse: Path, read_only: bool) -> None:
    with (
        another_process(open_warehouse, warehouse, read_only) as (other, _),
        pytest.raises(duckdb.IOException) as refusal,
    ):
        duckdb.connect(str(warehouse))
    line = explain_open_error(refusal.value, warehouse)
    assert line.startswith(f"{warehouse} is open in process {other.pid} (")
    assert line.endswith(f"close it, or read {warehouse.parent / 'serving.duckdb'} instead")


def overwrite(start: int) -> Callable[[Path], None]:
    def spoil(file: Path) -> None:
        content = bytearray(file.read_bytes())
        content[start : start + 64] = b"\xff" * 64
        file.write_bytes(content)

    return spoil


def cut(file: Path) -> None:
    os.truncate(file, 4 * 4096)


def empty(file: Path) -> None:
    file.write_bytes(b"")


def make_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (Path.unlink, "does not exist: build it first"),
        (overwrite(0), "is not a DuckDB file: move it away and build again"),
        (overwrite(3 * 4096 + 100), "is damaged: move it away and build again"),
        (empty, "is not a DuckDB file"),
        (cut, "is cut short: move it away and build again"),
        (make_folder, "is a folder"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_one_line(
    warehouse: Path, spoil: Callable[[Path], None], said: str
) -> None:
    spoil(warehouse)
    with (
        pytest.raises(duckdb.Error) as refusal,
        duckdb.connect(str(warehouse), read_only=True) as connection,
    ):
        connection.execute("select sum(n) from numbers").fetchall()
    line = explain_open_error(refusal.value, warehouse)
    assert line.startswith(f"{warehouse} {said}")
    assert "\n" not in line


def test_a_second_connection_with_other_settings_is_explained(warehouse: Path) -> None:
    with duckdb.connect(str(warehouse)), pytest.raises(duckdb.Error) as refusal:
        duckdb.connect(str(warehouse), read_only=True)
    assert "open in this process with other settings" in explain_open_error(
        refusal.value, warehouse
    )


FULL = [
    OSError(errno.ENOSPC, "No space left on device"),
    duckdb.IOException('IO Error: Could not write file "/x": No space left on device'),
    duckdb.OutOfMemoryException(
        "Out of Memory Error: failed to offload data block of size 160.0 KiB.\n"
        "This limit was set by the 'max_temp_directory_size' setting."
    ),
]


@pytest.mark.parametrize("error", FULL)
def test_a_full_disk_is_explained(error: Exception, tmp_path: Path) -> None:
    assert is_disk_full(error)
    line = explain_open_error(error, tmp_path / "not" / "made" / "warehouse.duckdb")
    assert line.startswith(f"no space left on the disk of {tmp_path}/not/made/warehouse.duckdb (")
    assert line.endswith("MB free): free some space, then start again")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (duckdb.IOException('IO Error: Cannot open file "/x": Permission denied'), "this user"),
        (duckdb.IOException('IO Error: Cannot open file "/x": Read-only file system'), "read-only"),
        (
            duckdb.IOException(
                "IO Error: Trying to read a database file with version number 69, but we can only "
                "read versions between 64 and 67."
            ),
            "newer DuckDB",
        ),
        (ValueError("first line\nsecond line"), "first line"),
        (ValueError(), "ValueError"),
    ],
)
def test_other_errors_become_one_line(error: Exception, line: str) -> None:
    said = explain_open_error(error, Path("/data/warehouse.duckdb"))
    assert line in said
    assert "\n" not in said
    assert not is_disk_full(error)
