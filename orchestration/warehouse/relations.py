"""The relations of a warehouse, and which of its views a reader can use without it."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any

import duckdb

_VIEW_HEAD = re.compile(r'create view (?:"(?:[^"]|"")*"|[^"])*? as ', re.IGNORECASE)
_NAME_AND_DOT = re.compile(rb'\A(?:"(?:[^"]|"")*"|[^\s."]+)\s*\.\s*')

Key = tuple[str, str]


@dataclass(frozen=True)
class Relation:
    """A table (`create_view` is None) or view of the warehouse."""

    schema: str
    name: str
    comment: str | None
    create_view: str | None

    @property
    def key(self) -> Key:
        """Schema and name as DuckDB compares them."""
        return self.schema.lower(), self.name.lower()


@dataclass(frozen=True)
class View:
    """A view that can be read without the warehouse: its statement and what it reads."""

    relation: Relation
    statement: str
    reads: frozenset[Key]


def read_relations(
    connection: duckdb.DuckDBPyConnection, catalogue: str, schemas: Sequence[str]
) -> list[Relation]:
    """The tables and views of some schemas of a catalogue, by schema and name."""
    rows = connection.execute(
        """
        with relations as (
            select database_name, schema_name, table_name, comment, null as create_view
            from duckdb_tables()
            where not internal
            union all
            select database_name, schema_name, view_name, comment, sql
            from duckdb_views()
            where not internal
        )
        select schema_name, table_name, comment, create_view
        from relations
        where database_name = $catalogue and list_contains($schemas, schema_name)
        order by schema_name, table_name
        """,
        {"catalogue": catalogue, "schemas": list(schemas)},
    ).fetchall()
    return [Relation(*row) for row in rows]


def portable_views(
    connection: duckdb.DuckDBPyConnection, catalogue: str, relations: Sequence[Relation]
) -> list[View]:
    """The views that read nothing but `relations`, each after those that it reads itself."""
    published = {relation.key for relation in relations}
    candidates = (_stand_alone(connection, catalogue, relation) for relation in relations)
    views = {view.relation.key: view for view in candidates if view and view.reads <= published}
    order = TopologicalSorter({key: view.reads & views.keys() for key, view in views.items()})
    return [views[key] for key in order.static_order()]


def _stand_alone(
    connection: duckdb.DuckDBPyConnection, catalogue: str, relation: Relation
) -> View | None:
    """The view without the name of the warehouse's catalogue; None if it must be a table."""
    if relation.create_view is None:
        return None
    head = _VIEW_HEAD.match(relation.create_view)
    if head is None:
        return None
    query = relation.create_view[head.end() :].rstrip().removesuffix(";")
    tree = json.loads(_serialised(connection, query))
    nodes = list(_nodes(tree))
    tables = [node for node in nodes if node.get("type") == "BASE_TABLE"]
    # A table function, such as one that reads files, may give a reader something else or nothing.
    if (
        tree["error"]
        or any(node.get("type") == "TABLE_FUNCTION" for node in nodes)
        or any(table["catalog_name"].lower() not in ("", catalogue.lower()) for table in tables)
    ):
        return None
    statement = head[0] + _without_names(query, _catalogue_places(nodes, tables))
    return View(relation, statement, _reads(nodes, tables))


def _serialised(connection: duckdb.DuckDBPyConnection, query: str) -> str:
    [(text,)] = connection.execute("select json_serialize_sql(?)", [query]).fetchall()
    return str(text)


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object in the tree of a parsed statement."""
    if isinstance(tree, dict):
        yield tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for child in tree:
            yield from _nodes(child)


def _catalogue_places(
    nodes: Sequence[dict[str, Any]], tables: Sequence[dict[str, Any]]
) -> list[int]:
    """Where the catalogue is named, in bytes: before tables, and columns with a full name."""
    named = [table for table in tables if table["catalog_name"]]
    full_names = {
        (table["catalog_name"], table["schema_name"], table["table_name"]) for table in named
    }
    columns = [
        node
        for node in nodes
        if node.get("type") == "COLUMN_REF" and tuple(node["column_names"][:3]) in full_names
    ]
    return [node["query_location"] for node in [*named, *columns]]


def _without_names(query: str, places: Iterable[int]) -> str:
    """The query without the name and dot that start at each of `places`, all else untouched."""
    text = query.encode()
    for place in sorted(places, reverse=True):
        text = text[:place] + _NAME_AND_DOT.sub(b"", text[place:], count=1)
    return text.decode()


def _reads(nodes: Sequence[dict[str, Any]], tables: Sequence[dict[str, Any]]) -> frozenset[Key]:
    """The relations that a query reads, its own `with` queries left out."""
    own = {entry["key"].lower() for node in nodes for entry in _with_queries(node)}
    keys = {(table["schema_name"].lower(), table["table_name"].lower()) for table in tables}
    return frozenset(keys - {("", name) for name in own})


def _with_queries(node: dict[str, Any]) -> list[dict[str, Any]]:
    queries: list[dict[str, Any]] = node.get("cte_map", {}).get("map", [])
    return queries
