"""Recipes: each turns one data set of another shape into landing files of the data contract.

A recipe is one file of SQL, recipes/<name>.sql. Its header names the input files
(`-- needs: a.parquet, b.csv`) and where they come from (`-- origin: ...`). It reads each input
as `files.<stem>`, whose column `file_row_number` counts its rows from 0 in the order of the
file, and makes one view or table `landing.<entity>` for each entity of the contract that it
fills. The time zone of its session is UTC.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from orchestration.contract import load_contract
from orchestration.paths import Paths

RECIPES = Path(__file__).resolve().parent / "recipes"

_ABOUT_SQL_OR_FILES = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.IOException,
    duckdb.ParserException,
)


class RecipeError(Exception):
    """A recipe that cannot run: unknown, without its input, or against the contract."""


@dataclass(frozen=True)
class _Recipe:
    name: str
    needs: tuple[str, ...]
    origin: str
    sql: str


def recipe_names() -> list[str]:
    """Names of all recipes, sorted."""
    return sorted(file.stem for file in RECIPES.glob("*.sql"))


def run_recipe(name: str, files: Path, paths: Paths, progress: Callable[[str], None]) -> None:
    """Write landing/<name>/<entity>/<name>.parquet for each entity that the recipe fills.

    `files` is the folder of its input files. Running again replaces what was written. Raises
    RecipeError, and leaves the landing files as they were, when the recipe, an input file or a
    required column is missing, when a column is not in the contract, or when the SQL fails.
    """
    recipe = _read(name)
    _check_inputs(recipe, files)
    paths.data.mkdir(parents=True, exist_ok=True)
    with (
        TemporaryDirectory(dir=paths.data, prefix=f".{name}-") as unfinished,
        duckdb.connect() as connection,
    ):
        progress(f"{name}: reading {', '.join(recipe.needs)}")
        try:
            _prepare(connection, recipe, files)
            columns = _landing_columns(connection)
            _check_columns(name, columns)
            for entity in columns:
                rows = _write(connection, entity, Path(unfinished) / f"{entity}.parquet")
                progress(f"{name}: {entity}, {rows:,} rows")
        except _ABOUT_SQL_OR_FILES as error:
            raise RecipeError(f"recipe {name}: {str(error).splitlines()[0]}") from None
        except duckdb.Error as error:
            # The message of DuckDB may quote values, and they may be personal.
            raise RecipeError(
                f"recipe {name}: the SQL fails on a value in {files} ({type(error).__name__}); "
                f"run the statements of {name}.sql by hand to see which"
            ) from None
        for entity in columns:
            folder = paths.landing / name / entity
            folder.mkdir(parents=True, exist_ok=True)
            (Path(unfinished) / f"{entity}.parquet").replace(folder / f"{name}.parquet")


def _read(name: str) -> _Recipe:
    if name not in recipe_names():
        raise RecipeError(f"no recipe {name!r}; there are: {', '.join(recipe_names())}")
    sql = (RECIPES / f"{name}.sql").read_text(encoding="utf-8")
    needs = re.findall(r"^-- needs: (.+)$", sql, re.MULTILINE)
    origin = re.search(r"^-- origin: (.+)$", sql, re.MULTILINE)
    if not needs or origin is None:
        raise RecipeError(f"recipe {name}: {name}.sql lacks its `-- needs:` or `-- origin:` line")
    inputs = tuple(file.strip() for line in needs for file in line.split(",") if file.strip())
    return _Recipe(name, inputs, origin[1].strip(), sql)


def _check_inputs(recipe: _Recipe, files: Path) -> None:
    missing = [file for file in recipe.needs if not (files / file).is_file()]
    if missing:
        raise RecipeError(
            f"recipe {recipe.name}: {', '.join(missing)} not found in {files}; "
            f"get the data from: {recipe.origin}"
        )


def _prepare(connection: duckdb.DuckDBPyConnection, recipe: _Recipe, files: Path) -> None:
    connection.execute("set TimeZone = 'UTC'")
    connection.execute("create schema files")
    connection.execute("create schema landing")
    for file in recipe.needs:
        rows = _rows_in_file_order(files / file)
        connection.execute(f'create view files."{Path(file).stem}" as {rows}')
    connection.execute(recipe.sql)


def _rows_in_file_order(file: Path) -> str:
    if file.suffix == ".csv":
        # DuckDB keeps the order of a file unless told otherwise, so an empty window has one.
        return (
            "select *, row_number() over () - 1 as file_row_number "
            f"from read_csv({_text(file)}, sample_size = -1)"
        )
    return f"select * from read_parquet({_text(file)}, file_row_number = true)"


def _landing_columns(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """Columns of each entity that the SQL made."""
    found = connection.execute(
        """
        select table_name, list(column_name order by column_index)
        from duckdb_columns()
        where schema_name = 'landing'
        group by table_name
        order by table_name
        """
    ).fetchall()
    return dict(found)


def _check_columns(name: str, columns: dict[str, list[str]]) -> None:
    contract = load_contract()
    if not columns:
        raise RecipeError(f"recipe {name}: the SQL makes nothing in the schema landing")
    for table, delivered in columns.items():
        entity = contract.get(table)
        if entity is None:
            raise RecipeError(f"recipe {name}: landing.{table} is no entity of the contract")
        unknown = [column for column in delivered if column not in entity.column_names]
        if unknown:
            raise RecipeError(
                f"recipe {name}: landing.{table} has columns that are not in the contract: "
                f"{', '.join(unknown)}"
            )
        required = [column.name for column in entity.columns if column.required]
        absent = [column for column in required if column not in delivered]
        if absent:
            raise RecipeError(
                f"recipe {name}: landing.{table} lacks required columns: {', '.join(absent)}"
            )


def _write(connection: duckdb.DuckDBPyConnection, entity: str, file: Path) -> int:
    """Write the rows of an entity in the order of its key; return their number."""
    key = ", ".join(load_contract()[entity].key)
    [(rows,)] = connection.execute(
        f"copy (select * from landing.{entity} order by {key}) "
        f"to {_text(file)} (format parquet, compression zstd)"
    ).fetchall()
    return int(rows)


def _text(path: Path) -> str:
    quoted = str(path).replace("'", "''")
    return f"'{quoted}'"
