"""Checks what was loaded last before models read it, with great-expectations."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from orchestration.contract import Entity
from orchestration.ingest.ledger import read_ledger
from orchestration.ingest.loader import LoadReport
from orchestration.ingest.sql import quote_name, quote_text
from orchestration.paths import Paths
from orchestration.quality.measures import measure
from orchestration.quality.rules import Rule, rules_for_files, rules_for_rows

if TYPE_CHECKING:
    from orchestration.quality.validation import Validation

FILES_NAMED = 3  # files that one broken rule names; the others are counted


@dataclass(frozen=True)
class CheckOutcome:
    """What became of the checks of one raw table.

    `failed` and `warned` say file, column, count and what to do, and no value of a row.
    """

    entity: str
    passed: bool
    expectations: int
    failed: tuple[str, ...]
    warned: tuple[str, ...] = ()


def check_raw(
    paths: Paths,
    contract: Mapping[str, Entity],
    report: LoadReport,
    progress: Callable[[str], None],
) -> list[CheckOutcome]:
    """Check what the report says was loaded or refused, and write the Data Docs about it.

    One outcome for each entity with a new or still refused file, in the order of the contract,
    then for names that it does not have; none when there is nothing new. Values are looked at in
    about 200,000 new rows of each system, the same ones each time. Raises ExpectationError when
    great-expectations itself fails.
    """
    new = [load for load in [*report.loads, *report.still_refused] if not load.duplicate_of]
    if not new:
        return []
    # It takes 3 s and 250 MB to import.
    from orchestration.quality.validation import Validation

    validation = Validation(paths.reports / "data_docs")
    ledger = read_ledger(paths)
    names = {load.entity for load in new}
    outcomes = []
    for name in [*(name for name in contract if name in names), *sorted(names - set(contract))]:
        entity = contract.get(name) or _unknown(name)
        with duckdb.connect() as connection:
            loads = [load for load in new if load.entity == name]
            measure(connection, paths, entity, loads, ledger)
            outcome = _check(connection, validation, entity)
        outcomes.append(outcome)
        for line in _describe(outcome):
            progress(line)
    validation.write_docs()
    return outcomes


@dataclass(frozen=True)
class _Batch:
    """What some rules judge: the query of the batch, and of the files that break a rule."""

    name: str
    query: str
    rules: tuple[Rule, ...]
    query_broken: Callable[[Rule], str]


def _check(
    connection: duckdb.DuckDBPyConnection, validation: "Validation", entity: Entity
) -> CheckOutcome:
    """Judge the tables `files` and `rows` of one entity."""
    batches = _batches(connection, entity)
    failed: list[str] = []
    warned: list[str] = []
    for batch in batches:
        for rule in validation.broken_rules(batch.name, connection.sql(batch.query), batch.rules):
            told = _tell(rule, connection.sql(batch.query_broken(rule)))
            (failed if rule.blocking else warned).extend(told)
    expectations = sum(len(batch.rules) for batch in batches)
    return CheckOutcome(entity.name, not failed, expectations, tuple(failed), tuple(warned))


def _batches(connection: duckdb.DuckDBPyConnection, entity: Entity) -> list[_Batch]:
    """One of all new files, and one of the new rows of each system.

    The systems are judged apart, so that a large one cannot hide what is wrong with a small one.
    """
    of_files = _Batch(
        f"{entity.name} files",
        f"select {_columns(rules_for_files(entity))} from files order by load_id",
        rules_for_files(entity),
        _query_broken_files,
    )
    rules = rules_for_rows(entity)
    if not rules:
        return [of_files]
    systems = connection.execute("select distinct system from rows order by system").fetchall()
    return [of_files, *(_batch_of_rows(entity, system, rules) for (system,) in systems)]


def _batch_of_rows(entity: Entity, system: str, rules: tuple[Rule, ...]) -> _Batch:
    of_system = f"from rows where system = {quote_text(system)}"
    return _Batch(
        f"{entity.name} rows of {system}",
        f"select {_columns(rules)} {of_system}",
        rules,
        lambda rule: (
            f"""
            select
                file,
                count(*) filter (where {rule.is_broken_by_row}) as odd,
                count({quote_name(rule.column)}) as given
            {of_system}
            group by load_id, file
            having odd > 0
            order by odd desc, load_id
        """
        ),
    )


def _query_broken_files(rule: Rule) -> str:
    return f"select * from files where {rule.is_broken_by_row} order by load_id"


def _columns(rules: Sequence[Rule]) -> str:
    return ", ".join(dict.fromkeys(quote_name(rule.column) for rule in rules))


def _tell(rule: Rule, broken: duckdb.DuckDBPyRelation) -> Iterator[str]:
    """A line for each of the first files that break the rule, and one for the others."""
    rows = [dict(zip(broken.columns, row, strict=True)) for row in broken.fetchall()]
    for row in rows[:FILES_NAMED]:
        yield rule.broken.format(**(row | {"says": rule.says}))
    if len(rows) > FILES_NAMED:
        yield f"{len(rows) - FILES_NAMED:,} more files break the rule that {rule.says}"


def _describe(outcome: CheckOutcome) -> list[str]:
    if outcome.failed or outcome.warned:
        return [
            *(f"check {outcome.entity}: failed: {line}" for line in outcome.failed),
            *(f"check {outcome.entity}: warning: {line}" for line in outcome.warned),
        ]
    return [f"check {outcome.entity}: {outcome.expectations} expectations hold"]


def _unknown(name: str) -> Entity:
    """An entity that the contract does not have: its files were refused, nothing more is known."""
    return Entity("", name, "", "record", (), None, None, {}, ())
