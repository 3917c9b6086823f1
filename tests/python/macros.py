"""Macros and models as dbt runs them, with a connection of the test behind run_query."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import jinja2

from orchestration.paths import PROJECT


@dataclass
class Rows:
    """What run_query returns of a statement."""

    rows: list[tuple[Any, ...]]


def compile_macro(folder: str, name: str, *arguments: str) -> str:
    """The SQL of a macro that asks nothing of dbt or the warehouse."""
    text = (PROJECT / "macros" / folder / f"{name}.sql").read_text()
    module = jinja2.Environment(extensions=["jinja2.ext.do"]).from_string(text).module
    return str(getattr(module, name)(*arguments))


def run_macro(connection: duckdb.DuckDBPyConnection, name: str, *arguments: str) -> None:
    """Run a macro of macros/identity that works by statements alone."""

    def run_query(sql: str) -> Rows:
        return Rows(connection.execute(sql).fetchall())

    environment = jinja2.Environment(extensions=["jinja2.ext.do"])
    environment.globals.update(run_query=run_query, execute=True)
    text = (PROJECT / "macros" / "identity" / f"{name}.sql").read_text()
    getattr(environment.from_string(text).module, name)(*arguments)


def compile_model(name: str, is_incremental: bool = False, as_of: date = date(2026, 6, 30)) -> str:
    """The SQL of a model that calls few macros, over tables that are named as its parents."""
    [file] = (PROJECT / "models").rglob(f"{name}.sql")
    environment = jinja2.Environment(extensions=["jinja2.ext.do"])
    environment.globals.update(
        config=lambda **_: "",
        touched_customers=lambda **_: "",
        ref=lambda relation: relation,
        is_incremental=lambda: is_incremental,
        as_of=lambda: f"date '{as_of}'",
        this_load=lambda: "0",
    )
    return environment.from_string(file.read_text()).render()
