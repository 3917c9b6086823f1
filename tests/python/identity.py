"""A small identity graph in a warehouse of its own: sightings in, customers out."""

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest

from orchestration.paths import PROJECT, Paths
from orchestration.warehouse import dbt

FIRST_DAY = date(2026, 1, 1)
MODELS = ("path:models/identity", "customer_id_history", "customer_id_events")
_TESTS = ("--exclude-resource-type", "unit_test", "--indirect-selection", "buildable")


@dataclass(frozen=True)
class Sighting:
    """One identifier on one record; from then on that record is a test or not, of that name.

    It was seen on the day of its batch, unless `day` says otherwise.
    """

    record: str
    id_type: str
    id_value: str
    batch: int
    is_test: bool = False
    given_name: str = "Anna"
    day: int | None = None


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


def forget(warehouse: Path) -> None:
    """What a full rebuild does first: the models go, the registry stays."""
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("drop schema identity cascade; drop schema marts cascade")


def set_rules(warehouse: Path, id_type: str, **rules: int | None) -> None:
    """Change columns of one row of the seed of rules."""
    with duckdb.connect(str(warehouse)) as connection:
        for column, value in rules.items():
            connection.execute(
                f"update reference.identity_rules set {column} = ? where id_type = ?",
                [value, id_type],
            )


def decide(warehouse: Path, decisions: list[tuple[str, str, str]]) -> None:
    """Put decisions of people into the seed: link, left and right record."""
    with duckdb.connect(str(warehouse)) as connection:
        for decision in decisions:
            connection.execute(
                "insert into reference.identity_overrides by name "
                "select ? as link, ? as left_record, ? as right_record",
                list(decision),
            )


def deliver(warehouse: Path, sightings: Sequence[Sighting]) -> None:
    """Fold the sightings of one batch into the entities, as their models do."""
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(
            "create temp table given (record_key varchar, id_type varchar, id_value varchar, "
            "batch bigint, is_test boolean, first_name varchar, day bigint, place bigint)"
        )
        connection.executemany(
            "insert into given values (?, ?, ?, ?, ?, ?, ?, ?)",
            [(*astuple(seen), place) for place, seen in enumerate(sightings)],
        )
        connection.execute(
            """
            create temp table seen as
            select
                record_key,
                split_part(record_key, ':', 1) as source_system,
                split_part(record_key, ':', 2) as source_entity,
                split_part(record_key, ':', 3) as source_record_id,
                id_type,
                id_value,
                min($first_day + coalesce(day, batch)::integer)::timestamp as first_seen_at,
                max($first_day + coalesce(day, batch)::integer)::timestamp as last_seen_at,
                min($first_day + batch::integer) as delivered_on,
                max(batch) as load_id
            from given
            group by record_key, id_type, id_value
            """,
            {"first_day": FIRST_DAY},
        )
        connection.execute(
            """
            insert into seen by name
            select
                record_key, source_system, source_entity, source_record_id,
                'record' as id_type, record_key as id_value,
                min(first_seen_at) as first_seen_at, max(last_seen_at) as last_seen_at,
                min(delivered_on) as delivered_on, max(load_id) as load_id
            from seen
            where record_key in (
                select unnest([left_record, right_record]) from reference.identity_overrides
            )
            group by all
            """
        )
        connection.execute(
            """
            update entities.identifier_sightings as standing
            set
                first_seen_at = least(standing.first_seen_at, seen.first_seen_at),
                last_seen_at = greatest(standing.last_seen_at, seen.last_seen_at),
                load_id = seen.load_id
            from seen
            where
                standing.record_key = seen.record_key
                and standing.id_type = seen.id_type
                and standing.id_value = seen.id_value
            """
        )
        connection.execute(
            """
            insert into entities.identifier_sightings by name
            select * from seen
            anti join entities.identifier_sightings using (record_key, id_type, id_value)
            """
        )
        connection.execute(
            """
            create temp table profiles as
            select
                record_key,
                arg_max(is_test, place) as is_test,
                arg_max(first_name, place) as first_name,
                max(batch) as load_id
            from given
            where id_type = 'account'
            group by record_key
            """
        )
        connection.execute(
            "delete from entities.profiles where record_key in (select record_key from profiles)"
        )
        connection.execute("insert into entities.profiles by name select * from profiles")


def resolve(
    manifest: Manifest,
    warehouse: Path,
    load_id: int,
    folder: Path,
    verb: str = "run",
    accept: bool = False,
    also: Sequence[str] = (),
) -> None:
    """Run the identity models; with the verb build, their data tests too.

    `accept` lets any number of customers merge or move; `also` names models after them, those of
    linkage with linkage on.
    """
    dbt._point_profile_to(warehouse)
    variables = {
        "as_of": "2026-06-30",
        "load_id": load_id,
        "accept_identity_changes": accept,
        "linkage": bool(also),
    }
    result = dbtRunner(manifest=manifest).invoke(
        [
            *(verb, "--select", *MODELS, *also, "--quiet", "--log-level", "none"),
            *(_TESTS if verb == "build" else ()),
            *("--vars", json.dumps(variables)),
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


def replay_of_log(warehouse: Path) -> list[tuple[Any, ...]]:
    """What the log, read from its first entry to its last, gets wrong about the present.

    An identifier with another customer than the log's last entry, an id that means no live customer
    although it is neither closed nor erased, a live customer whose id means another.
    """
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return connection.execute(
            """
            with replayed as (
                select node, arg_max_null(to_customer_id, build_number) as customer_id
                from registry.identity_log
                where other_node is null
                group by node
            ),
            live as (
                select distinct customer_id from identity.clusters where customer_id is not null
            )
            select 'identifier', clusters.node
            from identity.clusters
            full join replayed on clusters.node = replayed.node
            where clusters.customer_id is distinct from replayed.customer_id
            union all
            select 'id', ids.customer_id
            from marts.customer_id_history as ids
            left join live on ids.current_customer_id = live.customer_id
            where (live.customer_id is null) <> (ids.status in ('closed', 'erased'))
            union all
            select 'live', live.customer_id
            from live
            left join marts.customer_id_history as ids on live.customer_id = ids.customer_id
            where ids.current_customer_id is distinct from live.customer_id or ids.status <> 'live'
            union all
            select 'lost', log.to_customer_id
            from registry.identity_log as log
            left join marts.customer_id_history as ids on log.to_customer_id = ids.customer_id
            where log.other_node is null and log.to_customer_id is not null
            and ids.customer_id is null
            """
        ).fetchall()


def events(warehouse: Path) -> set[tuple[int, str, int]]:
    """Build, event and how many pairs of customers it befell."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return set(
            connection.execute(
                "select build_number, event_type, count(*) "
                "from marts.customer_id_events group by all"
            ).fetchall()
        )
