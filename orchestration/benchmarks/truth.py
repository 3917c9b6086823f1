"""How well the marts find what is planted in the demo group, against its truth.

A person counts where the data can decide: all of the person's records are one customer, and the
customer has no records of anybody else.
"""

import os
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb

from orchestration.benchmarks.accuracy import Accuracy
from orchestration.paths import Paths

UNTIL = date(2026, 6, 30)
DEFAULT_SIZE = 20_000
GOAL = 0.95

# Label of person_labels.parquet -> the customers whom the marts say it of.
CUSTOMERS = {
    "new_buyer": "select customer_id from segments.new_buyer",
    "high_value_buyer": "select customer_id from segments.high_value_buyer",
    "losing_buyer": "select customer_id from segments.losing_buyer",
    "abandoned_cart": "select customer_id from segments.abandoned_cart",
    "abandoned_checkout": "select customer_id from segments.abandoned_checkout",
    "birthday": "select customer_id from segments.birthday",
    "vanished_buyer": "select customer_id from segments.vanished_buyer",
    "strong_in_several": "select customer_id from marts.customer_brand_groups "
    "where activity_group = 'strong_in_several'",
    "search_first": "select customer_id from marts.customer_behaviour where is_search_first",
    "price_seeker": "select customer_id from marts.customer_behaviour where is_price_seeker",
    "blog_reader": "select customer_id from marts.customer_behaviour where is_reader",
    "christmas_only": "select customer_id from marts.customer_intents "
    "where only_occasion = 'christmas'",
    "gift_only": "select customer_id from marts.customer_intents where is_gift_only",
    "mover": "select customer_id from marts.customer_places where has_moved_away",
}

# Label of person_labels.parquet -> the main reason why they stopped. Those who were not planted
# stop without a reason: only the planted are compared.
REASONS = {
    "accidental_visitor": "accidental_click",
    "declared_leaver": "declared",
    "gift_leaver": "gift_only",
    "mover": "moved",
    "offer_mismatch": "offer_mismatch",
    "price_leaver": "price",
    "service_problem": "service_problem",
    "stock_out": "stock_out",
}

# Labels of person_labels.parquet that are segments, too. Others may buy in the same style: only
# the planted are compared, who should be found in their own style and in no other.
STYLES = ("stylish_buyer", "practical_buyer", "discount_buyer")

# Label of record_labels.parquet -> the records that the marts say it of, system:entity:id.
RECORDS = {
    "gift": "select order_id from marts.order_intents where is_gift",
}

_MATCHED = """
    create temp table matched as
    with records as (
        select
            records.customer_id,
            persons.person_id
        from read_parquet('{truth}/record_person.parquet') as persons
        inner join marts.customer_records as records
            using (source_system, source_entity, source_record_id)
        where records.customer_id is not null and persons.source_entity <> 'visitors'
    ),
    people as (
        select person_id, any_value(customer_id) as customer_id
        from records
        group by person_id
        having count(distinct customer_id) = 1
    ),
    customers as (
        select customer_id
        from records
        group by customer_id
        having count(distinct person_id) = 1
    )
    select people.person_id, people.customer_id
    from people
    inner join customers using (customer_id)
"""


def run(size: int | None, progress: Callable[[str], None]) -> dict[str, str]:
    """Make and build a demo group of so many persons, and compare it with what was planted."""
    from orchestration.demo.generator import make_demo
    from orchestration.launch import run_build

    persons = size or DEFAULT_SIZE
    paths = Paths(Paths.from_environment().data / "bench" / f"truth-{persons}")
    if not (paths.truth / "planted.json").exists():
        make_demo(paths, persons, 1, UNTIL, progress)
    os.environ["SEGMENT_OF_ONE_DATA"] = str(paths.data)
    run_build(paths, UNTIL, progress)
    figures = {"persons": f"{persons}"}
    for label, found in measure(paths.warehouse, paths.truth).items():
        figures[f"{label}, precision"] = f"{found.precision:.3f} (goal {GOAL})"
        figures[f"{label}, recall"] = f"{found.recall:.3f} (goal {GOAL})"
    return figures


def measure(warehouse: Path, truth: Path) -> dict[str, Accuracy]:
    """Precision and recall of each label; nothing found is a precision of 0."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        connection.execute(_MATCHED.format(truth=truth))
        planted = (
            f"select person_id from read_parquet('{truth}/person_labels.parquet') "
            f"where list_contains({list(REASONS)}, label)"
        )
        styled = (
            f"select person_id from read_parquet('{truth}/person_labels.parquet') "
            f"where list_contains({list(STYLES)}, label)"
        )
        return (
            {
                label: _compare(
                    connection,
                    f"select person_id from ({found}) inner join matched using (customer_id)",
                    f"select person_id from read_parquet('{truth}/person_labels.parquet') "
                    f"inner join matched using (person_id) where label = '{label}'",
                )
                for label, found in CUSTOMERS.items()
            }
            | {
                f"{label}, main reason": _compare(
                    connection,
                    "select person_id from marts.customer_inactivity_reasons "
                    "inner join matched using (customer_id) "
                    f"where reason_rank = 1 and reason = '{reason}' and person_id in ({planted})",
                    f"select person_id from read_parquet('{truth}/person_labels.parquet') "
                    f"inner join matched using (person_id) where label = '{label}'",
                )
                for label, reason in REASONS.items()
            }
            | {
                style: _compare(
                    connection,
                    f"select person_id from segments.{style} "
                    f"inner join matched using (customer_id) where person_id in ({styled})",
                    f"select person_id from read_parquet('{truth}/person_labels.parquet') "
                    f"inner join matched using (person_id) where label = '{style}'",
                )
                for style in STYLES
            }
            | {
                label: _compare(
                    connection,
                    found,
                    "select source_system || ':' || source_entity || ':' || source_record_id "
                    f"from read_parquet('{truth}/record_labels.parquet') where label = '{label}'",
                )
                for label, found in RECORDS.items()
            }
        )


def _compare(connection: duckdb.DuckDBPyConnection, found: str, planted: str) -> Accuracy:
    [(hits, claimed, existing)] = connection.execute(
        f"""
        with found as ({found}), planted as ({planted})
        select
            (select count(*) from (from found intersect from planted)),
            (select count(*) from found),
            (select count(*) from planted)
        """
    ).fetchall()
    return Accuracy(hits / claimed if claimed else 0.0, hits / existing if existing else 0.0)
