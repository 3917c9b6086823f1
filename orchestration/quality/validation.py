"""Runs rules with great-expectations and writes its Data Docs.

Importing this takes seconds and 250 MB: do it only when there is something to check.
"""

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import great_expectations as gx
from great_expectations.core.run_identifier import RunIdentifier
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.expectations.metadata_types import FailureSeverity

from orchestration.quality.rules import Rule

_RULE = "rule"  # key of the metadata by which a result is led back to its rule


class ExpectationError(Exception):
    """great-expectations could not evaluate a rule; it says nothing about the data."""


class Validation:
    """The validations of one check of the raw tables, kept in memory until the docs are written.

    Results are BOOLEAN_ONLY: every other format of great-expectations holds values of rows.
    """

    def __init__(self, docs: Path) -> None:
        """`docs` is the folder of the Data Docs; nothing is written yet."""
        self._docs = docs
        self._unfinished = docs.with_name(f".{docs.name}.unfinished")
        self._context = gx.get_context(mode="ephemeral", project_config=_config(self._unfinished))
        self._source = self._context.data_sources.add_pandas("raw")
        now = datetime.now(UTC)
        self._run = RunIdentifier(run_name=f"{now:%Y-%m-%d %H:%M:%S} UTC", run_time=now)

    def broken_rules(
        self, name: str, batch: duckdb.DuckDBPyRelation, rules: Sequence[Rule]
    ) -> list[Rule]:
        """Those of the rules that the batch breaks; `name` is a new one for each batch."""
        frame = batch.df()
        given = frame.count()
        suite = gx.ExpectationSuite(
            name=name,
            expectations=[
                _expectation(rule, rule.share_required(int(given[rule.column])), number)
                for number, rule in enumerate(rules)
            ],
        )
        definition = gx.ValidationDefinition(
            name=name,
            data=self._source.add_dataframe_asset(name).add_batch_definition_whole_dataframe(name),
            suite=self._context.suites.add(suite),
        )
        validated = self._context.validation_definitions.add(definition).run(
            batch_parameters={"dataframe": frame},
            result_format="BOOLEAN_ONLY",
            run_id=self._run,
        )
        # The results are grouped by column, and so in another order than the rules.
        passed = {}
        for result in validated.results:
            assert result.expectation_config is not None
            number = result.expectation_config.meta[_RULE]
            if result.exception_info.get("raised_exception") is not False:
                raise ExpectationError(
                    f"great-expectations cannot evaluate for {name} that {rules[number].says}; "
                    "the data were not judged"
                )
            passed[number] = result.success
        return [rule for number, rule in enumerate(rules) if not passed[number]]

    def write_docs(self) -> None:
        """Replace the Data Docs by those of this check."""
        shutil.rmtree(self._unfinished, ignore_errors=True)
        self._context.build_data_docs()
        shutil.rmtree(self._docs, ignore_errors=True)
        self._unfinished.rename(self._docs)


def _expectation(rule: Rule, mostly: float, number: int) -> ExpectationConfiguration:
    kind, limits = _kind_and_limits(rule)
    return ExpectationConfiguration(
        type=f"expect_column_values_to_{kind}",
        kwargs={"column": rule.column, "mostly": mostly, **limits},
        meta={_RULE: number},
        description=rule.says,
        severity=FailureSeverity.CRITICAL if rule.blocking else FailureSeverity.WARNING,
    )


def _kind_and_limits(rule: Rule) -> tuple[str, dict[str, Any]]:
    if rule.values:
        return "be_in_set", {"value_set": list(rule.values)}
    if rule.pattern is not None:
        return "match_regex", {"regex": rule.pattern}
    return "be_between", {"min_value": rule.minimum, "max_value": rule.maximum}


def _config(docs: Path) -> DataContextConfig:
    """Everything in memory, except for one site of Data Docs; no progress bars, no telemetry."""
    return DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
        data_docs_sites={
            "raw_tables": {
                "class_name": "SiteBuilder",
                "show_how_to_buttons": False,
                "store_backend": {
                    "class_name": "TupleFilesystemStoreBackend",
                    "base_directory": str(docs.absolute()),
                },
                "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            }
        },
    )
