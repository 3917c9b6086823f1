"""Identity in increments: any split of the sightings ends in the components of all at once."""

import json
import random
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest

from orchestration.paths import PROJECT, Paths
from orchestration.warehouse import dbt
from tests.python.conftest import differences

BATCHES = 6
DECISIONS = [
    ("must", "shop:accounts:A1", "shop:accounts:A2"),
    ("must", "shop:orders:O3", "shop:accounts:A4"),
    ("cannot", "shop:accounts:A5", "shop:accounts:A6"),
    ("cannot", "shop:accounts:A2", "shop:accounts:A7"),
]
FIRST_DAY = date(2026, 1, 1)

_TESTS = ("--exclude-resource-type", "unit_test", "--indirect-selection", "buildable")


@dataclass(frozen=True)
class Sighting:
    """One identifier on one record; from then on that record is a test or not, of that name."""

    record: str
    id_type: str
    id_value: str
    batch: int
    is_test: bool = False
    given_name: str = "Anna"


@pytest.fixture(scope="module")
def manifest(demo: Paths) -> Manifest:
    return dbt.parse(demo)


def random_sightings(seed: int) -> list[Sighting]:
    """Few values on few records: merges, kiosks, role addresses, tests and names that may not be
    one customer meet in every batch.
    """
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
            name = dice.choice(["Anna", "Ewa"])
            found += [Sighting(record, kind, value, batch, is_test, name) for kind, value in chosen]
    return found


def empty_warehouse(demo: Paths, file: Path) -> Path:
    """A warehouse with the seeds of the demo's and its entities without rows."""
    file.parent.mkdir()
    with duckdb.connect(str(file)) as connection:
        connection.execute(f"attach '{demo.warehouse}' as demo (read_only)")
        connection.execute("create schema reference; create schema entities")
        for name in ("identity_rules", "identity_overrides", "blocked_identifiers"):
            connection.execute(f"create table reference.{name} as from demo.reference.{name}")
        for name in ("identifier_sightings", "profiles"):
            connection.execute(f"create table entities.{name} as from demo.entities.{name} limit 0")
    return file


def decide(warehouse: Path, decisions: list[tuple[str, str, str]]) -> None:
    """Put decisions of people into the seed: link, left and right record."""
    with duckdb.connect(str(warehouse)) as connection:
        for decision in decisions:
            connection.execute(
                "insert into reference.identity_overrides by name "
                "select ? as link, ? as left_record, ? as right_record",
                list(decision),
            )


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
                    "select ? as record_key, ? as is_test, ? as first_name, ? as load_id",
                    [sighting.record, sighting.is_test, sighting.given_name, sighting.batch],
                )


def resolve(
    manifest: Manifest, warehouse: Path, load_id: int, folder: Path, verb: str = "run"
) -> None:
    """Run the identity models; with the verb build, their data tests too."""
    dbt._point_profile_to(warehouse)
    result = dbtRunner(manifest=manifest).invoke(
        [
            *(verb, "--select", "path:models/identity", "--quiet", "--log-level", "none"),
            *(_TESTS if verb == "build" else ()),
            *("--vars", json.dumps({"as_of": "2026-06-30", "load_id": load_id})),
            *("--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)),
            *("--target-path", str(folder / "target"), "--log-path", str(folder / "logs")),
        ]
    )
    DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
    nodes: Any = result.result or []
    failed = [node for node in nodes if node.failures or node.status == "error"]
    assert result.success, [(node.node.name, node.message) for node in failed]


def customers_of_records(warehouse: Path) -> set[tuple[str, str]]:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return set(
            connection.execute(
                "select record_key, customer_id from identity.records where customer_id is not null"
            ).fetchall()
        )


def refused_rules(warehouse: Path) -> set[str]:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        rows = connection.execute("select rule from identity.refused_merges").fetchall()
    return {rule for (rule,) in rows}


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
    decide(grown, DECISIONS)
    before: set[tuple[str, str]] = set()
    for batch in range(1, BATCHES + 1):
        deliver(grown, [sighting for sighting in sightings if sighting.batch == batch])
        resolve(manifest, grown, batch, tmp_path)
        after = customers_of_records(grown)
        changed = {customer for _, customer in before ^ after}
        assert changed <= moved_customers(grown, batch)
        before = after

    at_once = empty_warehouse(demo, tmp_path / "at_once" / "warehouse.duckdb")
    decide(at_once, DECISIONS)
    deliver(at_once, sightings)
    resolve(manifest, at_once, BATCHES, tmp_path, "build")
    assert "account of shop" in refused_rules(at_once)
    assert differences(at_once, grown, ("identity",)) == {}
    assert len({customer for _, customer in before}) > 3


def test_the_customer_is_named_after_what_was_delivered_first(
    demo: Paths, manifest: Manifest, tmp_path: Path
) -> None:
    """A merge keeps the older id, and delivering a batch again changes nothing."""
    warehouse = empty_warehouse(demo, tmp_path / "named" / "warehouse.duckdb")
    old = Sighting("shop:orders:O1", "email", "anna@home.pl", 1)
    new = Sighting("shop:orders:O2", "phone", "+48501502503", 2)
    deliver(warehouse, [old])
    resolve(manifest, warehouse, 1, tmp_path)
    [(_, anna)] = customers_of_records(warehouse)
    deliver(warehouse, [new])
    resolve(manifest, warehouse, 2, tmp_path)
    assert len({customer for _, customer in customers_of_records(warehouse)}) == 2
    both = [
        Sighting("shop:accounts:A3", "account", "shop:A3", 3),
        Sighting("shop:accounts:A3", "email", "anna@home.pl", 3),
        Sighting("shop:accounts:A3", "phone", "+48501502503", 3),
    ]
    deliver(warehouse, both)
    resolve(manifest, warehouse, 3, tmp_path)
    assert {customer for _, customer in customers_of_records(warehouse)} == {anna}
    resolve(manifest, warehouse, 3, tmp_path)
    assert {customer for _, customer in customers_of_records(warehouse)} == {anna}


def test_decisions_of_people_win_over_every_rule(
    demo: Paths, manifest: Manifest, tmp_path: Path
) -> None:
    """Two names in one shop are one customer by decision; what shares a phone is two."""
    warehouse = empty_warehouse(demo, tmp_path / "decided" / "warehouse.duckdb")
    decide(
        warehouse,
        [
            ("must", "shop:accounts:A1", "shop:accounts:A2"),
            ("cannot", "shop:accounts:A3", "shop:orders:O4"),
        ],
    )
    deliver(
        warehouse,
        [
            Sighting("shop:accounts:A1", "account", "shop:A1", 1, given_name="Anna"),
            Sighting("shop:accounts:A2", "account", "shop:A2", 1, given_name="Ewa"),
            Sighting("shop:accounts:A3", "account", "shop:A3", 1),
            Sighting("shop:accounts:A3", "phone", "+48501502503", 1),
            Sighting("shop:orders:O4", "phone", "+48501502503", 1),
        ],
    )
    resolve(manifest, warehouse, 1, tmp_path, "build")
    customers = dict(customers_of_records(warehouse))
    assert customers["shop:accounts:A1"] == customers["shop:accounts:A2"]
    assert customers["shop:accounts:A3"] != customers["shop:orders:O4"]
    assert refused_rules(warehouse) == {"kept apart"}


def test_two_names_on_two_accounts_are_two_customers(
    demo: Paths, manifest: Manifest, tmp_path: Path
) -> None:
    """The phone of a household stays with the first; who forgot an account is still one."""
    warehouse = empty_warehouse(demo, tmp_path / "two" / "warehouse.duckdb")
    household = [
        ("A1", "Anna", [("phone", "+48501502503"), ("email", "anna@home.pl")]),
        ("A2", "Piotr", [("phone", "+48501502503")]),
        ("A3", "ANNA Maria", [("email", "anna@home.pl")]),
    ]
    for batch, (account, given_name, values) in enumerate(household, start=1):
        record = f"shop:accounts:{account}"
        for id_type, id_value in [("account", f"shop:{account}"), *values]:
            sighting = Sighting(record, id_type, id_value, batch, given_name=given_name)
            deliver(warehouse, [sighting])
        resolve(manifest, warehouse, batch, tmp_path)
    customers = dict(customers_of_records(warehouse))
    assert customers["shop:accounts:A1"] == customers["shop:accounts:A3"]
    assert customers["shop:accounts:A1"] != customers["shop:accounts:A2"]
    assert refused_rules(warehouse) == {"account of shop"}
