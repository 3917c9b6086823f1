"""Publishing, its readers and its accidents, with real files and real processes."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from multiprocessing import get_context
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.paths import PROJECT, Paths
from orchestration.warehouse.serving import (
    STEPS,
    Origin,
    Published,
    PublishError,
    publish,
    read_meta,
    rollback,
)

# Children are forked from a process that has no threads and has imported what takes long.
CLEAN = get_context("forkserver")
CLEAN.set_forkserver_preload(["duckdb", "hypothesis", "pytest", "orchestration.warehouse.serving"])
PATIENCE = 60
SCHEMAS = ("marts", "segments")
ROWS = 2_000
ANEW = Origin({}, "1", 1, {})


def quiet(_line: str) -> None:
    pass


def build(paths: Paths, number: int, rows: int = ROWS) -> None:
    """A finished warehouse whose every relation carries the number of the build."""
    paths.data.mkdir(parents=True, exist_ok=True)
    for name in ("warehouse.duckdb", "warehouse.duckdb.wal"):
        (paths.data / name).unlink(missing_ok=True)
    with duckdb.connect(str(paths.warehouse)) as connection:
        connection.execute(
            f"""
            create schema marts;
            create schema segments;
            create table marts.customers as
            select range as id, {number} as build from range({rows});
            create table marts.orders as select range as id, {number} as build from range({rows});
            create view segments.few as select * from "warehouse"."marts"."customers" where id < 9
            """
        )


def build_with(paths: Paths, *statements: str) -> None:
    """A small warehouse and what `statements` add to it."""
    build(paths, 1, rows=3)
    with duckdb.connect(str(paths.warehouse)) as connection:
        for statement in statements:
            connection.execute(statement)


def publish_to(paths: Paths, keep: int = 3, after_step: Callable[[str], None] = quiet) -> Published:
    return publish(
        paths.warehouse, paths.serving, paths.versions, SCHEMAS, ANEW, keep, quiet, after_step
    )


def ask(file: Path, question: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(question).fetchall()


# The builds found in two tables and a view, and their rows, in one statement each.
WHICH = (
    "select build, count(*) from marts.customers group by build",
    "select build, count(*) from marts.orders group by build",
    "select distinct build, null from segments.few",
)


def which_build(connection: duckdb.DuckDBPyConnection) -> int:
    """The number of the one build that all relations come from."""
    found = [connection.execute(question).fetchall() for question in WHICH]
    number = found[0][0][0]
    assert found == [[(number, ROWS)], [(number, ROWS)], [(number, None)]], found
    return int(number)


def served_build(paths: Paths) -> int:
    with duckdb.connect(str(paths.serving), read_only=True) as connection:
        return which_build(connection)


def litter(paths: Paths) -> set[str]:
    """Names of files that are neither the warehouse, the link nor a whole version."""
    names = {file.name for folder in (paths.data, paths.versions) for file in folder.iterdir()}
    versions = {name for name in names if name.startswith("serving-")}
    return names - versions - {"warehouse.duckdb", "serving.duckdb", "serving"}


def versions_of(paths: Paths) -> list[str]:
    return sorted(file.name for file in paths.versions.iterdir())


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "data")


# --- What is published ------------------------------------------------------------------------


def test_tables_and_views_arrive_with_all_their_rows(paths: Paths) -> None:
    build_with(
        paths,
        """
        create table marts.odd as
        from (values
            (1, 'nan'::double, 12.34::decimal(18, 2), {'a': [1, null]}, timestamptz '2024-03-31'),
            (1, 'nan'::double, 12.34::decimal(18, 2), {'a': [1, null]}, timestamptz '2024-03-31'),
            (null, '-inf'::double, null, null, null)
        ) as t (a, "B c", d, e, f)
        """,
        "create table marts.empty (a integer not null)",
        "create view marts.sums as select sum(id) as total from marts.customers",
    )
    published = publish_to(paths)
    assert published.rows == {
        "marts.customers": 3,
        "marts.empty": 0,
        "marts.odd": 3,
        "marts.orders": 3,
        "marts.sums": 1,
        "segments.few": 3,
    }
    for relation in published.rows:
        built = ask(paths.warehouse, f"select * from {relation}")
        served = ask(paths.serving, f"select * from {relation}")
        assert sorted(map(repr, served)) == sorted(map(repr, built)), relation
    stay = "select view_name from duckdb_views() where not internal order by view_name"
    assert ask(paths.serving, stay) == [("few",), ("sums",)]


def test_only_the_named_schemas_are_published(paths: Paths) -> None:
    build_with(paths, "create schema pii", "create table pii.names as select 'Ada' as name")
    published = publish_to(paths)
    assert b"Ada" not in published.file.read_bytes()
    schemas = ask(
        paths.serving, "select distinct schema_name from duckdb_tables() where not internal"
    )
    assert sorted(schemas) == [("marts",), ("meta",)]


def test_a_schema_without_relations_is_there_and_empty(paths: Paths) -> None:
    build(paths, 1)
    publish(paths.warehouse, paths.serving, paths.versions, ("marts", "audiences"), ANEW, 1, quiet)
    assert ask(paths.serving, "from duckdb_schemas() select 1 where schema_name = 'audiences'")


def test_a_version_says_what_it_is(paths: Paths) -> None:
    build(paths, 1)
    about = {"as_of": "2024-02-29", "note": 'it\'s "odd"; -- \n'}
    origin = Origin(about, "1", 1, {})
    published = publish(paths.warehouse, paths.serving, paths.versions, SCHEMAS, origin, 3, quiet)
    meta = read_meta(paths.serving)
    assert about.items() <= meta.items()
    assert published.file.name == f"serving-{meta['version']}.duckdb"
    assert meta["published_at"].endswith("+00:00")
    relations = ask(paths.serving, "from meta.relations")
    assert {f"{schema}.{name}": rows for schema, name, rows in relations} == published.rows


def test_a_view_of_too_many_rows_is_published_uncounted(paths: Paths) -> None:
    build(paths, 1)
    origin = Origin({}, "1", 1, {}, {"segments.few"})
    published = publish(paths.warehouse, paths.serving, paths.versions, SCHEMAS, origin, 3, quiet)
    assert ask(paths.serving, "select count(*) from segments.few") == [(9,)]
    assert sorted(published.rows) == ["marts.customers", "marts.orders"]


def test_comments_are_kept(paths: Paths) -> None:
    build_with(
        paths,
        "comment on table marts.customers is 'One row a customer; it''s \"all\"'",
        "comment on column marts.customers.id is 'Opaque key'",
        "comment on view segments.few is 'A few'",
        "comment on column segments.few.build is 'Number'",
    )
    publish_to(paths)
    comments = ask(
        paths.serving,
        """
        select comment from duckdb_tables() where comment is not null
        union all
        select comment from duckdb_views() where comment is not null
        union all
        select comment from duckdb_columns() where comment is not null
        """,
    )
    assert sorted(comments) == [
        ("A few",),
        ("Number",),
        ('One row a customer; it\'s "all"',),
        ("Opaque key",),
    ]


def test_older_readers_can_open_the_file_and_nobody_can_write_it(paths: Paths) -> None:
    build(paths, 1)
    published = publish_to(paths)
    assert published.file.stat().st_mode & 0o777 == 0o444
    with duckdb.connect() as connection:
        connection.execute(f"attach '{published.file}' as served (read_only)")
        storage = connection.execute(
            "select tags['storage_version'] from duckdb_databases() where database_name = 'served'"
        ).fetchone()
    assert storage is not None
    assert storage[0].startswith("v1.2.0")


# --- Views ------------------------------------------------------------------------------------

STAY_VIEWS = {
    "plain": "select * from marts.customers",
    "a_qualified": 'select c.id from "warehouse"."marts"."customers" as c',
    "another_case": "select id from WAREHOUSE.Marts.CUSTOMERS",
    "a_over_plain": "select id from warehouse.segments.plain",
    "a_over_a_over_plain": "select id from warehouse.segments.a_over_plain where id > 0",
    "column_named_in_full": "select warehouse.marts.customers.id from warehouse.marts.customers",
    "text": "select 'warehouse.marts.customers' as t, '\"warehouse\".' as u, 'ü' as \"warehouse\" "
    "from warehouse.marts.customers",
    "own_query": "with customers as (select * from warehouse.marts.customers) "
    "select id from customers where exists (select 1 from warehouse.marts.orders where id = 1)",
    "joined": "select c.id, o.build from warehouse.marts.customers as c "
    "left join warehouse.marts.orders as o on o.id = c.id + 1",
    "pivoted": "select * from (pivot warehouse.marts.customers on id in (0, 1) using count(*))",
    "combined": "select id from warehouse.marts.customers union all by name select 7 as build",
    "a column called as (": 'select id as "b as c" from warehouse.marts.customers',
}
BECOME_TABLES = {
    "outside": "select * from warehouse.pii.names",
    "outside_main": "select * from loose",
    "a_function": "select * from range(3), marts.customers",
    "half_outside": "select id from marts.customers where id in (select 1 from pii.names)",
}


def views_of(paths: Paths) -> set[str]:
    rows = ask(paths.serving, "select view_name from duckdb_views() where not internal")
    return {name for (name,) in rows}


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def assert_same_rows(paths: Paths, names: set[str]) -> None:
    with (
        duckdb.connect(str(paths.warehouse), read_only=True) as warehouse,
        duckdb.connect(str(paths.serving), read_only=True) as serving,
    ):
        for name in names:
            question = f"select * from segments.{quoted(name)}"
            built = warehouse.execute(question).fetchall()
            served = serving.execute(question).fetchall()
            assert sorted(map(repr, served)) == sorted(map(repr, built)), name


def test_segments_stay_views_without_the_warehouse(paths: Paths, tmp_path: Path) -> None:
    # In the order of their names, views come before those that they read.
    build_with(
        paths,
        *(f"create view segments.{quoted(name)} as {sql}" for name, sql in STAY_VIEWS.items()),
        'create view segments.renamed ("the as id") as select id from warehouse.marts.customers',
    )
    publish_to(paths)
    assert views_of(paths) == {*STAY_VIEWS, "few", "renamed"}
    assert_same_rows(paths, views_of(paths))
    moved = tmp_path / "under another name.duckdb"
    shutil.copy(paths.serving, moved)
    assert ask(moved, "select * from segments.a_over_a_over_plain order by id") == [(1,), (2,)]


def test_segments_that_read_more_than_is_published_become_tables(paths: Paths) -> None:
    build_with(
        paths,
        "create schema pii",
        "create table pii.names as select 'Ada' as name",
        "create table loose as select 5 as a",
        *(f"create view segments.{name} as {sql}" for name, sql in BECOME_TABLES.items()),
        "create view segments.a_view_of_a_table as select * from warehouse.segments.outside",
    )
    publish_to(paths)
    assert views_of(paths) == {"few", "a_view_of_a_table"}
    assert_same_rows(paths, {*BECOME_TABLES, "a_view_of_a_table"})


NASTY = st.text(alphabet='warehouse."marts"\'; \n\t-*/ü\\()🙂', max_size=30)


@given(st.lists(st.tuples(NASTY, NASTY), min_size=1, max_size=20))
@settings(max_examples=6, deadline=None)
def test_no_text_or_name_in_a_view_is_changed(
    tmp_path_factory: pytest.TempPathFactory, views: list[tuple[str, str]]
) -> None:
    paths = Paths(tmp_path_factory.mktemp("views"))
    build_with(
        paths,
        *(
            f"create view segments.v{number} as select {literal(text)} as t, "
            f"c.id as {quoted(name or 'id')} from warehouse.marts.customers as c"
            for number, (text, name) in enumerate(views)
        ),
    )
    publish_to(paths)
    names = {f"v{number}" for number in range(len(views))}
    assert names < views_of(paths)
    assert_same_rows(paths, names)
    columns = "select table_name, column_name from duckdb_columns() where schema_name = 'segments'"
    assert sorted(ask(paths.serving, columns)) == sorted(ask(paths.warehouse, columns))


def test_a_view_that_cannot_be_read_is_named_and_nothing_is_published(paths: Paths) -> None:
    build(paths, 1)
    publish_to(paths)
    build_with(
        paths,
        "create macro shift(x) as x + 1",
        "create view segments.shifted as select shift(id) as id from warehouse.marts.customers",
    )
    with pytest.raises(PublishError, match=r"segments\.shifted cannot be published: Catalog Error"):
        publish_to(paths)
    assert served_build(paths) == 1
    assert litter(paths) == set()


def test_a_value_that_cannot_be_read_is_not_shown(paths: Paths) -> None:
    build_with(
        paths,
        "create schema entities",
        "create table entities.mails as select 'ada@example.com' as mail",
        "create view marts.numbers as select mail::integer as n from entities.mails",
    )
    with pytest.raises(PublishError, match=r"marts\.numbers cannot be published") as refusal:
        publish_to(paths)
    assert "ada" not in str(refusal.value)


# --- Readers ----------------------------------------------------------------------------------


def read_on(link: Path, begun: Event, stop: Event, report: "Queue[dict[str, Any]]") -> None:
    """Keep one connection, connect again and again by the link, and report what was seen."""
    failure = ""
    seen: list[int] = []
    with duckdb.connect(str(link), read_only=True) as old:
        first = which_build(old)
        begun.set()
        try:
            last_round = False
            while not last_round:
                last_round = stop.is_set()
                assert which_build(old) == first
                with duckdb.connect(str(link), read_only=True) as new:
                    seen.append(which_build(new))
                    assert which_build(new) == seen[-1]
        except (duckdb.Error, AssertionError) as error:
            failure = f"{type(error).__name__}: {error}"
    report.put({"first": first, "seen": seen, "failure": failure})


def test_readers_see_one_whole_version_while_ten_are_published(paths: Paths) -> None:
    build(paths, 0)
    publish_to(paths)
    begun, stop = CLEAN.Event(), CLEAN.Event()
    report: Queue[dict[str, Any]] = CLEAN.Queue()
    reader = CLEAN.Process(target=read_on, args=(paths.serving, begun, stop, report))
    reader.start()
    try:
        assert begun.wait(PATIENCE)
        for number in range(1, 11):
            build(paths, number)
            publish_to(paths, keep=11)
        stop.set()
        told = report.get(timeout=PATIENCE)
        reader.join(PATIENCE)
    finally:
        reader.kill()
    assert told["failure"] == ""
    assert told["first"] == 0
    assert told["seen"] == sorted(told["seen"]), "no reader goes back"
    assert told["seen"][-1] == 10
    assert len(set(told["seen"])) > 2, "the reader read between publications"


def test_a_process_that_still_reads_the_old_version_can_open_the_new_one(paths: Paths) -> None:
    build(paths, 1)
    publish_to(paths)
    with closing(duckdb.connect(str(paths.serving), read_only=True)) as old:
        build(paths, 2)
        publish_to(paths, keep=1)
        with closing(duckdb.connect(str(paths.serving), read_only=True)) as new:
            assert which_build(new) == 2
            assert which_build(old) == 1


# --- Accidents --------------------------------------------------------------------------------


def publish_and_die(paths: Paths, last_step: str) -> None:
    def die(step: str) -> None:
        if step == last_step:
            os._exit(9)

    publish_to(paths, after_step=die)


def publish_slowly(paths: Paths, begun: Event) -> None:
    begun.set()
    publish_to(paths, after_step=lambda _: time.sleep(0.01))


def run_to_death(paths: Paths, last_step: str) -> None:
    process = CLEAN.Process(target=publish_and_die, args=(paths, last_step))
    process.start()
    process.join(PATIENCE)
    assert process.exitcode == 9


def test_every_step_can_be_killed(paths: Paths) -> None:
    build(paths, 1)
    steps: list[str] = []
    publish_to(paths, after_step=steps.append)
    assert tuple(steps) == STEPS


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_publication_leaves_the_old_or_the_new_version(paths: Paths, step: str) -> None:
    build(paths, 1)
    publish_to(paths, keep=2)
    build(paths, 2)
    run_to_death(paths, step)
    switched = STEPS.index(step) >= STEPS.index("switch link")
    assert served_build(paths) == (2 if switched else 1)
    build(paths, 3)
    publish_to(paths, keep=2)
    assert served_build(paths) == 3
    assert litter(paths) == set()
    assert len(versions_of(paths)) == 2
    rollback(paths.serving, paths.versions)
    assert served_build(paths) == (2 if switched else 1), "only what was served comes back"


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_first_publication_leaves_nothing_or_the_whole(paths: Paths, step: str) -> None:
    build(paths, 1)
    run_to_death(paths, step)
    if STEPS.index(step) >= STEPS.index("switch link"):
        assert served_build(paths) == 1
    else:
        assert not paths.serving.is_symlink()
    build(paths, 2)
    publish_to(paths, keep=1)
    assert served_build(paths) == 2
    assert litter(paths) == set()
    assert len(versions_of(paths)) == 1


def test_publications_killed_at_any_moment_do_no_harm(paths: Paths) -> None:
    chance = random.Random(7)
    build(paths, 0)
    publish_to(paths)
    served = 0
    for number in range(1, 9):
        build(paths, number)
        begun = CLEAN.Event()
        process = CLEAN.Process(target=publish_slowly, args=(paths, begun))
        process.start()
        assert begun.wait(PATIENCE)
        time.sleep(chance.uniform(0, 0.3))
        process.kill()
        process.join(PATIENCE)
        assert served_build(paths) in (served, number)
        served = served_build(paths)
    publish_to(paths)
    assert served_build(paths) == 8
    assert litter(paths) == set()


def commit_and_die(paths: Paths) -> None:
    connection = duckdb.connect(str(paths.warehouse))
    connection.execute("insert into marts.customers values (99, 1)")
    os._exit(9)


def test_rows_that_only_the_wal_of_the_warehouse_has_are_published(paths: Paths) -> None:
    build(paths, 1, rows=3)
    process = CLEAN.Process(target=commit_and_die, args=(paths,))
    process.start()
    process.join(PATIENCE)
    assert paths.warehouse.with_name("warehouse.duckdb.wal").exists()
    publish_to(paths)
    assert ask(paths.serving, "select id from marts.customers where id = 99") == [(99,)]


def test_a_foreign_wal_beside_the_link_or_a_draft_does_no_harm(paths: Paths) -> None:
    build(paths, 1, rows=3)
    process = CLEAN.Process(target=commit_and_die, args=(paths,))
    process.start()
    process.join(PATIENCE)
    foreign = paths.warehouse.with_name("warehouse.duckdb.wal").read_bytes()
    build(paths, 2)
    paths.serving.with_name("serving.duckdb.wal").write_bytes(foreign)
    paths.versions.mkdir()
    (paths.versions / ".tmp-x.duckdb.wal").write_bytes(foreign)
    (paths.versions / ".tmp-x.spill").mkdir()
    (paths.versions / ".tmp-x.spill" / "part").write_bytes(b"")
    publish_to(paths)
    assert served_build(paths) == 2
    assert len(versions_of(paths)) == 1


def open_and_wait(warehouse: Path, begun: Event) -> None:
    with duckdb.connect(str(warehouse)):
        begun.set()
        time.sleep(PATIENCE)


def test_a_warehouse_that_is_being_built_is_not_published(paths: Paths) -> None:
    build(paths, 1)
    begun = CLEAN.Event()
    builder = CLEAN.Process(target=open_and_wait, args=(paths.warehouse, begun))
    builder.start()
    try:
        assert begun.wait(PATIENCE)
        with pytest.raises(PublishError, match=f"is open in process {builder.pid} "):
            publish_to(paths)
    finally:
        builder.kill()
    assert litter(paths) == set()


def test_a_missing_or_damaged_warehouse_leaves_the_link_alone(paths: Paths) -> None:
    build(paths, 1)
    publish_to(paths)
    content = paths.warehouse.read_bytes()
    paths.warehouse.unlink()
    with pytest.raises(PublishError, match="does not exist: build it first"):
        publish_to(paths)
    paths.warehouse.write_bytes(content[: len(content) // 4])
    with pytest.raises(PublishError, match="build again from the landed files"):
        publish_to(paths)
    assert served_build(paths) == 1
    assert litter(paths) == set()


def test_a_file_in_the_place_of_the_link_is_not_overwritten(paths: Paths) -> None:
    build(paths, 1)
    paths.serving.write_text("mine")
    with pytest.raises(PublishError, match=r"serving\.duckdb is not a link: move it away"):
        publish_to(paths)
    assert paths.serving.read_text() == "mine"
    assert not paths.versions.exists()


def test_a_link_that_leads_nowhere_is_mended(paths: Paths) -> None:
    build(paths, 1)
    publish_to(paths).file.unlink()
    with pytest.raises(PublishError, match="leads to no file"):
        read_meta(paths.serving)
    publish_to(paths)
    assert served_build(paths) == 1


# Its first argument is a folder on a disk of 8 MB: a small version fits, a large one does not.
ON_A_SMALL_DISK = """
import json, sys
from pathlib import Path
import duckdb
sys.path.insert(0, "tests/python")
from test_serving import ANEW, Paths, PublishError, build, publish, quiet, served_build, SCHEMAS

disk, home = Path(sys.argv[1]), Paths(Path(sys.argv[2]))
served = Paths(disk)

def try_to_publish():
    try:
        publish(home.warehouse, served.serving, served.versions, SCHEMAS, ANEW, 1, quiet)
    except PublishError as error:
        return str(error)
    return ""

build(home, 1)
said = [try_to_publish()]
build(home, 2)
with duckdb.connect(str(home.warehouse)) as connection:
    connection.execute("create table marts.large as select uuid() from range(1_000_000)")
said.append(try_to_publish())
after_failure = served_build(served)
files = sorted(file.name for file in disk.rglob("*"))
build(home, 3)
said.append(try_to_publish())
print(json.dumps([said, after_failure, files, served_build(served)]))
"""


def test_a_full_disk_is_explained_and_leaves_the_old_version(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = 'mount -t tmpfs -o size=8m tmpfs "$1" || exit 77; shift; exec "$@"'
    own = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh", str(disk))
    child = (sys.executable, "-c", ON_A_SMALL_DISK, str(disk), str(tmp_path / "home"))
    if not shutil.which("unshare"):
        pytest.skip("needs unshare of util-linux")
    done = subprocess.run([*own, *child], cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode in (1, 77) and "Traceback" not in done.stderr:
        pytest.skip("this user may not mount a small disk")
    assert done.returncode == 0, done.stderr
    said, after_failure, files, in_the_end = json.loads(done.stdout)
    assert said[0] == said[2] == ""
    assert said[1].startswith(f"no space left in {disk / 'serving'}: ")
    assert "Free some space (versions kept: 1, 1 MB)" in said[1]
    assert (after_failure, in_the_end) == (1, 3)
    assert [name for name in files if not name.startswith("serving")] == []
    assert len(files) == 3


# --- Only what changed ------------------------------------------------------------------------


def change(paths: Paths, load_id: int, values: dict[int, int | None]) -> None:
    """Set the value of some orders in a load; None removes an order."""
    with duckdb.connect(str(paths.warehouse)) as connection:
        connection.execute("create schema if not exists marts")
        connection.execute(
            "create table if not exists marts.orders "
            "(order_id integer, channel varchar, value integer, load_id bigint)"
        )
        for order, value in values.items():
            connection.execute("delete from marts.orders where order_id = ?", [order])
            if value is not None:
                connection.execute(
                    "insert into marts.orders values (?, 'shop', ?, ?)", [order, value, load_id]
                )
        connection.execute(
            "create or replace view marts.orders_seen as "
            "select * from marts.orders where value % 2 = 0"
        )


def publish_load(paths: Paths, load_id: int, full_build: str = "1") -> list[tuple[Any, ...]]:
    """Publish what a load changed; the orders that readers have then."""
    keys = {"marts.orders": ["order_id", "channel"]}
    origin = Origin({}, full_build, load_id, keys)
    publish(paths.warehouse, paths.serving, paths.versions, ("marts",), origin, 2, quiet)
    return ask(paths.serving, "from marts.orders order by all")


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.integers(1, 6), st.none() | st.integers(0, 9), max_size=4),
            st.booleans(),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_publishing_changes_equals_publishing_all(
    tmp_path_factory: pytest.TempPathFactory,
    loads: list[tuple[dict[int, int | None], bool]],
) -> None:
    """Rows that are new, changed, gone or back, in loads of which not each was published."""
    paths = Paths(tmp_path_factory.mktemp("changes") / "data")
    paths.data.mkdir()
    for load_id, (values, is_published) in enumerate(loads, start=1):
        change(paths, load_id, values)
        if is_published:
            expected = ask(paths.warehouse, "from marts.orders order by all")
            assert publish_load(paths, load_id) == expected


def test_only_rows_of_later_loads_are_read_again(paths: Paths) -> None:
    """A row that was changed behind the back of load_id tells what was carried over."""
    paths.data.mkdir()
    change(paths, 1, {1: 10, 2: 20})
    publish_load(paths, 1)
    with duckdb.connect(str(paths.warehouse)) as connection:
        connection.execute("update marts.orders set value = 11 where order_id = 1")
    change(paths, 2, {3: 30})
    assert publish_load(paths, 2) == [(1, "shop", 10, 1), (2, "shop", 20, 1), (3, "shop", 30, 2)]
    built_anew = publish_load(paths, 2, full_build="2")
    assert built_anew == [(1, "shop", 11, 1), (2, "shop", 20, 1), (3, "shop", 30, 2)]


def test_after_a_rollback_the_changes_since_are_published_again(paths: Paths) -> None:
    paths.data.mkdir()
    change(paths, 1, {1: 10})
    publish_load(paths, 1)
    change(paths, 2, {1: 20})
    publish_load(paths, 2)
    rollback(paths.serving, paths.versions)
    change(paths, 3, {2: 30})
    assert publish_load(paths, 3) == [(1, "shop", 20, 2), (2, "shop", 30, 3)]


def test_a_damaged_version_is_not_built_upon(paths: Paths) -> None:
    paths.data.mkdir()
    change(paths, 1, {1: 10})
    publish_load(paths, 1)
    damaged = paths.serving.resolve()
    damaged.chmod(0o644)
    damaged.write_bytes(b"not a database" * 1000)
    assert publish_load(paths, 1) == [(1, "shop", 10, 1)]


# --- Old versions -----------------------------------------------------------------------------


def test_the_last_versions_are_kept(paths: Paths) -> None:
    files = []
    for number in range(1, 6):
        build(paths, number)
        files.append(publish_to(paths, keep=2).file.name)
    assert files == sorted(files)
    assert versions_of(paths) == files[-2:]
    assert paths.serving.readlink() == Path("serving") / files[-1]


def test_at_least_one_version_is_kept(paths: Paths) -> None:
    with pytest.raises(ValueError, match="keep is 0"):
        publish_to(paths, keep=0)


def test_a_link_to_a_file_elsewhere_costs_no_version(paths: Paths, tmp_path: Path) -> None:
    build(paths, 1)
    first = publish_to(paths).file
    elsewhere = tmp_path / "a.duckdb"
    shutil.copy(first, elsewhere)
    paths.serving.unlink()
    paths.serving.symlink_to(elsewhere)
    build(paths, 2)
    second = publish_to(paths).file
    assert versions_of(paths) == [first.name, second.name]
    assert elsewhere.exists()


def test_rollback_goes_back_one_version_at_a_time(paths: Paths) -> None:
    for number in (1, 2, 3):
        build(paths, number)
        publish_to(paths)
    versions = versions_of(paths)
    assert rollback(paths.serving, paths.versions).name == versions[1]
    assert served_build(paths) == 2
    assert rollback(paths.serving, paths.versions).name == versions[0]
    assert served_build(paths) == 1
    with pytest.raises(PublishError, match="no version before"):
        rollback(paths.serving, paths.versions)
    assert served_build(paths) == 1


def test_a_version_that_was_rolled_back_from_does_not_come_back(paths: Paths) -> None:
    for number in (1, 2):
        build(paths, number)
        publish_to(paths)
    rollback(paths.serving, paths.versions)
    build(paths, 3)
    publish_to(paths)
    assert served_build(paths) == 3
    rollback(paths.serving, paths.versions)
    assert served_build(paths) == 1


def test_there_is_nothing_to_roll_back_or_read_before_the_first_publication(paths: Paths) -> None:
    with pytest.raises(PublishError, match="publish first"):
        rollback(paths.serving, paths.versions)
    with pytest.raises(PublishError, match="publish first"):
        read_meta(paths.serving)


def test_a_clock_that_goes_back_does_not_mix_up_the_versions(paths: Paths) -> None:
    build(paths, 1)
    first = publish_to(paths).file
    ahead = first.with_name("serving-20991231T235959999999Z-beef.duckdb")
    first.rename(ahead)
    paths.serving.unlink()
    paths.serving.symlink_to(Path("serving") / ahead.name)
    build(paths, 2)
    assert publish_to(paths).file.name > ahead.name
    assert served_build(paths) == 2
    assert rollback(paths.serving, paths.versions).name == ahead.name
    assert served_build(paths) == 1
