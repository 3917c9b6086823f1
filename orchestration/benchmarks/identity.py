"""What identity costs on a large graph: its components beside SciPy's on the same graph, all of its
models in full, and a day's new ties. Each part is a process of its own with a memory limit.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import yaml

from orchestration.measured import run_part
from orchestration.paths import PROJECT, Paths

_THIS = "orchestration.benchmarks.identity"
DEFAULT_SIZES = (1_000_000, 10_000_000)
MEMORY_LIMIT = "1GB"

# Ties of a customer's identifiers: a tree, some seen again, a few across a household, and five
# that everybody ties to, as a kiosk; the number of identifiers follows a power law up to 60.
_GRAPH = """
create table persons as
select n as person, least(60, 1 + floor(power(random(), -0.69)))::integer as identifiers
from range($persons) as numbers (n);

create table identifiers as
select person, unnest(range(identifiers)) as place from persons;

create table named_ties as
select person || ':' || place as a, person || ':' || floor(random() * place)::integer as b
from identifiers
where place > 0
union all
select person || ':' || place as a, person || ':' || floor(random() * place)::integer as b
from identifiers
where place > 1 and random() < 0.3
union all
select person || ':0' as a, floor(random() * $persons)::bigint || ':0' as b
from persons
where random() < 0.03
union all
select person || ':0' as a, 'kiosk' || floor(random() * 5)::integer as b
from persons
where random() < 0.02;
"""


def run(size: int | None, progress: Callable[[str], None]) -> dict[str, str]:
    """Measure graphs of so many ties; figures by name, in print order."""
    figures: dict[str, str] = {}
    for ties in [size] if size else DEFAULT_SIZES:
        figures |= _run(ties, progress)
    return figures


def _run(ties: int, progress: Callable[[str], None]) -> dict[str, str]:
    folder = Paths.from_environment().data / "bench" / f"identity-{ties}"
    folder.mkdir(parents=True, exist_ok=True)
    run_part(_THIS, "graph", folder, ties)
    progress(f"{ties:,} ties: made")
    scipy = run_part(_THIS, "scipy", folder, 1)
    progress(f"{ties:,} ties: SciPy {scipy.told:.1f} s, {scipy.megabytes:,.0f} MB")
    components = run_part(_THIS, "components", folder, 1)
    progress(f"{ties:,} ties: ours {components.told:.1f} s, {components.megabytes:,.0f} MB")
    full = run_part(_THIS, "all", folder, 1)
    progress(f"{ties:,} ties: all models in full {full.told:.1f} s, {full.megabytes:,.0f} MB")
    new = max(ties // 500, 10)
    _add_ties(folder / "warehouse.duckdb", new)
    increment = run_part(_THIS, "all", folder, 2)
    progress(f"{new:,} new ties: {increment.told:.2f} s, {increment.megabytes:,.0f} MB")
    return {
        f"{ties:,} ties, SciPy": f"{scipy.told:.2f} s, {scipy.megabytes:,.0f} MB",
        f"{ties:,} ties, components": f"{components.told:.2f} s, {components.megabytes:,.0f} MB",
        f"{ties:,} ties, components, times SciPy": (
            f"{components.told / scipy.told:.2f} (goal 2.5)"
        ),
        f"{ties:,} ties, most memory at a limit of {MEMORY_LIMIT}": (
            f"{max(components.megabytes, full.megabytes, increment.megabytes):,.0f} MB (goal 1,200)"
        ),
        f"{ties:,} ties, all models in full": f"{full.told:.2f} s",
        f"{ties:,} ties, {new:,} new ones": f"{increment.told:.2f} s",
        f"{ties:,} ties, new ones, of the full build": (
            f"{100 * increment.told / full.told:.1f} % (goal 4)"
        ),
    }


def _make_graph(warehouse: Path, ties: int) -> None:
    """The tables that the models of the graph read, with about so many ties."""
    warehouse.unlink(missing_ok=True)
    with duckdb.connect(str(warehouse), config={"threads": 1}) as connection:
        connection.execute("select setseed(0.5)")
        connection.execute("create schema made; use made")
        for statement in _GRAPH.split(";"):
            if statement.strip():
                needs_persons = "$persons" in statement
                # A person has 2.94 ties on average.
                connection.execute(
                    statement, {"persons": round(ties / 2.94)} if needs_persons else None
                )
        connection.execute(
            """
            create table ties as
            select
                row_number() over () as place,
                cast(md5_number_lower(a) >> 1 as bigint) as node_a,
                cast(md5_number_lower(b) >> 1 as bigint) as node_b
            from named_ties
            """
        )
        connection.execute("drop table named_ties; drop table identifiers; drop table persons")
        _create_inputs(connection)
        _deliver(connection, "true", 1)


def _create_inputs(connection: duckdb.DuckDBPyConnection) -> None:
    """Empty tables of the layers around the graph, with the columns that it asks for."""
    connection.execute(
        """
        create schema reference;
        create schema identity;
        create table reference.identity_rules (
            id_type varchar, tier integer, is_person boolean, max_holders integer
        );
        insert into reference.identity_rules values ('contact', 3, true, null);
        create table reference.identity_overrides (
            link varchar, left_record varchar, right_record varchar
        );
        create table identity.identifiers (
            node bigint, id_key varchar, id_type varchar, id_value varchar, tier integer,
            status varchar, reason varchar, limited_as varchar, holder bigint,
            first_seen_at timestamp, last_seen_at timestamp, delivered_on date, load_id bigint
        );
        create table identity.edges (
            record_key varchar, node bigint, hub_node bigint, load_id bigint
        );
        """
    )


def _deliver(connection: duckdb.DuckDBPyConnection, which: str, load_id: int) -> None:
    """Give the graph the ties of `made.ties` for which a condition holds, as records."""
    connection.execute(
        f"""
        insert into identity.edges
        select 'shop:orders:' || place, unnest([node_a, node_b]), node_a, {load_id}
        from made.ties
        where {which};

        insert into identity.identifiers by name
        select
            node,
            md5(node::varchar) as id_key,
            'contact' as id_type,
            node::varchar as id_value,
            3 as tier,
            'conducting' as status,
            timestamp '2026-01-01' as first_seen_at,
            timestamp '2026-01-01' as last_seen_at,
            date '2026-01-01' + {load_id} as delivered_on,
            {load_id} as load_id
        from (select distinct unnest([node_a, node_b]) as node from made.ties where {which})
        where node not in (select node from identity.identifiers);
        """
    )


def _add_ties(warehouse: Path, new: int) -> None:
    """One day more: half of the ties go between customers, half bring an identifier."""
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(
            f"""
            insert into made.ties
            select
                -row_number() over (order by place),
                node_a,
                case
                    when place % 2 = 0 then cast(md5_number_lower('new ' || place) >> 1 as bigint)
                    else lead(node_a) over (order by place)
                end
            from (from made.ties order by hash(place) limit {new})
            qualify lead(node_a) over (order by place) is not null
            """
        )
        _deliver(connection, "place < 0", 2)


_PARTS = {
    "components": ("identity_decisions", "identity_components"),
    "all": (
        *("identity_decisions", "identity_components", "identity_refused_merges"),
        *("identity_clusters", "identity_changes"),
    ),
}


def _run_models(folder: Path, models: Sequence[str], load_id: int) -> float:
    """Seconds of the models alone, as dbt tells them."""
    from dbt.cli.main import dbtRunner

    os.environ["SEGMENT_OF_ONE_WAREHOUSE"] = str(folder / "warehouse.duckdb")
    _write_profile(folder)
    result = dbtRunner().invoke(
        [
            *("run", "--select", *models, "--quiet", "--log-level", "none", "--threads", "1"),
            *(("--full-refresh",) if load_id == 1 else ()),
            *("--vars", json.dumps({"as_of": "2026-06-30", "load_id": load_id})),
            *("--project-dir", str(PROJECT), "--profiles-dir", str(folder)),
            *("--target-path", str(folder / "dbt"), "--log-path", str(folder / "logs")),
        ]
    )
    nodes: Any = result.result or []
    if not result.success:
        raise RuntimeError(str(result.exception or [node.message for node in nodes]))
    return float(sum(node.execution_time for node in nodes))


def _write_profile(folder: Path) -> None:
    """The project's profile with a memory limit."""
    profile = yaml.safe_load((PROJECT / "profiles.yml").read_text())
    profile["segment_of_one"]["outputs"]["duckdb"]["settings"]["memory_limit"] = MEMORY_LIMIT
    (folder / "profiles.yml").write_text(yaml.safe_dump(profile))


def _run_scipy(folder: Path) -> float:
    """Seconds of SciPy's components, from the table of ties to a table of labels."""
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    with duckdb.connect(
        str(folder / "warehouse.duckdb"),
        config={"threads": 2, "preserve_insertion_order": False, "memory_limit": MEMORY_LIMIT},
    ) as connection:
        began = time.perf_counter()
        connection.execute(
            """
            create temp table nodes as
            select node, (row_number() over ()) - 1 as place
            from (
                select hub_node as node from identity.edges union select node from identity.edges
            )
            """
        )
        ends = connection.execute(
            """
            select nodes_a.place as a, nodes_b.place as b
            from identity.edges
            inner join nodes as nodes_a on edges.hub_node = nodes_a.node
            inner join nodes as nodes_b on edges.node = nodes_b.node
            where edges.hub_node <> edges.node
            """
        ).fetchnumpy()
        [(size,)] = connection.execute("select count(*) from nodes").fetchall()
        ones = np.ones(len(ends["a"]), dtype=np.int8)
        graph = coo_array((ones, (ends["a"], ends["b"])), shape=(size, size))
        _, found = connected_components(graph, directed=False)
        connection.register("found", {"place": np.arange(size), "component": found})
        connection.execute(
            "create or replace table made.scipy as "
            "select node, component from nodes inner join found using (place)"
        )
        return time.perf_counter() - began


def _run_part(part: str, folder: Path, number: int) -> float:
    """The seconds of a part; `number` is the load of the models, the ties of the graph."""
    if part == "graph":
        _make_graph(folder / "warehouse.duckdb", ties=number)
        return 0
    if part == "scipy":
        return _run_scipy(folder)
    return _run_models(folder, _PARTS[part], load_id=number)


if __name__ == "__main__":
    # The seconds of the work itself, without the start of the process.
    seconds = _run_part(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
    sys.stdout.write(f"{seconds}\n")
