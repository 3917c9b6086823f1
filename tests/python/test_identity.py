"""Identity in increments: any split of the sightings ends in the components of all at once."""

import random
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from dbt.contracts.graph.manifest import Manifest

from orchestration.paths import Paths
from tests.python.conftest import differences
from tests.python.identity import (
    Sighting,
    customers_of_records,
    decide,
    deliver,
    empty_warehouse,
    forget,
    refused_rules,
    replay_of_log,
    resolve,
    set_rules,
)

BATCHES = 6
DECISIONS = [
    ("must", "shop:accounts:A1", "shop:accounts:A2"),
    ("must", "shop:orders:O3", "shop:accounts:A4"),
    ("cannot", "shop:accounts:A5", "shop:accounts:A6"),
    ("cannot", "shop:accounts:A2", "shop:accounts:A7"),
]


def random_sightings(seed: int) -> list[Sighting]:
    """Few values on few records: merges, kiosks, role addresses, tests and names that may not be
    one customer meet in every batch; each tells of days early and late.
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
            day = dice.randint(1, 3 * BATCHES)
            found += [
                Sighting(record, kind, value, batch, is_test, name, day) for kind, value in chosen
            ]
    return found


def random_rules(warehouse: Path) -> Path:
    """Decisions of people, and sightings that speak for so few days that kiosks are released."""
    decide(warehouse, DECISIONS)
    set_rules(warehouse, "phone", valid_days=5)
    set_rules(warehouse, "cookie", valid_days=3)
    return warehouse


def releases(warehouse: Path) -> tuple[int, int]:
    """How many identifiers were released from sharing, and how many have sightings too old."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        [found] = connection.execute(
            "select (select count(released_at) from identity.sharing), "
            "(select count(conducts_since) from identity.identifiers)"
        ).fetchall()
    return found


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


@pytest.mark.parametrize("seed", [1, 2])
def test_increments_end_where_a_full_build_does(
    demo: Paths, manifest: Manifest, tmp_path: Path, seed: int
) -> None:
    sightings = random_sightings(seed)
    grown = random_rules(empty_warehouse(demo, tmp_path / "grown" / "warehouse.duckdb"))
    before: set[tuple[str, str]] = set()
    for batch in range(1, BATCHES + 1):
        deliver(grown, [sighting for sighting in sightings if sighting.batch == batch])
        resolve(manifest, grown, batch, tmp_path)
        after = customers_of_records(grown)
        changed = {customer for _, customer in before ^ after}
        assert changed <= moved_customers(grown, batch)
        assert replay_of_log(grown) == []
        before = after

    at_once = random_rules(empty_warehouse(demo, tmp_path / "at_once" / "warehouse.duckdb"))
    deliver(at_once, sightings)
    resolve(manifest, at_once, BATCHES, tmp_path, "build")
    assert "account of shop" in refused_rules(at_once)
    assert min(releases(at_once)) > 0
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


def test_a_decision_holds_whatever_the_records_hold(
    demo: Paths, manifest: Manifest, tmp_path: Path
) -> None:
    """Two orders of one address are kept apart, one at a kiosk is joined, and no id changes."""
    warehouse = empty_warehouse(demo, tmp_path / "held" / "warehouse.duckdb")
    sightings = [
        *[Sighting(f"shop:orders:O{number}", "email", "anna@home.pl", 1) for number in (1, 2)],
        Sighting("shop:orders:O3", "email", "info@home.pl", 1),
        Sighting("shop:accounts:A4", "account", "shop:A4", 1),
    ]
    deliver(warehouse, sightings)
    resolve(manifest, warehouse, 1, tmp_path)
    before = dict(customers_of_records(warehouse))
    assert before["shop:orders:O1"] == before["shop:orders:O2"]
    decide(
        warehouse,
        [
            ("cannot", "shop:orders:O1", "shop:orders:O2"),
            ("must", "shop:orders:O3", "shop:accounts:A4"),
        ],
    )
    deliver(warehouse, sightings)
    forget(warehouse)
    resolve(manifest, warehouse, 1, tmp_path, "build")
    after = dict(customers_of_records(warehouse))
    assert after["shop:orders:O3"] == after["shop:accounts:A4"] == before["shop:accounts:A4"]
    apart = [after["shop:orders:O1"], after["shop:orders:O2"]]
    assert len(set(apart)) == 2
    assert before["shop:orders:O1"] in apart


def test_a_number_that_went_to_a_stranger_joins_no_more(
    demo: Paths, manifest: Manifest, tmp_path: Path
) -> None:
    """Three years later another order has it. Both live on as they are, whatever came first."""
    warehouse = empty_warehouse(demo, tmp_path / "recycled" / "warehouse.duckdb")
    phone, days = "+48501502503", 3 * 365
    deliver(
        warehouse,
        [
            Sighting("shop:orders:new", "phone", phone, 1, day=days + 1),
            Sighting("shop:orders:new", "email", "ewa@home.pl", 1, day=days + 1),
            Sighting("shop:orders:kept", "phone", phone, 1, day=2),
        ],
    )
    resolve(manifest, warehouse, 1, tmp_path)
    before = dict(customers_of_records(warehouse))
    assert before["shop:orders:new"] == before["shop:orders:kept"]
    deliver(
        warehouse,
        [
            Sighting("shop:orders:old", "phone", phone, 2, day=1),
            Sighting("shop:orders:old", "email", "anna@home.pl", 2, day=1),
        ],
    )
    resolve(manifest, warehouse, 2, tmp_path, "build")
    after = dict(customers_of_records(warehouse))
    stranger = after.pop("shop:orders:old")
    assert after == before
    assert stranger not in before.values()


def test_a_kiosk_becomes_somebodys_and_a_kiosk_again(
    demo: Paths, manifest: Manifest, tmp_path: Path
) -> None:
    """Three accounts at a time share it, two keep it shared, one is at home; then others come."""
    warehouse = empty_warehouse(demo, tmp_path / "released" / "warehouse.duckdb")
    set_rules(warehouse, "cookie", max_accounts=2, valid_days=100)
    batches = [
        [("A", 1), ("B", 1), ("C", 1)],
        [("B", 50), ("A", 101)],
        [("A", 150)],
        [("D", 151)],
        [("E", 152)],
    ]
    told = []
    for batch, uses in enumerate(batches, start=1):
        for account, day in uses:
            record = f"shop:accounts:{account}"
            own = Sighting(record, "account", f"shop:{account}", batch, False, account, day)
            deliver(warehouse, [own, replace(own, id_type="cookie", id_value="shop:till")])
        resolve(manifest, warehouse, batch, tmp_path, "build", accept=True)
        with duckdb.connect(str(warehouse), read_only=True) as connection:
            told += connection.execute(
                "select status from identity.identifiers where id_value = 'shop:till'"
            ).fetchall()
    assert [status for (status,) in told] == [
        *("shared", "shared", "conducting", "conducting", "shared")
    ]
    assert replay_of_log(warehouse) == []


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


def test_a_cut_follows_who_was_seen_last(demo: Paths, manifest: Manifest, tmp_path: Path) -> None:
    """The address of two accounts stays with the one that used it last, in increments as well."""
    visits = [("A1", "Anna", 1), ("A2", "Bert", 2), ("A1", "Anna", 3)]
    grown = empty_warehouse(demo, tmp_path / "grown" / "warehouse.duckdb")
    at_once = empty_warehouse(demo, tmp_path / "at_once" / "warehouse.duckdb")
    for batch, (account, name, day) in enumerate(visits, start=1):
        own = Sighting(
            f"shop:accounts:{account}", "account", f"shop:{account}", batch, False, name, day
        )
        both = [own, replace(own, id_type="email", id_value="home@home.pl")]
        deliver(grown, both)
        resolve(manifest, grown, batch, tmp_path)
        deliver(at_once, both)
    resolve(manifest, at_once, len(visits), tmp_path, "build")
    assert differences(at_once, grown, ("identity",)) == {}
    assert replay_of_log(grown) == []


def test_who_shares_a_device_is_a_household_and_not_a_customer(
    demo: Paths, manifest: Manifest, tmp_path: Path
) -> None:
    """Six at one device may live together, seven are guests of a shop."""
    warehouse = empty_warehouse(demo, tmp_path / "home" / "warehouse.duckdb")
    for device, people in {"home": 2, "villa": 6, "kiosk": 7}.items():
        for number in range(people):
            account = f"{device}{number}"
            record = f"shop:accounts:{account}"
            deliver(
                warehouse,
                [
                    Sighting(record, "account", f"shop:{account}", 1, given_name=f"Nr{number}"),
                    Sighting(record, "cookie", f"shop:{device}", 1, given_name=f"Nr{number}"),
                ],
            )
    resolve(manifest, warehouse, 1, tmp_path, "build")
    customers = dict(customers_of_records(warehouse))
    assert len(set(customers.values())) == 2 + 6 + 7
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        homes = dict(
            connection.execute(
                "select customer_id, (household_id, customer_count, evidence) "
                "from identity.households"
            ).fetchall()
        )
    assert set(homes) == {
        customer for record, customer in customers.items() if "kiosk" not in record
    }
    assert {(count, *evidence) for _, count, evidence in homes.values()} == {
        (2, "shared cookie"),
        (6, "shared cookie"),
    }
    assert len({household for household, _, _ in homes.values()}) == 2


def test_four_types_of_identifier_lead_from_one_record_to_the_last(
    demo: Paths, manifest: Manifest, tmp_path: Path
) -> None:
    """No two ties are of one type, and the ends share nothing; a browser's print joins nobody."""
    warehouse = empty_warehouse(demo, tmp_path / "four" / "warehouse.duckdb")
    seen = {
        "shop:accounts:A1": [("account", "shop:A1"), ("email", "anna@home.pl")],
        "service:cases:K1": [("email", "anna@home.pl"), ("phone", "+48501502503")],
        "shop:registrations:R1": [("phone", "+48501502503"), ("registration", "shop:R1")],
        "shop:orders:O1": [("registration", "shop:R1"), ("social", "google:77")],
        "app:contacts:E1": [("social", "google:77"), ("contact", "app:E1"), ("fingerprint", "f")],
        "shop:accounts:A2": [("account", "shop:A2"), ("fingerprint", "f")],
    }
    deliver(
        warehouse,
        [
            Sighting(record, id_type, id_value, 1)
            for record, values in seen.items()
            for id_type, id_value in values
        ],
    )
    resolve(manifest, warehouse, 1, tmp_path, "build")
    customers = dict(customers_of_records(warehouse))
    stranger = customers.pop("shop:accounts:A2")
    assert set(customers) == set(seen) - {"shop:accounts:A2"}
    assert len(set(customers.values())) == 1
    assert stranger not in customers.values()
