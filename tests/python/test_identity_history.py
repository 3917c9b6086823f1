"""What identity did is on record: wrong merges are undone, old ids still lead somewhere."""

import shutil
from pathlib import Path

import duckdb
import pytest
from dbt.contracts.graph.manifest import Manifest

from orchestration.benchmarks.accuracy import measure
from orchestration.paths import Paths
from orchestration.warehouse.workspace import choose_workspace, finish_build, start_build
from tests.python.conftest import EMPTY_REGISTRY, UNTIL
from tests.python.identity import (
    Sighting,
    customers_of_records,
    deliver,
    empty_warehouse,
    events,
    forget,
    replay_of_log,
    resolve,
    set_rules,
)

KIOSK = "+48221112233"
VISITORS = 1_000
OTHERS = 50


def test_a_kiosk_that_joined_a_thousand_gives_them_all_back(
    demo: Paths, manifest: Manifest, tmp_path: Path
) -> None:
    """Blocking it brings every old id back, changes nobody else, and the log tells all of it."""
    warehouse = empty_warehouse(demo, tmp_path / "kiosk" / "warehouse.duckdb")
    people = [f"shop:orders:O{number}" for number in range(VISITORS + OTHERS)]
    own = [Sighting(record, "email", f"{record[-5:]}@home.pl", 1) for record in people]
    deliver(warehouse, own)
    resolve(manifest, warehouse, 1, tmp_path)
    before = customers_of_records(warehouse)
    assert len({customer for _, customer in before}) == VISITORS + OTHERS

    set_rules(warehouse, "phone", max_emails=None)
    set_rules(warehouse, "email", max_holders=None)
    deliver(warehouse, [Sighting(record, "phone", KIOSK, 2) for record in people[:VISITORS]])
    resolve(manifest, warehouse, 2, tmp_path)
    assert len({customer for _, customer in customers_of_records(warehouse)}) == OTHERS + 1
    assert replay_of_log(warehouse) == []

    set_rules(warehouse, "phone", max_emails=3)
    set_rules(warehouse, "email", max_holders=5)
    forget(warehouse)
    resolve(manifest, warehouse, 2, tmp_path)
    assert customers_of_records(warehouse) == before
    assert replay_of_log(warehouse) == []
    assert events(warehouse) == {
        (2, "merged", VISITORS - 1),
        (3, "split", VISITORS - 1),
        (3, "blocked", 1),
    }


def test_a_monster_is_stopped_until_a_person_lets_it_pass(
    demo: Paths, manifest: Manifest, tmp_path: Path
) -> None:
    """The log holds nothing of it, so that the next run is stopped as well."""
    warehouse = empty_warehouse(demo, tmp_path / "monster" / "warehouse.duckdb")
    set_rules(warehouse, "phone", max_emails=None)
    set_rules(warehouse, "email", max_holders=None)
    people = [f"shop:orders:O{number}" for number in range(300)]
    deliver(warehouse, [Sighting(record, "email", f"{record}@home.pl", 1) for record in people])
    resolve(manifest, warehouse, 1, tmp_path, "build")
    deliver(warehouse, [Sighting(record, "phone", KIOSK, 2) for record in people])
    for _ in range(2):
        with pytest.raises(AssertionError, match="assert_identity_changes_stay_in_bounds"):
            resolve(manifest, warehouse, 2, tmp_path, "build")
    assert events(warehouse) == set()
    resolve(manifest, warehouse, 2, tmp_path, "build", accept=True)
    assert events(warehouse) == {(2, "merged", 299)}
    deliver(warehouse, [Sighting(people[0], "email", "another@home.pl", 3)])
    resolve(manifest, warehouse, 3, tmp_path, "build")


def test_an_id_whose_identifiers_join_nobody_any_more_is_closed(
    demo: Paths, manifest: Manifest, tmp_path: Path
) -> None:
    """A merged id leads to whoever its founder went to; one that nobody inherits says so."""
    warehouse = empty_warehouse(demo, tmp_path / "closed" / "warehouse.duckdb")
    deliver(
        warehouse,
        [
            Sighting("shop:orders:O1", "email", "anna@home.pl", 1),
            Sighting("shop:orders:O2", "phone", "+48501502503", 1),
            Sighting("shop:orders:O3", "email", "biurko@home.pl", 1),
        ],
    )
    resolve(manifest, warehouse, 1, tmp_path)
    first = dict(customers_of_records(warehouse))
    deliver(
        warehouse,
        [
            Sighting("shop:orders:O4", "email", "anna@home.pl", 2),
            Sighting("shop:orders:O4", "phone", "+48501502503", 2),
        ],
    )
    resolve(manifest, warehouse, 2, tmp_path)
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(
            "insert into reference.blocked_identifiers "
            "values ('email', 'local_part', 'biurko', 'role address')"
        )
    forget(warehouse)
    resolve(manifest, warehouse, 2, tmp_path)
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        meaning = dict(
            connection.execute(
                "select customer_id, (status, current_customer_id) from marts.customer_id_history"
            ).fetchall()
        )
    [anna] = {customer for _, customer in customers_of_records(warehouse)}
    assert anna in (first["shop:orders:O1"], first["shop:orders:O2"])
    assert meaning == {
        first["shop:orders:O1"]: ("live" if anna == first["shop:orders:O1"] else "merged", anna),
        first["shop:orders:O2"]: ("live" if anna == first["shop:orders:O2"] else "merged", anna),
        first["shop:orders:O3"]: ("closed", None),
    }
    assert replay_of_log(warehouse) == []


def test_twenty_more_kiosks_change_nobody_whom_they_do_not_touch(
    demo: Paths, manifest: Manifest, tmp_path: Path
) -> None:
    """Each kiosk is seen with 50 customers; precision stays within half a point."""
    warehouse = tmp_path / "kiosks" / "warehouse.duckdb"
    warehouse.parent.mkdir()
    shutil.copyfile(demo.warehouse, warehouse)
    before = customers_of_records(warehouse)
    accuracy = measure(warehouse, demo.truth)
    with duckdb.connect(str(warehouse)) as connection:
        [(load_id,)] = connection.execute(
            "select max(load_id) + 1 from entities.identifier_sightings"
        ).fetchall()
        connection.execute(
            """
            insert into entities.identifier_sightings
            select * exclude (place) replace (
                'cookie' as id_type,
                'demo_shop:kiosk' || place % 20 as id_value,
                timestamp '2026-06-29' as first_seen_at,
                timestamp '2026-06-29' as last_seen_at,
                date '2026-06-30' as delivered_on,
                $load_id as load_id
            )
            from (
                select *, row_number() over (order by hash(record_key)) as place
                from entities.identifier_sightings
                where id_type = 'account'
                qualify place <= 1000
            )
            """,
            {"load_id": load_id},
        )
        touched = {
            record
            for (record,) in connection.execute(
                "select record_key from entities.identifier_sightings where load_id = ?", [load_id]
            ).fetchall()
        }
    resolve(manifest, warehouse, load_id, tmp_path, "build")
    after = customers_of_records(warehouse)
    assert len(touched) == 1000
    assert {record for record, _ in before ^ after} <= touched
    assert measure(warehouse, demo.truth).precision > accuracy.precision - 0.005


def test_a_lost_warehouse_does_not_lose_what_old_ids_mean(tmp_path: Path) -> None:
    """The log is in files of its own, one for each build that changed something."""
    paths = Paths(tmp_path / "data")
    workspace = choose_workspace(paths, UNTIL)
    for build_number in (1, 2, 2):
        start = start_build(workspace, paths, [])
        with duckdb.connect(str(workspace.warehouse)) as warehouse:
            warehouse.execute(EMPTY_REGISTRY)
            warehouse.execute(
                "insert into registry.identity_log select $number, 'c' || $number where not exists "
                "(select 1 from registry.identity_log where build_number = $number)",
                {"number": build_number},
            )
        finish_build(workspace, start)
        workspace.warehouse.unlink()
    start_build(workspace, paths, [])
    with duckdb.connect(str(workspace.warehouse)) as warehouse:
        kept = warehouse.execute("from registry.identity_log order by all").fetchall()
    assert kept == [(1, "c1"), (2, "c2")]
    assert [file.name for file in sorted(workspace.registry.iterdir())] == [
        "00000001.parquet",
        "00000002.parquet",
    ]
