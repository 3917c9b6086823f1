"""What a user reads when a command cannot be carried out: one line that says what to do."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from orchestration.__main__ import main
from orchestration.erasure.erase import Eraser, Told
from orchestration.paths import PROJECT, Paths

# Runs a command with a small file system of its own mounted over a folder.
ON_A_SMALL_DISK = """
disk=$1; landing=$2; shift 2
mount -t tmpfs -o size=24m tmpfs "$disk" || exit 77
cp -r "$landing" "$disk/landing"
exec "$@"
"""


def run(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command as make calls it, on a data folder of its own."""
    return subprocess.run(
        [sys.executable, "-m", "orchestration", *arguments],
        cwd=PROJECT,
        env={**os.environ, "SEGMENT_OF_ONE_DATA": str(data)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1, done.stderr
    [line] = done.stderr.splitlines()
    return line


def test_a_query_before_the_first_build(tmp_path: Path) -> None:
    assert "build it first (make demo or make build)" in one_line(run(tmp_path, "query", "from x"))


def test_a_query_of_what_is_not_there(demo: Paths) -> None:
    assert "nobody does not exist" in run(demo.data, "query", "from marts.nobody").stderr


def test_a_sync_before_the_first_build(tmp_path: Path) -> None:
    done = run(tmp_path, "sync", "champions")
    assert done.returncode == 1
    assert "champions: there is nothing to send yet: run make build first" in done.stdout
    assert done.stderr == "look at champions: docs/exports.md says what to do\n"


def test_an_erasure_before_the_first_build(tmp_path: Path) -> None:
    line = one_line(run(tmp_path, "erase", "anna@example.com"))
    assert line == "nobody is erased: there is no warehouse yet; make build first"


def test_several_are_erased_with_commas_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A phone number may have blanks in it."""
    asked: list[Sequence[str]] = []

    def erase(_eraser: Eraser, who: Sequence[str]) -> list[Told]:
        asked.append(who)
        return []

    monkeypatch.setattr(Eraser, "erase", erase)
    monkeypatch.setenv("SEGMENT_OF_ONE_DATA", str(tmp_path))
    for words in (["erase"], ["erase", "+48 501 502 503, anna@example.com,"]):
        monkeypatch.setattr(sys, "argv", ["orchestration", *words])
        main()
    assert asked == [[], ["+48 501 502 503", "anna@example.com"]]


def test_a_busy_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        line = one_line(run(tmp_path, "ui", "--port", str(port)))
    assert line == f"port {port} is busy: choose another, like make ui PORT={port + 1}"


def test_unknown_names(tmp_path: Path) -> None:
    known = "accuracy, build, exports, growth, identity, linkage, predictions, segments, timeline"
    assert f"there are {known}, truth" in one_line(run(tmp_path, "bench", "speed"))
    assert "online_retail_ii" in one_line(run(tmp_path, "recipe", "nothing", str(tmp_path)))


def test_rules_of_segments_are_checked_without_a_build(tmp_path: Path) -> None:
    file = tmp_path / "segment_rules.csv"
    names = "segment_id,title,rule,valid_from,valid_until,owner,channels,suggested_action\n"
    good = "fans,Fans,order_count >= 3,,,crm,email,\nlater,Later,has_card,2026-07-01,,crm,,\n"
    file.write_text(names + good)
    options = ("rules", "--file", str(file), "--as-of", "2026-06-30")
    done = run(tmp_path, *options)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "in force  fans: line 2\nnot yet   later: line 3\n"
    file.write_text(names + good + "typo,Typo,ordr_count > 1,,,crm,email,\n")
    done = run(tmp_path, *options)
    assert one_line(done) == "1 of 3 rules are refused; the others stand"
    assert done.stdout.splitlines()[2] == (
        "refused   typo: line 4: there is no column ordr_count; did you mean order_count?"
    )
    assert "none.csv cannot be read" in one_line(run(tmp_path, "rules", "--file", "none.csv"))


def test_a_python_that_is_not_there(tmp_path: Path) -> None:
    shutil.copy(PROJECT / "Makefile", tmp_path)
    (tmp_path / "requirements.lock").touch()
    done = subprocess.run(
        ["make", "demo", "PYTHON=python-of-nobody"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "Python 3.11 is not there: install it, or name it" in done.stderr


def test_a_full_disk(demo_landing: Paths, tmp_path: Path) -> None:
    """The disk fills up in the middle of a build, under Dagster's own records as well."""
    if not shutil.which("unshare"):
        pytest.skip("needs unshare of util-linux")
    disk = tmp_path / "disk"
    disk.mkdir()
    build = (sys.executable, "-m", "orchestration", "build", "--as-of", "2026-06-30")
    own = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", ON_A_SMALL_DISK, "sh")
    done = subprocess.run(
        [*own, str(disk), str(demo_landing.landing), *build],
        cwd=PROJECT,
        env={**os.environ, "SEGMENT_OF_ONE_DATA": str(disk)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    if done.returncode in (1, 77) and "Traceback" not in done.stderr and "mount" in done.stderr:
        pytest.skip("this user may not mount a small disk")
    assert one_line(done).startswith(f"no space left on the disk of {disk}")


def test_clean_removes_what_was_made_and_nothing_else(demo: Paths, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(demo.data, data, symlinks=True)
    (data / "notes.txt").write_text("mine")
    assert run(data, "clean").returncode == 0
    assert [file.name for file in data.iterdir()] == ["notes.txt"]
    assert run(data, "clean").returncode == 0
