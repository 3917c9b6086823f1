"""Who is erased is out of the graph and the registry for good, and nobody else is touched."""

import shutil
from pathlib import Path

import duckdb
import pytest
from dbt.contracts.graph.manifest import Manifest

from orchestration.paths import Paths
from orchestration.warehouse.dbt import DbtError
from orchestration.warehouse.registry import ErasureError, erase_customers
from orchestration.warehouse.workspace import is_up_to_date
from tests.python.conftest import UNTIL, build, copy_built, data_folder, quiet
from tests.python.identity import (
    Sighting,
    customers_of_records,
    deliver,
    empty_warehouse,
    forget,
    replay_of_log,
    resolve,
)

GRAPH = ("identity", "registry", "predictions", "marts", "pii", "segments", "audiences")


def one_of_two_at_a_device(warehouse: Path) -> tuple[str, str]:
    """A customer who shares a device with one other, and that device."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        [(customer, device)] = connection.execute(
            """
            select min(records.customer_id), sharing.id_value
            from identity.sharing
            inner join entities.identifier_sightings as seen using (id_type, id_value)
            inner join identity.records using (record_key)
            where sharing.id_type = 'cookie' and released_at is null
            group by sharing.id_value
            having count(*) = 2 and count(distinct records.customer_id) = 2
            order by 2
            limit 1
            """
        ).fetchall()
    return str(customer), str(device)


def traces(warehouse: Path, customer: str) -> list[str]:
    """All that stands for an identifier that nobody but the customer holds: value, hash, node."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        rows = connection.execute(
            """
            select unnest([id_value, id_key, node::varchar])
            from identity.identifiers
            where node in (
                select node
                from identity.edges
                left join identity.records using (record_key)
                group by node
                having bool_and(customer_id is not distinct from $customer)
            )
            """,
            {"customer": customer},
        ).fetchall()
    return [trace for (trace,) in rows]


def tables_that_hold(warehouse: Path, values: list[str]) -> list[str]:
    """The tables of the graph and after it with one of the values in some column."""
    found = []
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        tables = connection.execute(
            "select table_schema || '.' || table_name, list(column_name) "
            "from information_schema.columns "
            "where list_contains(?, table_schema) "
            "or (table_schema, table_name) = ('entities', 'identifier_sightings') group by all",
            [list(GRAPH)],
        ).fetchall()
        for table, columns in tables:
            cells = ", ".join(f'"{column}"::varchar' for column in columns)
            [(held,)] = connection.execute(
                f"select count(*) from (select unnest([{cells}]) as cell from {table}) "
                "where list_contains(?, cell)",
                [values],
            ).fetchall()
            if held:
                found.append(table)
    return found


def spells_in_segments(file: Path, customer: str) -> int:
    with duckdb.connect(str(file), read_only=True) as connection:
        [(count,)] = connection.execute(
            "select count(*) from segments.membership_history where customer_id = ?", [customer]
        ).fetchall()
    return int(count)


def status(warehouse: Path, customer: str) -> tuple[str, str]:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        [found] = connection.execute(
            "select status, current_customer_id from marts.customer_id_history "
            "where customer_id = ?",
            [customer],
        ).fetchall()
    return found


def test_an_erased_customer_leaves_a_tombstone_and_no_trace(demo: Paths, tmp_path: Path) -> None:
    """The id says that it was erased, the other one at the device has it alone, and nobody else is
    another customer. A backup of the warehouse from before brings nobody back.
    """
    paths = copy_built(demo, Paths(tmp_path / "data"))
    victim, device = one_of_two_at_a_device(paths.warehouse)
    left = traces(paths.warehouse, victim)
    assert "identity.identifiers" in tables_that_hold(paths.warehouse, left)
    assert spells_in_segments(paths.warehouse, victim) > 0
    before = customers_of_records(paths.warehouse)
    with duckdb.connect(str(paths.warehouse)) as connection:
        connection.execute(
            "insert into registry.experiment_assignments values ('test', ?, 'mail', null, ?)",
            [victim, UNTIL],
        )
        connection.execute(
            "insert into predictions.product_recommendations "
            "values (?, 'discover', 1, 'tea', 1, 'others buy it', ?)",
            [victim, UNTIL],
        )
        connection.execute(
            "insert into predictions.lookalikes values ('new_buyer', ?, 1, 0.9, 'alike', ?)",
            [victim, UNTIL],
        )
        connection.execute(
            "create table predictions.channel_choices_candidates as "
            "select ? as customer_id, 'email' as best_channel",
            [victim],
        )

    with data_folder(paths):
        with pytest.raises(DbtError, match="there never was a customer c-unknown"):
            erase_customers(paths, [victim, "c-unknown"], quiet)
        assert is_up_to_date(paths, UNTIL)
        backup = shutil.copyfile(paths.warehouse, tmp_path / "backup.duckdb")
        erase_customers(paths, [victim], quiet)
        assert not is_up_to_date(paths, UNTIL)
        with pytest.raises(DbtError, match="erased already"):
            erase_customers(paths, [victim], quiet)
    shutil.copyfile(backup, paths.warehouse)
    build(paths)

    assert status(paths.warehouse, victim) == ("erased", victim)
    assert status(paths.serving, victim) == ("erased", victim)
    assert tables_that_hold(paths.warehouse, left) == []
    assert tables_that_hold(paths.serving, left) == []
    assert spells_in_segments(paths.warehouse, victim) == 0
    assert spells_in_segments(paths.serving, victim) == 0
    assert replay_of_log(paths.warehouse) == []
    after = customers_of_records(paths.warehouse)
    assert {record for record, customer in before - after if customer != victim} == set()
    with duckdb.connect(str(paths.warehouse), read_only=True) as connection:
        assert not connection.execute("from registry.experiment_assignments").fetchall()
        assert not connection.execute("from predictions.product_recommendations").fetchall()
        assert not connection.execute("from predictions.lookalikes").fetchall()
        assert connection.execute(
            "select status from identity.identifiers where id_value = ?", [device]
        ).fetchall() == [("conducting",)]
        assert connection.execute(
            "select event_type, count(*) from marts.customer_id_events where customer_id = ? "
            "group by event_type",
            [victim],
        ).fetchall() == [("erased", 1)]


def note_builds(warehouse: Path) -> None:
    """Say that a build has passed, which the graph's models alone do not."""
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(
            "create schema meta; create table meta.builds as select timestamp '2026-01-01' as "
            "started_at, timestamp '2026-01-01' as finished_at"
        )


def test_nobody_is_erased_while_the_graph_is_not_what_readers_have(
    demo: Paths, tmp_path: Path
) -> None:
    paths = Paths(tmp_path / "failed")
    empty_warehouse(demo, paths.warehouse)
    note_builds(paths.warehouse)
    with duckdb.connect(str(paths.warehouse)) as connection:
        connection.execute("insert into meta.builds values ('2026-01-02', null)")
    with data_folder(paths), pytest.raises(ErasureError, match="make build first"):
        erase_customers(paths, ["c-anybody"], quiet)


def test_another_pepper_does_not_bring_the_erased_back(
    demo: Paths, manifest: Manifest, tmp_path: Path
) -> None:
    warehouse = empty_warehouse(demo, tmp_path / "pepper" / "warehouse.duckdb")
    deliver(warehouse, [Sighting("shop:orders:O1", "email", "anna@home.pl", 1)])
    resolve(manifest, warehouse, 1, tmp_path)
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(
            "insert into registry.erased_records values ('hash', 'another key', null)"
        )
    with pytest.raises(AssertionError):
        resolve(manifest, warehouse, 1, tmp_path)


def test_the_id_of_an_erased_customer_is_never_minted_again(
    demo: Paths, manifest: Manifest, tmp_path: Path
) -> None:
    """Who comes back with the same address is a new customer, also the second time."""
    paths = Paths(tmp_path / "again")
    empty_warehouse(demo, paths.warehouse)
    note_builds(paths.warehouse)
    ids = []
    for batch in (1, 2, 3):
        deliver(
            paths.warehouse, [Sighting(f"shop:orders:O{batch}", "email", "anna@home.pl", batch)]
        )
        resolve(manifest, paths.warehouse, batch, tmp_path)
        [(_, customer)] = customers_of_records(paths.warehouse)
        ids.append(customer)
        with data_folder(paths):
            erase_customers(paths, [customer], quiet)
        with duckdb.connect(str(paths.warehouse)) as warehouse:
            warehouse.execute("delete from entities.identifier_sightings")
        forget(paths.warehouse)
    resolve(manifest, paths.warehouse, 4, tmp_path)
    assert len(set(ids)) == 3
    assert [status(paths.warehouse, customer)[0] for customer in ids] == ["erased"] * 3
    assert replay_of_log(paths.warehouse) == []
