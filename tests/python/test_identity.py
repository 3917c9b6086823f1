"""Identity in increments: any split of the sightings ends in the components of all at once."""

import json
import random
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest

from orchestration.paths import PROJECT, Paths
from orchestration.warehouse import dbt
from tests.python.conftest import differences

BATCHES = 6
FIRST_DAY = date(2026, 1, 1)


@dataclass(frozen=True)
class Sighting:
    """One identifier on one record; `is_test` turns the record into a test from then on."""

    record: str
    id_type: str
    id_value: str
    batch: int
    is_test: bool


@pytest.fixture(scope="module")
def manifest(demo: Paths) -> Manifest:
    return dbt.parse(demo)


def random_sightings(seed: int) -> list[Sighting]:
    """Few values on few records: merges, kiosks, role addresses and tests meet in every batch."""
    dice = random.Random(seed)
    found = []
    for batch in range(1, BATCHES + 1):
        for _ in range(12):
            number = dice.randint(1, 20)
            is_guest = dice.random() < 0.3
            record = f"shop:orders:O{number}" if is_guest else f"shop:accounts:A{number}"
            values = [
                ("email", f"person{dice.randint(1, 14)}@home.pl"),
                ("email", "info@home.pl"),
                ("phone", f"+4850000000{dice.randint(0, 9)}"),
                ("cookie", f"shop:v{dice.randint(1, 12)}"),
            ]
            chosen = [] if is_guest else [("account", f"shop:A{number}")]
            chosen += dice.sample(values, dice.randint(1, 2))
            is_test = not is_guest and dice.random() < 0.1
            found += [Sighting(record, kind, value, batch, is_test) for kind, value in chosen]
    return found


def empty_warehouse(demo: Paths, file: Path) -> Path:
    """A warehouse with the seeds of the demo's and its entities without rows."""
    file.parent.mkdir()
    with duckdb.connect(str(file)) as connection:
        connection.execute(f"attach '{demo.warehouse}' as demo (read_only)")
        connection.execute("create schema reference; create schema entities")
        for name in ("identity_rules", "blocked_identifiers"):
            connection.execute(f"create table reference.{name} as from demo.reference.{name}")
        for name in ("identifier_sightings", "profiles"):
            connection.execute(f"create table entities.{name} as from demo.entities.{name} limit 0")
    return file


def deliver(warehouse: Path, sightings: list[Sighting]) -> None:
    """Fold sightings into the entities, as their models do."""
    with duckdb.connect(str(warehouse)) as connection:
        for sighting in sightings:
            seen_on = FIRST_DAY + timedelta(days=sighting.batch)
            key = [sighting.record, sighting.id_type, sighting.id_value]
            where = "record_key = ? and id_type = ? and id_value = ?"
            table = "entities.identifier_sightings"
            if connection.execute(f"select 1 from {table} where {where}", key).fetchall():
                connection.execute(
                    f"update {table} set last_seen_at = ?, load_id = ? where {where}",
                    [seen_on, sighting.batch, *key],
                )
            else:
                connection.execute(
                    f"insert into {table} by name select ? as record_key, "
                    "split_part(?, ':', 1) as source_system, "
                    "split_part(?, ':', 2) as source_entity, "
                    "split_part(?, ':', 3) as source_record_id, ? as id_type, ? as id_value, "
                    "? as first_seen_at, ? as last_seen_at, ? as delivered_on, ? as load_id",
                    [*[sighting.record] * 4, *key[1:], *[seen_on] * 3, sighting.batch],
                )
            if sighting.id_type == "account":
                connection.execute(
                    "delete from entities.profiles where record_key = ?", [sighting.record]
                )
                connection.execute(
                    "insert into entities.profiles by name "
                    "select ? as record_key, ? as is_test, ? as load_id",
                    [sighting.record, sighting.is_test, sighting.batch],
                )


def resolve(manifest: Manifest, warehouse: Path, load_id: int, folder: Path) -> None:
    dbt._point_profile_to(warehouse)
    result = dbtRunner(manifest=manifest).invoke(
        [
            *("run", "--select", "path:models/identity", "--quiet", "--log-level", "none"),
            *("--vars", json.dumps({"as_of": "2026-06-30", "load_id": load_id})),
            *("--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)),
            *("--target-path", str(folder / "target"), "--log-path", str(folder / "logs")),
        ]
    )
    DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
    assert result.success, result.exception or result.result


def customers_of_records(warehouse: Path) -> set[tuple[str, str]]:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return set(
            connection.execute(
                "select record_key, customer_id from identity.records where customer_id is not null"
            ).fetchall()
        )


def moved_customers(warehouse: Path, load_id: int) -> set[str]:
    """The customers that somebody who reads what changed in a load would recompute."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        rows = connection.execute(
            """
            select customer_id from identity.clusters where load_id >= $load_id
            union
            select unnest(former_customer_ids) from identity.clusters where load_id >= $load_id
            union
            select customer_id from identity.records where load_id >= $load_id
            """,
            {"load_id": load_id},
        ).fetchall()
    return {customer for (customer,) in rows}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_increments_end_where_a_full_build_does(
    demo: Paths, manifest: Manifest, tmp_path: Path, seed: int
) -> None:
    sightings = random_sightings(seed)
    grown = empty_warehouse(demo, tmp_path / "grown" / "warehouse.duckdb")
    before: set[tuple[str, str]] = set()
    for batch in range(1, BATCHES + 1):
        deliver(grown, [sighting for sighting in sightings if sighting.batch == batch])
        resolve(manifest, grown, batch, tmp_path)
        after = customers_of_records(grown)
        changed = {customer for _, customer in before ^ after}
        assert changed <= moved_customers(grown, batch)
        before = after

    at_once = empty_warehouse(demo, tmp_path / "at_once" / "warehouse.duckdb")
    deliver(at_once, sightings)
    resolve(manifest, at_once, BATCHES, tmp_path)
    assert differences(at_once, grown, ("identity",)) == {}
    assert len({customer for _, customer in before}) > 3


def test_the_customer_is_named_after_what_was_delivered_first(
    demo: Paths, manifest: Manifest, tmp_path: Path
) -> None:
    """A merge keeps the older id, and delivering a batch again changes nothing."""
    warehouse = empty_warehouse(demo, tmp_path / "named" / "warehouse.duckdb")
    old = Sighting("shop:orders:O1", "email", "anna@home.pl", 1, False)
    new = Sighting("shop:orders:O2", "phone", "+48501502503", 2, False)
    deliver(warehouse, [old])
    resolve(manifest, warehouse, 1, tmp_path)
    [(_, anna)] = customers_of_records(warehouse)
    deliver(warehouse, [new])
    resolve(manifest, warehouse, 2, tmp_path)
    assert len({customer for _, customer in customers_of_records(warehouse)}) == 2
    both = [
        Sighting("shop:accounts:A3", "account", "shop:A3", 3, False),
        Sighting("shop:accounts:A3", "email", "anna@home.pl", 3, False),
        Sighting("shop:accounts:A3", "phone", "+48501502503", 3, False),
    ]
    deliver(warehouse, both)
    resolve(manifest, warehouse, 3, tmp_path)
    assert {customer for _, customer in customers_of_records(warehouse)} == {anna}
    resolve(manifest, warehouse, 3, tmp_path)
    assert {customer for _, customer in customers_of_records(warehouse)} == {anna}
