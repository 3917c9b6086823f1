"""Who was in which segment is on record day by day, whatever happens to builds and customers."""

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest

from orchestration.paths import PROJECT, Paths
from orchestration.warehouse import dbt
from orchestration.warehouse.registry import restore_registry, save_registry

MODELS = ("membership_changes", "membership_history", "sizes")
FIRST, SECOND, THIRD = date(2026, 6, 28), date(2026, 6, 29), date(2026, 6, 30)


@dataclass
class Segments:
    """A warehouse with memberships that the test says, and the models that read them."""

    manifest: Manifest
    folder: Path

    @property
    def warehouse(self) -> Path:
        return self.folder / "warehouse.duckdb"

    @property
    def registry(self) -> Path:
        return self.folder / "registry"

    def build(
        self,
        as_of: date,
        members: Iterable[str],
        merged: dict[str, str] | None = None,
        fails: bool = False,
    ) -> None:
        """Build a day on which `members` are those of the segment s, a letter each.

        `merged` are the ids that mean another customer now.
        """
        with duckdb.connect(str(self.warehouse)) as connection:
            connection.execute(
                "create schema if not exists marts; create schema if not exists segments"
            )
            connection.execute(
                "create or replace table segments.catalog as "
                "select 's' as segment_id, 0.5::double as largest_daily_change, 2 as smallest_size"
            )
            connection.execute(
                "create or replace table segments.memberships "
                "(segment_id varchar, customer_id varchar)"
            )
            for member in members:
                connection.execute("insert into segments.memberships values ('s', ?)", [member])
            connection.execute(
                "create or replace table marts.customers as "
                "select customer_id, null::timestamp as erasure_requested_at "
                "from segments.memberships"
            )
            connection.execute(
                "create or replace table marts.customer_id_history "
                "(customer_id varchar, current_customer_id varchar, status varchar)"
            )
            for old, new in (merged or {}).items():
                connection.execute(
                    "insert into marts.customer_id_history values (?, ?, 'merged')", [old, new]
                )
            if fails:
                connection.execute("drop table marts.customer_id_history")
        dbt._point_profile_to(self.warehouse)
        result = dbtRunner(manifest=self.manifest).invoke(
            [
                *("run", "--select", *MODELS, "--quiet", "--log-level", "none"),
                *("--vars", json.dumps({"as_of": as_of.isoformat(), "load_id": 1})),
                *("--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)),
                *("--target-path", str(self.folder / "target")),
                *("--log-path", str(self.folder / "logs")),
            ]
        )
        DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
        assert result.success is not fails, result.exception

    def ask(self, question: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            return connection.execute(question).fetchall()

    def history(self) -> set[tuple[str, date, date | None]]:
        return set(
            self.ask("select customer_id, entered_on, left_on from segments.membership_history")
        )

    def recorded(self) -> set[tuple[Any, ...]]:
        return set(
            self.ask("select customer_id, entered_on, left_on from registry.membership_spells")
        )

    def sizes(self) -> list[tuple[Any, ...]]:
        return self.ask(
            "select as_of, customer_count, entered_count, left_count "
            "from registry.segment_sizes order by as_of"
        )

    def save(self) -> None:
        with duckdb.connect(str(self.warehouse)) as connection:
            save_registry(connection, self.registry)

    def restore(self) -> None:
        with duckdb.connect(str(self.warehouse)) as connection:
            restore_registry(connection, self.registry)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return dbt.parse(Paths(tmp_path_factory.mktemp("parsed")))


@pytest.fixture
def segments(manifest: Manifest, tmp_path: Path) -> Segments:
    return Segments(manifest, tmp_path)


def test_people_enter_leave_and_come_back(segments: Segments) -> None:
    segments.build(FIRST, "ab")
    segments.build(SECOND, "bc")
    segments.build(THIRD, "abc")
    assert segments.history() == {
        ("a", FIRST, SECOND),
        ("a", THIRD, None),
        ("b", FIRST, None),
        ("c", SECOND, None),
    }
    assert segments.recorded() == segments.history()
    assert segments.sizes() == [(FIRST, 2, 2, 0), (SECOND, 2, 1, 1), (THIRD, 3, 1, 0)]


def test_a_day_that_is_built_again_replaces_what_it_recorded(segments: Segments) -> None:
    segments.build(FIRST, "ab")
    segments.build(SECOND, "c")
    segments.build(SECOND, "ad")
    assert segments.recorded() == {
        ("a", FIRST, None),
        ("b", FIRST, SECOND),
        ("d", SECOND, None),
    }
    assert segments.recorded() == segments.history()
    assert segments.sizes() == [(FIRST, 2, 2, 0), (SECOND, 2, 1, 1)]


def test_a_build_that_fails_records_nothing(segments: Segments) -> None:
    segments.build(FIRST, "ab")
    before = segments.recorded()
    segments.build(SECOND, "c", fails=True)
    assert segments.recorded() == before
    assert segments.sizes() == [(FIRST, 2, 2, 0)]


def test_a_full_rebuild_changes_nothing_that_was_recorded(segments: Segments) -> None:
    segments.build(FIRST, "ab")
    segments.build(SECOND, "b")
    before = segments.recorded()
    with duckdb.connect(str(segments.warehouse)) as connection:
        connection.execute("drop schema segments cascade; drop schema marts cascade")
    segments.build(SECOND, "b")
    assert segments.recorded() == segments.history() == before


def test_of_a_day_before_the_last_recorded_one_nothing_is_kept(segments: Segments) -> None:
    segments.build(FIRST, "ab")
    segments.build(THIRD, "b")
    before = segments.recorded()
    segments.build(SECOND, "c")
    assert segments.recorded() == before
    assert segments.history() == {
        ("a", FIRST, SECOND),
        ("b", FIRST, SECOND),
        ("c", SECOND, None),
    }


def test_history_follows_the_customer_through_a_merge_and_back(segments: Segments) -> None:
    segments.build(FIRST, "ab")
    segments.build(SECOND, "b", merged={"a": "b"})
    assert segments.history() == {("b", FIRST, None)}
    segments.build(THIRD, "a")
    assert segments.history() == {
        ("a", FIRST, SECOND),
        ("a", THIRD, None),
        ("b", FIRST, THIRD),
    }


def test_the_files_say_what_the_registry_says(segments: Segments) -> None:
    """A file per recorded day; a lost warehouse, or one from before, takes the days from them."""
    segments.build(FIRST, "ab")
    segments.save()
    backup = shutil.copyfile(segments.warehouse, segments.folder / "backup.duckdb")
    segments.build(SECOND, "c")
    segments.save()
    segments.build(SECOND, "bc")
    segments.build(THIRD, "ac")
    segments.save()
    spells, sizes = segments.recorded(), segments.sizes()
    files = [file.name for file in sorted(segments.registry.rglob("*.parquet"))]
    assert files == [f"{day}.parquet" for day in (FIRST, SECOND, THIRD)] * 2
    for older in (None, backup):
        segments.warehouse.unlink()
        if older:
            shutil.copyfile(older, segments.warehouse)
        segments.restore()
        assert segments.recorded() == spells
        assert segments.sizes() == sizes
    segments.build(THIRD, "ac")
    assert segments.recorded() == spells


def test_a_warehouse_that_knows_more_than_the_files_keeps_it(segments: Segments) -> None:
    segments.build(FIRST, "ab")
    segments.save()
    segments.build(SECOND, "b")
    before = segments.recorded()
    segments.restore()
    assert segments.recorded() == before


def test_who_was_erased_is_in_no_file_and_comes_back_with_no_backup(segments: Segments) -> None:
    segments.build(FIRST, "ab")
    segments.build(SECOND, "b")
    segments.save()
    backup = shutil.copyfile(segments.warehouse, segments.folder / "backup.duckdb")
    with duckdb.connect(str(segments.warehouse)) as connection:
        connection.execute("delete from registry.membership_spells where customer_id = 'a'")
        connection.execute(
            "insert into registry.erased_customers values ('a', 'a', 'x', '2026-06-29')"
        )
    segments.save()
    rows = duckdb.sql(
        f"select customer_id from read_parquet('{segments.registry}/memberships/*.parquet')"
    ).fetchall()
    assert rows == [("b",)]
    shutil.copyfile(backup, segments.warehouse)
    segments.restore()
    assert segments.recorded() == {("b", FIRST, None)}
