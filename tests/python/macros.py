"""Macros and models as dbt runs them, with a connection of the test behind run_query."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import jinja2

from orchestration.paths import PROJECT


@dataclass
class Rows:
    """What run_query returns of a statement."""

    rows: list[tuple[Any, ...]]


def compile_macro(folder: str, name: str, *arguments: str, macros: Sequence[str] = ()) -> str:
    """The SQL of a macro that asks nothing of dbt or the warehouse, and calls those beside it.

    `macros` are further folders of those that it calls.
    """
    environment = _environment([folder, *macros])
    return _call(environment, PROJECT / "macros" / folder / f"{name}.sql", *arguments)


def run_macro(connection: duckdb.DuckDBPyConnection, name: str, *arguments: str) -> None:
    """Run a macro of macros/identity that works by statements alone."""

    def run_query(sql: str) -> Rows:
        return Rows(connection.execute(sql).fetchall())

    environment = jinja2.Environment(extensions=["jinja2.ext.do"])
    environment.globals.update(run_query=run_query, execute=True)
    text = (PROJECT / "macros" / "identity" / f"{name}.sql").read_text()
    getattr(environment.from_string(text).module, name)(*arguments)


def compile_model(
    name: str,
    is_incremental: bool = False,
    as_of: date = date(2026, 6, 30),
    macros: Sequence[str] = (),
) -> str:
    """The SQL of a model, over tables that are named as its parents.

    `macros` are the folders of those that it calls.
    """
    [file] = (PROJECT / "models").rglob(f"{name}.sql")
    environment = _environment(macros)
    environment.globals.update(
        config=lambda **_: "",
        touched_customers=lambda **_: "",
        ref=lambda relation: relation,
        source=lambda source, relation: f"{source}.{relation}",
        is_incremental=lambda: is_incremental,
        as_of=lambda: f"date '{as_of}'",
        this_load=lambda: "0",
    )
    return environment.from_string(file.read_text()).render()


def _environment(folders: Sequence[str]) -> jinja2.Environment:
    """One in which the macros of some folders can be called by their names."""
    environment = jinja2.Environment(extensions=["jinja2.ext.do"])
    for folder in folders:
        for file in (PROJECT / "macros" / folder).glob("*.sql"):
            environment.globals[file.stem] = partial(_call, environment, file)
    return environment


def _call(environment: jinja2.Environment, file: Path, *arguments: str, **options: bool) -> str:
    """Read at the call, when the macro finds all others; its branch for DuckDB where it has one."""
    module = environment.from_string(file.read_text()).module
    macro = getattr(module, f"duckdb__{file.stem}", None) or getattr(module, file.stem)
    return str(macro(*arguments, **options))
