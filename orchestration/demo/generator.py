"""Makes the landing files of a made-up group of shops, and the truth about its people.

The steps are the files sql/NN_<step>.sql, in order; the data contract gives the columns.
"""

import json
import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
from mimesis import Person
from mimesis.enums import Gender
from mimesis.locales import Locale

from orchestration.contract import load_contract
from orchestration.paths import Paths

SQL = Path(__file__).resolve().parent / "sql"
SYSTEMS = (
    "demo_catalog",
    "demo_erp",
    "demo_mail",
    "demo_privacy",
    "demo_service",
    "demo_shop",
    "demo_tills",
    "demo_web",
)
LOCALES = {"PL": Locale.PL, "DE": Locale.DE, "CZ": Locale.CS}
# Below the first some personas would be most of the people, above the second phones run out.
FEWEST_PERSONS, MOST_PERSONS = 1_000, 9_999_999
DRAWS_OF_NAMES = 3_000
MEMORY_LIMIT = "2GB"


def make_demo(
    paths: Paths, persons: int, seed: int, until: date, progress: Callable[[str], None]
) -> None:
    """Write the landing files of `persons` people up to the day `until`, and their truth.

    The same persons, seed and day give the same rows in the same order. What happened before
    the last three days is in files without a date, the rest in one file for each day. Landing
    folders of the demo and the truth of an earlier call are replaced at the end, in whole.
    Raises ValueError for fewer than 1,000 or more than 9,999,999 persons.
    """
    if not FEWEST_PERSONS <= persons <= MOST_PERSONS:
        raise ValueError(
            f"persons must be from {FEWEST_PERSONS:,} to {MOST_PERSONS:,}, it is {persons:,}"
        )
    paths.data.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=paths.data, prefix=".demo-") as unfinished:
        made = Paths(Path(unfinished))
        with duckdb.connect(made.data / "demo.duckdb") as connection:
            connection.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
            connection.execute(f"set variable persons = {persons}")
            connection.execute(f"set variable seed = {seed}")
            connection.execute(f"set variable until = date '{until}'")
            _list_names(connection, seed)
            for step in sorted(SQL.glob("*.sql")):
                progress(f"demo: making {step.stem[3:]}")
                connection.execute(step.read_text())
            _write_landing(connection, made.landing, until, progress)
            _write_imports(connection, made.landing, until)
            progress("demo: writing the truth")
            _write_truth(connection, made.truth, persons, seed, until)
        for system in SYSTEMS:
            _replace(made.landing / system, paths.landing / system)
        _replace(made.truth, paths.truth)


def _list_names(connection: duckdb.DuckDBPyConnection, seed: int) -> None:
    """Create `names`: lists of given and family names for each country and gender."""
    connection.execute("""
        create table names (
            country varchar, gender varchar, given_names varchar[], family_names varchar[]
        )
    """)
    for country, locale in LOCALES.items():
        person = Person(locale, seed=seed)
        for gender in (Gender.FEMALE, Gender.MALE):
            given = dict.fromkeys(person.first_name(gender) for _ in range(DRAWS_OF_NAMES))
            family = dict.fromkeys(person.last_name(gender) for _ in range(DRAWS_OF_NAMES))
            connection.execute(
                "insert into names values (?, ?, ?, ?)",
                [country, gender.value, list(given), list(family)],
            )


def _write_landing(
    connection: duckdb.DuckDBPyConnection,
    landing: Path,
    until: date,
    progress: Callable[[str], None],
) -> None:
    """Write every table of the systems' schemas, split by its column delivered_on."""
    contract = load_contract()
    tables = connection.execute(
        """
        select schema_name, table_name from duckdb_tables()
        where list_contains(?, schema_name) order by all
        """,
        [list(SYSTEMS)],
    ).fetchall()
    for system, entity in tables:
        progress(f"demo: writing {system}/{entity}")
        folder = landing / system / entity
        folder.mkdir(parents=True)
        columns = ", ".join(
            f"{c.name}::{c.data_type} as {c.name}" for c in contract[entity].columns
        )
        rows = f"select {columns} from {system}.{entity}"
        _copy(connection, f"{rows} where delivered_on is null", folder / "history.parquet")
        for day in _day_files(until):
            file = folder / f"{day}.parquet"
            if not _copy(connection, f"{rows} where delivered_on = date '{day}'", file):
                file.unlink()


def _day_files(until: date) -> list[date]:
    return [until - timedelta(days) for days in (2, 1, 0)]


def _copy(connection: duckdb.DuckDBPyConnection, rows: str, file: Path) -> int:
    """Write the rows of a query as Parquet and return how many there are."""
    written = connection.execute(f"copy ({rows}) to '{file}' (compression zstd)").fetchall()
    return int(written[0][0])


def _write_imports(connection: duckdb.DuckDBPyConnection, landing: Path, until: date) -> None:
    """Write the files made by hand, some of whose lines are wrong."""
    files = connection.execute("""
        select source_system, source_entity, list(line order by row_no)
        from imported_lines group by all order by all
    """).fetchall()
    for system, entity, lines in files:
        file = landing / system / entity / _import_name(until)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _import_name(until: date) -> str:
    return f"{until - timedelta(days=1)}_import.csv"


def _write_truth(
    connection: duckdb.DuckDBPyConnection, truth: Path, persons: int, seed: int, until: date
) -> None:
    truth.mkdir()
    _copy(connection, "from record_person order by all", truth / "record_person.parquet")
    _copy(connection, "from person_labels order by all", truth / "person_labels.parquet")
    _copy(connection, "from record_labels order by all", truth / "record_labels.parquet")
    planted = {
        "parameters": {"persons": persons, "seed": seed, "until": until.isoformat()},
        "labels": _counts(
            connection, "select label, count(*) from person_labels group by label order by label"
        ),
        "dirty_files": _dirty_files(connection, until),
        "late_rows": _counts(
            connection, "select entity, rows from disorder where kind = 'late_rows' order by entity"
        ),
        "repeated_rows": _counts(
            connection,
            "select entity, rows from disorder where kind = 'repeated_rows' order by entity",
        ),
    }
    (truth / "planted.json").write_text(json.dumps(planted, indent=2) + "\n", encoding="utf-8")


def _counts(connection: duckdb.DuckDBPyConnection, query: str) -> dict[str, int]:
    return dict(connection.execute(query).fetchall())


def _dirty_files(connection: duckdb.DuckDBPyConnection, until: date) -> dict[str, Any]:
    """What is wrong in each file made by hand; rows count from 1 below the header."""
    files = connection.execute("""
        select
            source_system || '/' || source_entity || '/',
            count(*),
            list({'row': row_no, 'problem': problem} order by row_no)
                filter (where problem is not null)
        from imported_lines
        where row_no > 0
        group by all
        order by all
    """).fetchall()
    return {
        folder + _import_name(until): {"rows": rows, "good": rows - len(bad), "bad": bad}
        for folder, rows, bad in files
    }


def _replace(made: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    made.rename(target)
