"""The whole road on the demo group: what it finds, that it repeats, that increments add up."""

import json
import shutil
from datetime import date, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from orchestration.benchmarks.accuracy import measure
from orchestration.definitions import build_definitions
from orchestration.ingest.ledger import read_ledger
from orchestration.launch import BuildError, dagster_home
from orchestration.paths import PROJECT, Paths
from orchestration.warehouse.assets import PUBLIC_SCHEMAS
from orchestration.warehouse.serving import read_meta
from orchestration.warehouse.workspace import (
    choose_workspace,
    code_version,
    is_up_to_date,
    segments_version,
    start_build,
)
from tests.python.conftest import (
    UNTIL,
    build,
    copy_built,
    copy_landing,
    data_folder,
    differences,
    move_day,
)

LAYERS = ("audiences", "marts", "pii", "segments", "identity", "entities")
PERSONAS = (
    "new_buyer",
    "high_value_buyer",
    "losing_buyer",
    "vanished_buyer",
    "abandoned_cart",
    "abandoned_checkout",
    "birthday",
)


pytestmark = pytest.mark.usefixtures("parsed_project")


@pytest.fixture(scope="session")
def truth(demo: Paths) -> duckdb.DuckDBPyConnection:
    """A connection that sees the warehouse and the truth side by side."""
    connection = duckdb.connect()
    connection.execute(f"attach '{demo.warehouse}' as warehouse (read_only)")
    connection.execute("use warehouse")
    for name in ("record_person", "person_labels"):
        connection.execute(
            f"create view memory.main.{name} as from read_parquet('{demo.truth / name}.parquet')"
        )
    connection.execute(
        """
        create table memory.main.found as
        select records.customer_id, record_person.person_id, record_person.source_entity
        from memory.main.record_person
        inner join marts.customer_records as records
            using (source_system, source_entity, source_record_id)
        """
    )
    return connection


@pytest.mark.parametrize("persona", PERSONAS)
def test_every_planted_persona_is_found_and_nobody_else(
    truth: duckdb.DuckDBPyConnection, demo: Paths, persona: str
) -> None:
    planted = json.loads((demo.truth / "planted.json").read_text())["labels"][persona]
    found = truth.execute(
        f"""
        with members as (select customer_id from segments.{persona}),
        persons as (
            select distinct members.customer_id, found.person_id
            from members inner join memory.main.found using (customer_id)
        ),
        labelled as (select person_id from memory.main.person_labels where label = ?)
        select
            (select count(*) from members),
            (select count(distinct person_id) from persons semi join labelled using (person_id)),
            (select count(*) from persons anti join labelled using (person_id))
        """,
        [persona],
    ).fetchall()
    assert found == [(planted, planted, 0)]


def test_every_ready_segment_has_members(truth: duckdb.DuckDBPyConnection) -> None:
    files = (PROJECT / "models" / "segments").rglob("seg_*.sql")
    segments = [file.stem.removeprefix("seg_") for file in files]
    assert len(segments) > 40
    empty = [
        segment
        for segment in segments
        if truth.execute(f"select count(*) from segments.{segment}").fetchall() == [(0,)]
    ]
    assert empty == []


def test_nobody_has_two_styles(truth: duckdb.DuckDBPyConnection) -> None:
    styles = " union all ".join(
        f"select customer_id from segments.{style}_buyer"
        for style in ("stylish", "practical", "discount")
    )
    assert (
        truth.execute(
            f"select customer_id from ({styles}) group by customer_id having count(*) > 1"
        ).fetchall()
        == []
    )


def test_identity_finds_persons(demo: Paths) -> None:
    """Pairs of records (accounts, cards, contacts) of one person, found and wrongly found."""
    found = measure(demo.warehouse, demo.truth)
    assert found.precision >= 0.985
    assert found.recall >= 0.875
    assert found.f1 >= 0.928


def test_the_same_input_twice_gives_the_same_tables(
    demo: Paths, demo_landing: Paths, tmp_path: Path
) -> None:
    again = copy_landing(demo_landing, Paths(tmp_path / "data"))
    build(again)
    assert differences(demo.warehouse, again.warehouse, LAYERS) == {}


def test_three_daily_increments_equal_one_full_build(
    demo: Paths, demo_landing: Paths, tmp_path: Path
) -> None:
    paths = copy_landing(demo_landing, Paths(tmp_path / "data"))
    waiting = Paths(tmp_path / "waiting").landing
    days = [UNTIL - timedelta(days=back) for back in (2, 1, 0)]
    for day in days:
        move_day(paths.landing, waiting, day)
    build(paths, days[0] - timedelta(days=1))
    for day in days:
        move_day(waiting, paths.landing, day)
        build(paths, day)
    with duckdb.connect(str(paths.warehouse), read_only=True) as warehouse:
        kinds = warehouse.execute(
            "select is_full_refresh from meta.builds order by started_at"
        ).fetchall()
    assert kinds == [(True,), (False,), (False,), (False,)]
    assert differences(demo.warehouse, paths.warehouse, LAYERS) == {}
    # Readers have it too, although only what changed was published.
    assert differences(paths.warehouse, paths.serving, PUBLIC_SCHEMAS) == {}


def test_a_build_with_nothing_new_changes_nothing(demo: Paths, tmp_path: Path) -> None:
    paths = copy_built(demo, Paths(tmp_path / "data"))
    build(paths)
    assert differences(demo.warehouse, paths.warehouse, LAYERS) == {}


def test_tables_that_are_in_the_warehouse_already_are_built_when_they_change(
    tmp_path: Path,
) -> None:
    """A data engineer's own tables, with nothing in the landing folder."""
    paths = Paths(tmp_path / "data")
    paths.data.mkdir()
    with duckdb.connect(str(paths.warehouse)) as warehouse:
        warehouse.execute("create schema raw_tables")
        warehouse.execute(
            "create table raw_tables.orders as select 'O-1' as order_id, 'domowo' as brand_id, "
            "timestamp '2026-05-01' as ordered_at, 'paid' as status, 'EUR' as currency, "
            "'anna@home.pl' as email"
        )
    build(paths)
    orders = "select order_id, customer_id is not null from marts.orders order by order_id"
    assert ask(paths.serving, orders) == [("warehouse:orders:O-1", True)]
    assert is_up_to_date(paths, UNTIL)

    with duckdb.connect(str(paths.warehouse)) as warehouse:
        warehouse.execute(
            "insert into raw_tables.orders values "
            "('O-2', 'domowo', '2026-06-02', 'paid', 'EUR', 'anna@home.pl')"
        )
    assert not is_up_to_date(paths, UNTIL)
    build(paths)
    both = [("warehouse:orders:O-1", True), ("warehouse:orders:O-2", True)]
    assert ask(paths.serving, orders) == both
    assert is_up_to_date(paths, UNTIL)

    replay = build(paths, date(2026, 5, 31))
    assert ask(replay.serving, orders) == [("warehouse:orders:O-1", True)]


def ask(file: Path, question: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(question).fetchall()


def test_a_replay_shows_the_past_and_leaves_readers_alone(
    demo: Paths, day_before: Paths, tmp_path: Path
) -> None:
    """Built as of an earlier day, the warehouse equals one that never saw what came later."""
    day = UNTIL - timedelta(days=1)
    paths = copy_built(demo, Paths(tmp_path / "data"))
    published = paths.serving.resolve()
    backfill(paths, day)
    replay = choose_workspace(paths, day)
    assert replay.is_replay
    assert paths.serving.resolve() == published
    assert read_meta(replay.serving)["as_of"] == day.isoformat()
    assert differences(day_before.warehouse, replay.warehouse, LAYERS) == {}


def backfill(paths: Paths, day: date) -> None:
    """Run one partition of the job `replay`, as a backfill in Dagster's UI does."""
    with data_folder(paths):
        dagster_home(paths)
        job = build_definitions().resolve_job_def("replay")
        with dg.DagsterInstance.get() as instance:
            result = job.execute_in_process(instance=instance, partition_key=day.isoformat())
    assert result.success


def test_a_refused_file_stops_the_build_and_readers_keep_what_they_have(
    demo: Paths, tmp_path: Path
) -> None:
    paths = copy_built(demo, Paths(tmp_path / "data"))
    published = paths.serving.resolve()
    broken = paths.landing / "demo_shop" / "orders" / "2026-07-01.csv"
    broken.write_text("order_id,brand,ordered_at,status,currency\nO-1,domowo,2026-07-01,paid,PLN\n")
    with pytest.raises(BuildError, match="brand_id"):
        build(paths, UNTIL + timedelta(days=1))
    assert paths.serving.resolve() == published
    broken.unlink()
    build(paths, UNTIL + timedelta(days=1))
    assert read_meta(paths.serving)["as_of"] == "2026-07-01"


def test_a_day_in_the_future_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="lies in the future"):
        build(Paths(tmp_path), date(2999, 1, 1))


def test_another_pepper_is_another_build(monkeypatch: pytest.MonkeyPatch) -> None:
    before = code_version()
    monkeypatch.setenv("SEGMENT_OF_ONE_PEPPER", "another")
    assert code_version() != before


def test_another_version_of_a_library_is_another_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers and addresses are read otherwise by it: what stands has to be read again."""
    before = code_version()
    monkeypatch.setattr(metadata, "version", lambda library: f"{library} of tomorrow")
    assert code_version() != before


def test_a_new_rule_builds_the_segments_anew_and_nothing_else(
    demo: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    for folder in ("models", "macros", "seeds", "orchestration"):
        shutil.copytree(PROJECT / folder, project / folder)
    shutil.copy(PROJECT / "dbt_project.yml", project)
    before = code_version(project), segments_version(project)
    with (project / "seeds" / "segments" / "segment_rules.csv").open("a") as rules:
        rules.write("one_more,One more,order_count > 1,,,crm,email,\n")
    assert code_version(project) == before[0]
    assert segments_version(project) != before[1]

    paths = copy_built(demo, Paths(tmp_path / "data"))
    assert is_up_to_date(paths, UNTIL)
    monkeypatch.setattr(
        "orchestration.warehouse.workspace.segments_version", lambda: segments_version(project)
    )
    assert not is_up_to_date(paths, UNTIL)
    start = start_build(choose_workspace(paths, UNTIL), paths, read_ledger(paths))
    assert start.reason is None
    with duckdb.connect(str(paths.warehouse)) as warehouse:
        schemas = warehouse.execute(
            "select distinct schema_name from duckdb_tables() where schema_name in "
            "('marts', 'segments', 'audiences')"
        ).fetchall()
    assert schemas == [("marts",)]


def test_published_tables_hold_no_personal_data(demo: Paths) -> None:
    """No e-mail address, phone or family name of the landing files is anywhere in the file."""
    with duckdb.connect(str(demo.serving), read_only=True) as published:
        schemas = published.execute(
            "select distinct table_schema from information_schema.tables order by 1"
        ).fetchall()
        assert schemas == [("audiences",), ("marts",), ("meta",), ("segments",)]
        texts = published.execute(
            """
            select table_schema, table_name, column_name from information_schema.columns
            where data_type = 'VARCHAR' and table_schema <> 'meta'
            """
        ).fetchall()
        for schema, table, column in texts:
            [(suspicious,)] = published.execute(
                f"""
                select count(*) from {schema}.{table}
                where regexp_matches("{column}", '@[a-z0-9-]+\\.[a-z]{{2,}}')
                    or regexp_matches("{column}", '^\\+[0-9]{{9,15}}$')
                """
            ).fetchall()
            assert suspicious == 0, f"{schema}.{table}.{column}"


def test_readers_see_every_mart_and_segment(demo: Paths) -> None:
    with (
        duckdb.connect(str(demo.serving), read_only=True) as published,
        duckdb.connect(str(demo.warehouse), read_only=True) as warehouse,
    ):
        names = (
            "select table_schema || '.' || table_name from information_schema.tables "
            "where table_schema in ('marts', 'segments', 'audiences') order by 1"
        )
        assert published.execute(names).fetchall() == warehouse.execute(names).fetchall()
        views = {
            name
            for (name,) in published.execute(
                "select view_name from duckdb_views() where schema_name = 'segments'"
            ).fetchall()
        }
        # As a table it would hold every condition of everybody.
        assert "explanations" in views
        segments = published.execute("select segment_id from segments.catalog").fetchall()
        memberships = dict(
            published.execute(
                "select segment_id, count(*) from segments.memberships group by 1"
            ).fetchall()
        )
        for (segment,) in segments:
            assert segment in views
            [(rows,)] = published.execute(f'select count(*) from segments."{segment}"').fetchall()
            assert rows == memberships.get(segment, 0), segment
        for stage in ("potential", "new", "active", "at_risk", "inactive", "lost", "reactivated"):
            assert (f"lifecycle_{stage}",) in segments
        assert {(segment,) for segment in memberships} <= set(segments)
