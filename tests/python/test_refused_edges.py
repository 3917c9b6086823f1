"""The limits of a customer in sets, against the same limits taken one edge at a time."""

from collections.abc import Iterable

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.python.macros import run_macro

NODES = 14
Edge = tuple[int, int]
Limit = tuple[int, str, str, int]  # node, rule, holder, most

nodes = st.integers(1, NODES)
pairs = st.tuples(nodes, nodes).filter(lambda pair: pair[0] < pair[1])
holders = st.tuples(nodes, st.sampled_from(["account", "card"]), st.sampled_from("abc"))


def refused_by_macro(
    edges: list[Edge], limits: Iterable[Limit], apart: Iterable[Edge], joined: dict[int, int]
) -> dict[Edge, str]:
    with duckdb.connect() as connection:
        connection.execute("create table edges (node_a bigint, node_b bigint, rank bigint)")
        connection.execute(
            "create table limits (node bigint, rule varchar, holder varchar, most integer)"
        )
        connection.execute("create table apart (node_a bigint, node_b bigint)")
        connection.execute("create table joined (node bigint, part bigint)")
        tables: dict[str, list[tuple[object, ...]]] = {
            "edges": [(a, b, rank) for rank, (a, b) in enumerate(edges)],
            "limits": [*limits],
            "apart": [*apart],
            "joined": [*joined.items()],
        }
        for table, given in tables.items():
            for row in given:
                connection.execute(
                    f"insert into {table} values ({', '.join('?' * len(row))})", list(row)
                )
        run_macro(connection, "refused_edges", "edges", "limits", "apart", "joined")
        rows = connection.execute("select node_a, node_b, rule from refused_edges").fetchall()
    assert len(rows) == len({(a, b) for a, b, _ in rows})
    return {(a, b): rule for a, b, rule in rows}


def refused_one_by_one(
    edges: list[Edge], limits: Iterable[Limit], apart: Iterable[Edge], joined: dict[int, int]
) -> set[Edge]:
    """Kruskal's way: the edges in order, each joins two parts or is refused."""
    part = {node: joined.get(node, node) for node in range(1, NODES + 1)}
    limits = list(limits)
    apart = list(apart)
    refused = set()
    for a, b in edges:
        one, other = part[a], part[b]
        if one == other:
            continue
        if _breaks_a_limit(part, one, other, limits) or any(
            {part[left], part[right]} == {one, other} for left, right in apart
        ):
            refused.add((a, b))
        else:
            part = {node: one if where == other else where for node, where in part.items()}
    return refused


def _breaks_a_limit(part: dict[int, int], one: int, other: int, limits: list[Limit]) -> bool:
    for rule, most in {(rule, most) for _, rule, _, most in limits}:
        here, there = (
            {holder for node, name, holder, _ in limits if name == rule and part[node] == where}
            for where in (one, other)
        )
        if here and there and len(here | there) > most:
            return True
    return False


@settings(max_examples=150, deadline=None)
@given(
    edges=st.lists(pairs, unique=True, max_size=25),
    counted=st.sets(holders, max_size=12),
    most=st.integers(1, 2),
    apart=st.sets(pairs, max_size=2),
    manual=st.sets(pairs, max_size=2),
)
def test_random_graphs(
    edges: list[Edge],
    counted: set[tuple[int, str, str]],
    most: int,
    apart: set[Edge],
    manual: set[Edge],
) -> None:
    """Manual joins hold from the start; everything else is refused as one by one."""
    limits = [(node, rule, holder, most) for node, rule, holder in counted]
    joined = {right: left for left, right in manual if {left, right} not in map(set, apart)}
    joined = {node: part for node, part in joined.items() if part not in joined}
    joined |= {part: part for part in joined.values()}
    in_sets = refused_by_macro(edges, limits, apart, joined)
    assert set(in_sets) == refused_one_by_one(edges, limits, apart, joined)
