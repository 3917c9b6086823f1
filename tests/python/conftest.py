"""One demo group, built once for all tests that ask questions of a finished warehouse.

The processes of a test session share what takes long to make: the first one that needs it makes it.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import pytest
from dbt.contracts.graph.manifest import Manifest

from orchestration.demo.generator import make_demo
from orchestration.launch import run_build
from orchestration.paths import Paths
from orchestration.warehouse import dbt
from orchestration.warehouse.functions import register
from orchestration.warehouse.lock import build_lock
from orchestration.warehouse.workspace import Workspace

UNTIL = date(2026, 6, 30)
PERSONS = 2_000
# Begun first, so that no process is left with one of them at the end.
LONGEST_FILES = ("test_faults.py", "test_build.py", "test_benchmarks.py")

# The tables of the registry that are saved to files after a build, by the columns that matter here.
EMPTY_REGISTRY = """
create schema if not exists registry;
create table if not exists registry.identity_log (build_number bigint, to_customer_id varchar);
create table if not exists registry.erased_records (record_hash varchar);
create table if not exists registry.erased_customers (customer_id varchar);
create table if not exists registry.experiment_assignments (
    experiment_id varchar, customer_id varchar
);
create table if not exists registry.segment_sizes (as_of date);
"""

os.environ["GX_ANALYTICS_ENABLED"] = "false"
os.environ["DO_NOT_TRACK"] = "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest first; their tests keep their order."""

    def turn(item: pytest.Item) -> int:
        name = item.path.name
        return LONGEST_FILES.index(name) if name in LONGEST_FILES else len(LONGEST_FILES)

    items.sort(key=turn)


def quiet(_line: str) -> None:
    """Progress that nobody reads."""


@contextmanager
def data_folder(paths: Paths) -> Iterator[None]:
    """Make `paths` the data folder of everything that reads it from the environment."""
    before = os.environ.get("SEGMENT_OF_ONE_DATA")
    os.environ["SEGMENT_OF_ONE_DATA"] = str(paths.data)
    try:
        yield
    finally:
        if before is None:
            del os.environ["SEGMENT_OF_ONE_DATA"]
        else:
            os.environ["SEGMENT_OF_ONE_DATA"] = before


def build(paths: Paths, as_of: date = UNTIL) -> Workspace:
    """Run the whole build of a data folder in this process."""
    with data_folder(paths):
        return run_build(paths, as_of, quiet, wait_seconds=0).workspace


def copy_landing(source: Paths, target: Paths) -> Paths:
    """A data folder with the same landing files and truth, and nothing built."""
    shutil.copytree(source.landing, target.landing)
    shutil.copytree(source.truth, target.truth)
    return target


def copy_built(source: Paths, target: Paths) -> Paths:
    """A data folder with all that another one has, to go on from."""
    shutil.copytree(source.data, target.data, symlinks=True)
    return target


def move_day(source: Path, target: Path, day: date) -> None:
    """Move the landing files of one day."""
    files = list(source.glob(f"*/*/*{day.isoformat()}*"))
    assert files, f"the demo has no files of {day}"
    for file in files:
        moved = target / file.relative_to(source)
        moved.parent.mkdir(parents=True, exist_ok=True)
        file.rename(moved)


def made_once(folder: Path, make: Callable[[Paths], object]) -> Paths:
    """The data folder `folder`; the first process of the session that asks for it makes it."""
    made = folder.with_name(f"{folder.name}.made")
    with build_lock(folder.with_name(f"{folder.name}.lock"), "a test", 1_200, quiet):
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(Paths(folder))
            made.touch()
    return Paths(folder)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that all processes of the session see; no test may change what is there."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def parsed_project(shared: Path) -> Iterator[None]:
    """Let dbt begin with the project as it was parsed once, in new data folders as well."""
    parsed = made_once(shared / "parsed", dbt.parse)
    with pytest.MonkeyPatch.context() as patch:
        saved = parsed.data / "dbt" / "partial_parse.msgpack"
        patch.setenv("DBT_PARTIAL_PARSE_FILE_PATH", str(saved))
        yield


@pytest.fixture(scope="session")
def manifest(parsed_project: None, tmp_path_factory: pytest.TempPathFactory) -> Manifest:  # noqa: ARG001
    """The parsed project, for tests that build some of its models."""
    return dbt.parse(Paths(tmp_path_factory.mktemp("manifest")))


@pytest.fixture(scope="session")
def demo_landing(shared: Path) -> Paths:
    """A demo group in the landing folder; nothing is built from it."""
    return made_once(
        shared / "demo_landing", lambda paths: make_demo(paths, PERSONS, 1, UNTIL, quiet)
    )


@pytest.fixture(scope="session")
def demo(demo_landing: Paths, parsed_project: None, shared: Path) -> Paths:  # noqa: ARG001
    """The demo group, built in full and published."""
    return made_once(shared / "demo", lambda paths: build(copy_landing(demo_landing, paths)))


@pytest.fixture(scope="session")
def day_before(demo_landing: Paths, parsed_project: None, shared: Path) -> Paths:  # noqa: ARG001
    """The demo group as it was built a day ago; the files of the last day are in `waiting`."""

    def make(paths: Paths) -> None:
        copy_landing(demo_landing, paths)
        move_day(paths.landing, paths.data / "waiting", UNTIL)
        build(paths, UNTIL - timedelta(days=1))

    return made_once(shared / "day_before", make)


def differences(left: Path, right: Path, schemas: tuple[str, ...]) -> dict[str, int]:
    """Rows that only one of two DuckDB files has, by relation; empty when they are equal.

    What counts the loads of one data folder, or tells of its builds or days, is left out.
    """
    import duckdb

    found: dict[str, int] = {}
    with duckdb.connect(config={"threads": 2}) as connection:
        register(connection)  # A view over staging reads phones and addresses.
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"attach '{left}' as warehouse (read_only)")
        relations = _relations(connection, "warehouse", schemas)
        for schema, name, columns in relations:
            connection.execute(
                f"create temp table {schema}__{name} as select {columns} "
                f"from warehouse.{schema}.{name}"
            )
        connection.execute("detach warehouse")
        connection.execute(f"attach '{right}' as warehouse (read_only)")
        assert _relations(connection, "warehouse", schemas) == relations
        for schema, name, columns in relations:
            [(rows,)] = connection.execute(
                f"""
                with other as (select {columns} from warehouse.{schema}.{name})
                select
                    (select count(*) from (from {schema}__{name} except all from other))
                    + (select count(*) from (from other except all from {schema}__{name}))
                """
            ).fetchall()
            if rows:
                found[f"{schema}.{name}"] = rows
    return found


def _relations(
    connection: "object", catalogue: str, schemas: tuple[str, ...]
) -> list[tuple[str, str, str]]:
    rows: list[tuple[str, str, str]] = connection.execute(  # type: ignore[attr-defined]
        """
        select
            table_schema,
            table_name,
            string_agg('"' || column_name || '"', ', ' order by column_name)
        from information_schema.columns
        where
            table_catalog = ?
            and list_contains(?, table_schema)
            and table_name not in (
                'changes', 'history', 'customer_id_history', 'customer_id_events',
                'membership_changes', 'membership_history', 'sizes'
            )
            and column_name not in ('load_id', 'seen_load_id', 'former_customer_ids')
        group by table_schema, table_name
        order by table_schema, table_name
        """,
        [catalogue, list(schemas)],
    ).fetchall()
    return rows
