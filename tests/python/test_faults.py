"""Builds that are killed, crowded or locked out: readers see one whole state, and it heals."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
import sqlalchemy

from orchestration.paths import PROJECT, Paths
from orchestration.warehouse.serving import read_meta
from tests.python.conftest import UNTIL, build, copy_built, differences, move_day
from tests.python.test_build import LAYERS

MOMENTS = 20
DAYS = [(UNTIL - timedelta(days=1)).isoformat(), UNTIL.isoformat()]


def start_build(paths: Paths, *more: str) -> subprocess.Popen[str]:
    """A build in a process of its own, the way make starts it."""
    return subprocess.Popen(
        [sys.executable, "-m", "orchestration", "build", "--as-of", UNTIL.isoformat(), *more],
        cwd=PROJECT,
        env={**os.environ, "SEGMENT_OF_ONE_DATA": str(paths.data)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.fixture
def before_last_day(day_before: Paths, tmp_path: Path) -> Paths:
    return with_last_day(day_before, tmp_path)


def with_last_day(day_before: Paths, folder: Path) -> Paths:
    """A data folder that was built a day ago, with the files of the last day just landed."""
    paths = copy_built(day_before, Paths(folder / "data"))
    move_day(paths.data / "waiting", paths.landing, UNTIL)
    return paths


def test_a_build_killed_at_any_moment_leaves_readers_whole_and_the_next_one_heals(
    demo: Paths, day_before: Paths, tmp_path: Path
) -> None:
    """At 20 random moments or more a reader asks; two of them are killed again while they heal.

    A build that stands still has on the disk what its kill would leave, so one build is enough for
    all moments; another one follows should it have been too quick for twenty.
    """
    chance = random.Random(20260630)
    duration = seconds_of_last_build(day_before)
    kept: list[Paths] = []
    moments = 0
    while moments < MOMENTS:
        seen = []
        paths = with_last_day(day_before, tmp_path / f"from_{moments}")
        for left in standing_still(paths, lambda: chance.uniform(0, 2 * duration / MOMENTS)):
            seen.append(state_of_readers(left))
            moments += 1
            if moments in (MOMENTS // 2, MOMENTS):
                kept.append(copy_built(left, Paths(tmp_path / f"kept_{moments}")))
        assert seen == sorted(seen), "no reader goes back"
        assert set(seen) <= set(DAYS)
    for left in kept:
        process = start_build(left)
        time.sleep(chance.uniform(0.3, duration))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=30)
        assert state_of_readers(left) in DAYS
        build(left)
        assert read_meta(left.serving)["as_of"] == UNTIL.isoformat()
        assert differences(demo.warehouse, left.warehouse, LAYERS) == {}
        assert [file.name for file in left.versions.iterdir() if file.name.startswith(".")] == []


def seconds_of_last_build(paths: Paths) -> float:
    with duckdb.connect(str(paths.warehouse), read_only=True) as warehouse:
        [(seconds,)] = warehouse.execute(
            "select epoch(max_by(finished_at - started_at, started_at)) from meta.builds"
        ).fetchall()
    return float(seconds)


def standing_still(paths: Paths, pause: Callable[[], float]) -> Iterator[Paths]:
    """Build a data folder; it as it would be if the build were killed now, after each pause."""
    process = start_build(paths)
    left = Paths(paths.data.with_name("standing_still"))
    while process.poll() is None:
        time.sleep(pause())
        os.killpg(process.pid, signal.SIGSTOP)
        try:
            os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
            yield copy_built(paths, left)
        finally:
            os.killpg(process.pid, signal.SIGCONT)
        shutil.rmtree(left.data)
    assert process.returncode == 0, process.stderr and process.stderr.read()


def state_of_readers(paths: Paths) -> str:
    """The as-of day that readers see, after asking whether its tables belong together."""
    with duckdb.connect(str(paths.serving), read_only=True) as published:
        torn = published.execute(
            """
            select count(*) from marts.orders
            anti join marts.customers using (customer_id)
            where orders.customer_id is not null
            """
        ).fetchall()
        assert torn == [(0,)]
        counted = published.execute(
            "select schema_name, relation_name, row_count from meta.relations"
        ).fetchall()
        for schema, name, rows in counted:
            assert published.execute(f'select count(*) from {schema}."{name}"').fetchall() == [
                (rows,)
            ]
    return read_meta(paths.serving)["as_of"]


def test_of_builds_at_once_one_is_told_who_runs_and_one_waits_its_turn(
    before_last_day: Paths,
) -> None:
    first = start_build(before_last_day)
    wait_for(lambda: before_last_day.lock.exists() and before_last_day.lock.read_text())
    refused = start_build(before_last_day, "--wait", "0")
    patient = start_build(before_last_day)
    _, errors = refused.communicate(timeout=300)
    assert refused.returncode == 1
    assert f"process {first.pid}" in errors
    assert len(errors.strip().splitlines()) == 1
    for process in (first, patient):
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors


def test_a_sqlalchemy_client_lists_and_reads_segments_while_a_build_runs(
    demo: Paths, tmp_path: Path
) -> None:
    """As a BI tool does: views by their names, and all of the catalogue's members at any moment."""
    paths = copy_built(demo, Paths(tmp_path / "data"))
    before = read_meta(paths.serving)["version"]
    process = start_build(paths, "--force")
    versions = []
    while process.poll() is None:
        versions.append(version_that_a_bi_tool_reads(paths.serving))
        time.sleep(0.5)
    assert process.returncode == 0, process.stderr and process.stderr.read()
    versions.append(version_that_a_bi_tool_reads(paths.serving))
    assert versions.count(before) > 3, "read while the build ran"
    assert versions[-1] == read_meta(paths.serving)["version"] != before
    assert versions == sorted(versions), "no reader goes back"


def version_that_a_bi_tool_reads(serving: Path) -> str:
    """The version published, after reading every segment of its catalogue by its view."""
    engine = sqlalchemy.create_engine(
        f"duckdb:///{serving}",
        connect_args={"read_only": True},
        poolclass=sqlalchemy.NullPool,
    )
    views = sqlalchemy.inspect(engine).get_view_names(schema="segments")
    catalog = sqlalchemy.Table(
        "catalog", sqlalchemy.MetaData(), schema="segments", autoload_with=engine
    )
    with engine.connect() as connection:
        segments = [str(row[0]) for row in connection.execute(sqlalchemy.select(catalog))]
        assert segments
        assert set(segments) <= set(views)
        for segment in segments:
            view = sqlalchemy.table(segment, sqlalchemy.column("customer_id"), schema="segments")
            connection.scalars(sqlalchemy.select(view.c.customer_id)).all()
        version = connection.scalar(
            sqlalchemy.text("select value from meta.published where key = 'version'")
        )
    engine.dispose()
    return str(version)


def test_a_warehouse_that_another_program_holds_is_named(before_last_day: Paths) -> None:
    hold = (
        "import duckdb, sys, time; "
        "c = duckdb.connect(sys.argv[1]); print('open', flush=True); time.sleep(120)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(before_last_day.warehouse)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        process = start_build(before_last_day)
        _, errors = process.communicate(timeout=300)
    finally:
        holder.kill()
        holder.wait(timeout=10)
    assert process.returncode == 1
    assert f"process {holder.pid}" in errors
    assert len(errors.strip().splitlines()) == 1


def test_a_damaged_warehouse_is_set_aside_and_built_anew(
    demo: Paths, before_last_day: Paths
) -> None:
    before_last_day.warehouse.write_bytes(b"not a database" * 1000)
    build(before_last_day)
    assert differences(demo.warehouse, before_last_day.warehouse, LAYERS) == {}
    assert list(before_last_day.data.glob("warehouse.duckdb.damaged-*"))


def wait_for(condition: "object", seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)
