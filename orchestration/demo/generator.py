"""Made-up people of a made-up group of shops, for demos, tests and benchmarks."""

import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
from mimesis import Person
from mimesis.enums import Gender
from mimesis.locales import Locale

from orchestration.contract import Entity, load_contract
from orchestration.paths import Paths

SQL = Path(__file__).parent / "sql"
SYSTEMS = ("demo_shop", "demo_tills", "demo_mail", "demo_web", "demo_catalog", "demo_privacy")
LOCALES = {"PL": Locale.PL, "DE": Locale.DE, "CZ": Locale.CS}


def make_demo(
    paths: Paths, persons: int, seed: int, until: date, progress: Callable[[str], None]
) -> None:
    with TemporaryDirectory(prefix=".demo-", dir=paths.data) as folder:
        con = duckdb.connect(Path(folder) / "demo.duckdb")
        con.execute("set memory_limit='3GB'")
        con.execute(f"set variable persons = {persons}")
        con.execute(f"set variable seed = {seed}")
        con.execute(f"set variable until = date '{until}'")
        _names(con, seed)
        for f in sorted(SQL.glob("*.sql")):
            progress(f.stem)
            con.execute(f.read_text())
        contract = load_contract()
        for system, table in con.execute(
            "select schema_name, table_name from duckdb_tables() where schema_name like 'demo\\_%' escape '\\' order by all"
        ).fetchall():
            _write(con, Path(folder) / "landing" / system / table, system, contract[table], until)
        (Path(folder) / "truth").mkdir()
        for t in ("record_person", "person_labels"):
            con.execute(f"copy (select * from {t} order by all) to '{folder}/truth/{t}.parquet' (compression zstd)")
        labels = dict(con.execute("select label, count(*) from person_labels group by 1 order by 1").fetchall())
        (Path(folder) / "truth" / "planted.json").write_text(json.dumps({"persons": persons, "labels": labels}, indent=2))
        con.close()
        for system in SYSTEMS:
            shutil.rmtree(paths.landing / system, ignore_errors=True)
        paths.landing.mkdir(exist_ok=True)
        for system in SYSTEMS:
            (Path(folder) / "landing" / system).rename(paths.landing / system)
        shutil.rmtree(paths.truth, ignore_errors=True)
        (Path(folder) / "truth").rename(paths.truth)


def _names(con: duckdb.DuckDBPyConnection, seed: int) -> None:
    con.execute("create table names (country varchar, gender varchar, given_names varchar[], family_names varchar[])")
    for country, locale in LOCALES.items():
        person = Person(locale, seed=seed)
        for gender in (Gender.FEMALE, Gender.MALE):
            given = list(dict.fromkeys(person.first_name(gender) for _ in range(3000)))
            family = list(dict.fromkeys(person.last_name(gender) for _ in range(3000)))
            con.execute("insert into names values (?, ?, ?, ?)", [country, gender.value, given, family])


def _write(con: duckdb.DuckDBPyConnection, folder: Path, system: str, entity: Entity, until: date) -> None:
    folder.mkdir(parents=True)
    table = f"{system}.{entity.name}"
    columns = ", ".join(f"{c.name}::{c.data_type} as {c.name}" for c in entity.columns)
    order = ", ".join([c for c in (entity.event_at, entity.version) if c] + list(entity.key))
    days = [None] + [r[0] for r in con.execute(f"select distinct delivered_on from {table} where delivered_on is not null order by 1").fetchall()]
    for day in days:
        where = f"delivered_on = date '{day}'" if day else "delivered_on is null"
        con.execute(
            f"copy (select {columns} from {table} where {where} order by {order}) "
            f"to '{folder / (str(day or 'history') + '.parquet')}' (compression zstd)"
        )
