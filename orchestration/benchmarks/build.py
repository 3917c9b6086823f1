"""What a build costs: in full, through dbt and through Dagster, against its own SQL run bare, and
a day's increment against the full build. Each part is a process of its own, timed from outside.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb

from orchestration.paths import PROJECT, Paths

UNTIL = date(2026, 6, 30)
DEFAULT_SIZE = 200_000

# What dbt asks or does for itself, not for the data: a bare run needs none of it.
_OVERHEAD = ("begin", "commit", "rollback", "select type from duckdb_databases")


@dataclass(frozen=True)
class _Cost:
    """Seconds of one process: wall clock, and processor time of all its threads."""

    wall: float
    cpu: float


def run(size: int | None, progress: Callable[[str], None]) -> dict[str, str]:
    """Measure everything on a demo group of so many persons; figures by name, in print order."""
    from orchestration.demo.generator import make_demo

    persons = size or DEFAULT_SIZE
    paths = Paths(Paths.from_environment().data / "bench" / f"build-{persons}")
    if not (paths.truth / "planted.json").exists():
        make_demo(paths, persons, 1, UNTIL, progress)
    held_back = _hold_back_last_day(paths)
    _forget_what_was_built(paths, raw=True)
    build = _build_as_of(UNTIL)
    full = _timed("full, from the landing files", paths, build, progress)
    _forget_what_was_built(paths, raw=False)
    dagster = _timed("full, raw files loaded, Dagster", paths, build, progress)
    dbt = _timed("full, raw files loaded, dbt", paths, (*_THIS, "dbt"), progress)
    slowest = model_seconds(paths)[:10]
    bare = _timed("full, raw files loaded, bare SQL", paths, (*_THIS, "bare"), progress)
    _forget_what_was_built(paths, raw=False)
    day_before = _build_as_of(UNTIL - timedelta(days=1))
    _timed("full of the day before, to go on from", paths, day_before, progress)
    _bring_back(held_back)
    increment = _timed("a day's increment", paths, build, progress)
    start = _timed("nothing new, built all the same", paths, build, progress)
    nothing = _timed(
        "nothing new", paths, tuple(part for part in build if part != "--force"), progress
    )
    return {
        "persons": f"{persons}",
        "raw rows": f"{_raw_rows(paths)}",
        "full build wall": f"{full.wall:.1f} s",
        "full build processor": f"{full.cpu:.1f} s",
        "bare SQL wall": f"{bare.wall:.1f} s",
        "bare SQL processor": f"{bare.cpu:.1f} s",
        "dbt wall": f"{dbt.wall:.1f} s",
        "dbt processor": f"{dbt.cpu:.1f} s",
        "dbt wall over 1.3 times bare": f"{dbt.wall - 1.3 * bare.wall:.1f} s (goal 10)",
        "Dagster wall": f"{dagster.wall:.1f} s",
        "Dagster processor": f"{dagster.cpu:.1f} s",
        "Dagster wall over 1.3 times bare": f"{dagster.wall - 1.3 * bare.wall:.1f} s (goal 35)",
        "increment wall": f"{increment.wall:.1f} s",
        "increment processor": f"{increment.cpu:.1f} s",
        "nothing new wall": f"{nothing.wall:.1f} s (goal 20)",
        "nothing new, built all the same, wall": f"{start.wall:.1f} s",
        "nothing new, built all the same, processor": f"{start.cpu:.1f} s",
        "increment, start-up aside, of the full build's processor time": (
            f"{100 * (increment.cpu - nothing.cpu) / full.cpu:.1f} % (goal 10)"
        ),
        "of it for what the day brought": (f"{100 * (increment.cpu - start.cpu) / full.cpu:.1f} %"),
        "of it for what every day changes for everybody": (
            f"{100 * (start.cpu - nothing.cpu) / full.cpu:.1f} %"
        ),
        **{
            f"slowest model {place}": f"{seconds:.1f} s {name}"
            for place, (name, seconds) in enumerate(slowest, start=1)
        },
    }


_THIS = ("-m", "orchestration.benchmarks.build")


def model_seconds(paths: Paths) -> list[tuple[str, float]]:
    """Name and wall seconds of each model of the last run of dbt, the slowest first."""
    results = json.loads((paths.data / "dbt" / "run_results.json").read_text())["results"]
    seconds = [
        (result["unique_id"].rpartition(".")[2], result["execution_time"])
        for result in results
        if result["unique_id"].startswith("model.")
    ]
    return sorted(seconds, key=lambda model: (-model[1], model[0]))


def _build_as_of(day: date) -> tuple[str, ...]:
    return ("-m", "orchestration", "build", "--force", "--as-of", day.isoformat())


def _timed(
    what: str, paths: Paths, arguments: tuple[str, ...], progress: Callable[[str], None]
) -> _Cost:
    """Run a process to its end and take its cost from the system's own accounts."""
    environment = {**os.environ, "SEGMENT_OF_ONE_DATA": str(paths.data)}
    log = paths.data / "bench.log"
    began = time.perf_counter()
    with log.open("a") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=PROJECT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{what} failed, see {log}")
    cost = _Cost(time.perf_counter() - began, usage.ru_utime + usage.ru_stime)
    progress(f"{what}: {cost.wall:.1f} s wall, {cost.cpu:.1f} s processor")
    return cost


def _hold_back_last_day(paths: Paths) -> list[tuple[Path, Path]]:
    """Rename the files of the last day so that the loader passes them over."""
    moved = []
    for file in sorted(paths.landing.glob(f"*/*/*{UNTIL.isoformat()}*")):
        hidden = file.with_name("_" + file.name.lstrip("_"))
        file.rename(hidden)
        moved.append((file.with_name(file.name.lstrip("_")), hidden))
    return moved


def _bring_back(moved: list[tuple[Path, Path]]) -> None:
    for file, hidden in moved:
        hidden.rename(file)


def _forget_what_was_built(paths: Paths, raw: bool) -> None:
    for file in paths.data.glob("warehouse.duckdb*"):
        file.unlink()
    if raw:
        shutil.rmtree(paths.raw, ignore_errors=True)
        shutil.rmtree(paths.quarantine, ignore_errors=True)


def _raw_rows(paths: Paths) -> int:
    from orchestration.ingest.ledger import read_ledger

    return sum(load.rows_loaded for load in read_ledger(paths))


def _empty_warehouse(paths: Paths, what: str) -> Path:
    """A place for a warehouse; the file keeps its name, which the compiled SQL holds."""
    folder = paths.data / f"{what}-alone"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder / "warehouse.duckdb"


def _statements_file(paths: Paths) -> Path:
    return paths.data / "statements.json"


def _build_with_dbt(paths: Paths) -> None:
    """A full build through dbt alone, in a warehouse of its own; notes the SQL that it ran."""
    from dbt.adapters.events.types import SQLQuery  # noqa: F401 - registers the event
    from dbt_common.events.base_types import EventMsg

    from orchestration.ingest.ledger import read_ledger
    from orchestration.warehouse import dbt
    from orchestration.warehouse.workspace import Workspace, start_build

    warehouse = _empty_warehouse(paths, "dbt")
    workspace = Workspace(UNTIL, warehouse, paths.serving, paths.versions, False)
    start = start_build(workspace, paths, read_ledger(paths))
    statements: list[str] = []

    def note(event: EventMsg) -> None:
        if event.info.name == "SQLQuery":
            statements.append(event.data.sql)

    manifest = dbt.parse(paths)
    results = dbt.build(
        manifest,
        paths,
        warehouse,
        UNTIL,
        start.last_load_id,
        None,
        False,
        False,
        lambda _line: None,
        [note],
    )
    failed = [result.name for result in results if not result.passed]
    if failed:
        raise RuntimeError(f"failed: {', '.join(failed)}")
    _statements_file(paths).write_text(json.dumps(statements))


def _build_bare(paths: Paths) -> None:
    """The statements of the dbt build again, one after the other, on one connection."""
    from orchestration.activation.shown import create_shown_views
    from orchestration.contract import load_contract
    from orchestration.ingest.loader import create_raw_views
    from orchestration.segments.functions import register as register_rules
    from orchestration.warehouse.functions import register

    source = paths.data / "dbt-alone" / "warehouse.duckdb"
    target = _empty_warehouse(paths, "bare")
    with duckdb.connect(
        str(target), config={"threads": 2, "preserve_insertion_order": False}
    ) as connection:
        connection.execute("set TimeZone = 'UTC'")
        register(connection)
        register_rules(connection)
        create_raw_views(connection, paths, load_contract())
        create_shown_views(connection, paths.exports / "tables")
        _copy_inputs(connection, source)
        for statement in json.loads(_statements_file(paths).read_text()):
            if _is_work(statement):
                connection.execute(statement).fetchall()


def _copy_inputs(connection: duckdb.DuckDBPyConnection, source: Path) -> None:
    """What no statement of the dbt build makes: the seeds, and the one model in Python."""
    connection.execute(f"attach '{source}' as built (read_only)")
    connection.execute("create schema reference; create schema linkage; create schema segments")
    for schema, name in connection.execute(
        "select schema_name, table_name from duckdb_tables() where database_name = 'built' and "
        "(schema_name = 'reference' or (schema_name, table_name) in "
        "(('linkage', 'predictions'), ('segments', 'segment_limits')))"
    ).fetchall():
        connection.execute(f"create table {schema}.{name} as from built.{schema}.{name}")
    connection.execute("detach built")


def _is_work(statement: str) -> bool:
    text = statement.split("*/", 1)[-1].strip().lower()
    if not text or text.startswith(_OVERHEAD):
        return False
    target = text.split("(", 1)[0].split(" as ", 1)[0]
    given = ('"reference"', '"linkage"."predictions', '"segments"."segment_limits')
    return not any(name in target for name in given)


if __name__ == "__main__":
    {"dbt": _build_with_dbt, "bare": _build_bare}[sys.argv[1]](Paths.from_environment())
