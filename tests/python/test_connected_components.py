"""The component loop against SciPy, on random graphs and on the shapes that break loops."""

from collections.abc import Iterable
from itertools import pairwise

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components as scipy_components

from tests.python.macros import run_macro

Edge = tuple[int, int]


def labels_by_macro(edges: Iterable[Edge]) -> dict[int, int]:
    with duckdb.connect() as connection:
        connection.execute("create table edges (node_a bigint, node_b bigint)")
        array = np.array(list(edges), dtype=np.int64).reshape(-1, 2)
        sources = {"a": array[:, 0].copy(), "b": array[:, 1].copy()}
        connection.register("arrays", sources)
        connection.execute("insert into edges select a, b from arrays")
        run_macro(connection, "connected_components", "edges")
        return dict(connection.execute("select node, label from component_labels").fetchall())


def labels_by_scipy(edges: Iterable[Edge]) -> dict[int, int]:
    pairs = [(a, b) for a, b in edges if a != b]
    nodes = sorted({node for pair in pairs for node in pair})
    if not nodes:
        return {}
    place = {node: index for index, node in enumerate(nodes)}
    rows = [place[a] for a, _ in pairs]
    columns = [place[b] for _, b in pairs]
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(nodes), len(nodes)))
    _, component = scipy_components(graph, directed=False)
    lowest: dict[int, int] = {}
    for node in nodes:
        lowest.setdefault(component[place[node]], node)
    return {node: lowest[component[place[node]]] for node in nodes}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), max_size=80))
def test_random_graphs(edges: list[Edge]) -> None:
    assert labels_by_macro(edges) == labels_by_scipy(edges)


def with_random_numbers(edges: Iterable[Edge]) -> list[Edge]:
    """The same graph with nodes numbered as node_of numbers them: at random."""
    pairs = list(edges)
    nodes = {node for pair in pairs for node in pair}
    numbers = np.random.default_rng(7).choice(1 << 62, size=len(nodes), replace=False)
    number = dict(zip(sorted(nodes), map(int, numbers), strict=True))
    return [(number[a], number[b]) for a, b in pairs]


@pytest.mark.parametrize(
    "edges",
    [
        pytest.param([], id="empty"),
        pytest.param([(3, 3), (1, 2), (2, 1), (1, 2)], id="self-loops and repeats"),
        pytest.param(pairwise(range(20_000)), id="chain"),
        pytest.param([(50_000, i) for i in range(1, 100_000)], id="star"),
        pytest.param([(a, b) for a in range(80) for b in range(a)], id="clique"),
    ],
)
def test_hard_shapes(edges: Iterable[Edge]) -> None:
    graph = with_random_numbers(edges)
    assert labels_by_macro(graph) == labels_by_scipy(graph)
