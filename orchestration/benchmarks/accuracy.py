"""How well identity finds persons: pairs of records on the demo group, against its truth."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from orchestration.paths import Paths

UNTIL = date(2026, 6, 30)
DEFAULT_SIZE = 100_000


@dataclass(frozen=True)
class Accuracy:
    """Of the pairs of records that were found, the right ones; of the right ones, the found."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """Harmonic mean of both."""
        return 2 * self.precision * self.recall / (self.precision + self.recall)


def run(size: int | None, progress: Callable[[str], None]) -> dict[str, str]:
    """Make and build a demo group of so many persons, and compare it with its truth."""
    from orchestration.demo.generator import make_demo
    from orchestration.launch import run_build

    persons = size or DEFAULT_SIZE
    paths = Paths(Paths.from_environment().data / "bench" / f"accuracy-{persons}")
    if not (paths.truth / "planted.json").exists():
        make_demo(paths, persons, 1, UNTIL, progress)
    os.environ["SEGMENT_OF_ONE_DATA"] = str(paths.data)
    run_build(paths, UNTIL, progress)
    found = measure(paths.warehouse, paths.truth)
    return {
        "persons": f"{persons}",
        "pairwise precision": f"{found.precision:.4f} (goal 0.985)",
        "pairwise recall": f"{found.recall:.4f} (goal 0.875)",
        "pairwise F1": f"{found.f1:.4f} (goal 0.928)",
    }


def measure(warehouse: Path, truth: Path, column: str = "customer_id") -> Accuracy:
    """Compare identity.records with the persons of record_person.parquet.

    `column` of marts.customers names the customer: customer_id or customer_id_linked.
    """
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        [(precision, recall)] = connection.execute(
            f"""
            with profiles as (
                select customers.{column} as customer_id, persons.person_id
                from read_parquet('{truth}/record_person.parquet') as persons
                inner join identity.records as records
                    using (source_system, source_entity, source_record_id)
                left join marts.customers as customers
                    on records.customer_id = customers.customer_id
                where persons.source_entity in ('accounts', 'loyalty_cards', 'contacts')
            ),
            met as (
                select count(*) as records
                from profiles
                where customer_id is not null
                group by customer_id, person_id
            ),
            customers as (
                select count(*) as records
                from profiles
                where customer_id is not null
                group by customer_id
            ),
            persons as (
                select count(*) as records
                from profiles
                group by person_id
            ),
            pairs as (
                select
                    (select sum(records * (records - 1) / 2) from met) as hit,
                    (select sum(records * (records - 1) / 2) from customers) as claimed,
                    (select sum(records * (records - 1) / 2) from persons) as existing
            )
            select hit / claimed, hit / existing from pairs
            """
        ).fetchall()
    return Accuracy(precision, recall)
