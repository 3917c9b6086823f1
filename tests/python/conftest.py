"""One demo group, built once for all tests that ask questions of a finished warehouse."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest

from orchestration.demo.generator import make_demo
from orchestration.launch import run_build
from orchestration.paths import Paths
from orchestration.warehouse.functions import register
from orchestration.warehouse.workspace import Workspace

UNTIL = date(2026, 6, 30)
PERSONS = 2_000
# Begun first, so that no process is left with one of them at the end.
LONGEST_FILES = ("test_faults.py", "test_build.py", "test_benchmarks.py")

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


@pytest.fixture(scope="session")
def demo_landing(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """A demo group in the landing folder; nothing is built from it."""
    paths = Paths(tmp_path_factory.mktemp("demo_landing"))
    make_demo(paths, PERSONS, 1, UNTIL, quiet)
    return paths


@pytest.fixture(scope="session")
def demo(demo_landing: Paths, tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """The demo group, built in full and published; no test may change it."""
    paths = copy_landing(demo_landing, Paths(tmp_path_factory.mktemp("demo") / "data"))
    build(paths)
    return paths


def differences(left: Path, right: Path, schemas: tuple[str, ...]) -> dict[str, int]:
    """Rows that only one of two DuckDB files has, by relation; empty when they are equal.

    What counts the loads of one data folder, or tells of its builds, is left out.
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
                'changes', 'history', 'customer_id_history', 'customer_id_events'
            )
            and column_name not in ('load_id', 'seen_load_id', 'former_customer_ids')
        group by table_schema, table_name
        order by table_schema, table_name
        """,
        [catalogue, list(schemas)],
    ).fetchall()
    return rows
