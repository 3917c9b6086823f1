"""Dagster assets of the raw tables, with the checks that guard them, and the landing sensor."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from orchestration.contract import Entity, load_contract
from orchestration.ingest.ledger import Load, read_ledger
from orchestration.ingest.loader import LoadReport, find_new_files, load_new_files
from orchestration.paths import Paths
from orchestration.quality.passed import mark_passed, unchecked
from orchestration.quality.raw_checks import CheckOutcome, check_raw
from orchestration.run import FRESHNESS, BuildRun

LANDING = dg.AssetKey("landing")


def raw_key(entity: Entity) -> dg.AssetKey:
    """Asset of a raw table, the same that its dbt source has."""
    return dg.AssetKey(["raw", entity.name])


def landing_spec() -> dg.AssetSpec:
    """The landing folder, which the source systems fill."""
    return dg.AssetSpec(
        LANDING,
        description="Files as the source systems deliver them: landing/<system>/<entity>/*.",
        group_name="raw",
        owners=["team:data-engineering"],
    )


def build_raw_asset() -> dg.AssetsDefinition:
    """One op that loads and checks all new files, with an asset and a check per raw table."""
    contract = load_contract()
    specs = [
        dg.AssetSpec(
            raw_key(entity),
            deps=[LANDING],
            description=entity.description,
            group_name="raw",
            owners=["team:data-engineering"],
            kinds={"parquet"},
            freshness_policy=FRESHNESS,
        )
        for entity in contract.values()
    ]
    checks = [
        dg.AssetCheckSpec(
            "may_enter",
            asset=raw_key(entity),
            blocking=True,
            description="great-expectations over what was loaded last; a refused file fails it.",
        )
        for entity in contract.values()
    ]

    @dg.multi_asset(name="raw_tables", specs=specs, check_specs=checks)
    def raw_tables(
        run: dg.ResourceParam[BuildRun],
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        paths = Paths.from_environment()
        with run.step("load"):
            now = datetime.now(UTC).replace(tzinfo=None)
            report = load_new_files(paths, contract, now, run.progress)
        with run.step("check"):
            outcomes = _check(paths, contract, report, run)
        for entity in contract.values():
            yield dg.MaterializeResult(
                asset_key=raw_key(entity), metadata=_load_metadata(report, entity)
            )
            yield _check_result(entity, outcomes.get(entity.name))
        failed = [reason for outcome in outcomes.values() for reason in outcome.failed]
        if failed:
            raise dg.Failure(
                f"{len(failed)} checks of raw tables failed; readers keep the last good version; "
                "mend the cause, or go on with what was loaded, and without a refused file: "
                "make build ACCEPT=yes. " + " | ".join(failed),
                allow_retries=False,
            )

    return raw_tables


def _check(
    paths: Paths, contract: Mapping[str, Entity], report: LoadReport, run: BuildRun
) -> dict[str, CheckOutcome]:
    """Outcomes by entity, of all loads that have not passed yet; none when nothing is new."""
    ledger = read_ledger(paths)
    waiting = LoadReport(unchecked(paths, ledger), report.still_refused + _refused(report))
    outcomes = check_raw(paths, contract, waiting, run.progress)
    if run.accepts_failed_checks:
        outcomes = [replace(outcome, passed=True, failed=()) for outcome in outcomes]
    mark_passed(paths, ledger, [outcome.entity for outcome in outcomes if outcome.passed])
    return {outcome.entity: outcome for outcome in outcomes}


def _refused(report: LoadReport) -> tuple[Load, ...]:
    return tuple(load for load in report.loads if load.error is not None)


def _load_metadata(report: LoadReport, entity: Entity) -> dict[str, dg.MetadataValue]:
    loads: list[Load] = [load for load in report.loads if load.entity == entity.name]
    return {
        "files": dg.MetadataValue.int(len(loads)),
        "rows_loaded": dg.MetadataValue.int(sum(load.rows_loaded for load in loads)),
        "rows_quarantined": dg.MetadataValue.int(sum(load.rows_quarantined for load in loads)),
        "new_columns": dg.MetadataValue.json(
            sorted({column for load in loads for column in load.new_columns})
        ),
    }


def _check_result(entity: Entity, outcome: CheckOutcome | None) -> dg.AssetCheckResult:
    if outcome is None:
        return dg.AssetCheckResult(
            passed=True,
            asset_key=raw_key(entity),
            check_name="may_enter",
            description="nothing new",
        )
    return dg.AssetCheckResult(
        passed=outcome.passed,
        asset_key=raw_key(entity),
        check_name="may_enter",
        metadata={
            "expectations": outcome.expectations,
            "failed": dg.MetadataValue.json(list(outcome.failed)),
            "warned": dg.MetadataValue.json(list(outcome.warned)),
        },
        description="; ".join(outcome.failed) or f"{outcome.expectations} expectations hold",
    )


def build_landing_sensor(job_name: str) -> dg.SensorDefinition:
    """Start a build when files that have not been loaded lie in the landing folder."""

    @dg.sensor(name="new_landing_files", job_name=job_name, minimum_interval_seconds=60)
    def new_landing_files(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        files = find_new_files(Paths.from_environment())
        if not files:
            return dg.SkipReason("no new files in the landing folder")
        # The newest change of the waiting files names the run: one run for one state of them.
        cursor = str(max(file.stat().st_mtime_ns for file in files))
        if cursor == context.cursor:
            return dg.SkipReason("a build was started for these files already")
        return dg.SensorResult(run_requests=[dg.RunRequest(run_key=cursor)], cursor=cursor)

    return new_landing_files
