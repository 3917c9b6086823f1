"""Dagster assets of the exports: one for each document in syncs/, and the sensor that runs them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from orchestration.activation.engine import RunReport
from orchestration.activation.runs import Asked, how_of_environment, report_table, run_syncs
from orchestration.activation.syncs import sync_files
from orchestration.paths import Paths
from orchestration.run import FRESHNESS

_MEMBERSHIPS = dg.AssetKey(["segments", "memberships"])
_GATES = dg.AssetKey(["audiences", "customer_gates"])
_DONE = ("succeeded", "held")


def build_sync_assets() -> list[dg.AssetsDefinition]:
    """An asset for each document. A wrong document is an asset that fails and says why."""
    return [_sync_asset(file) for file in sync_files()]


def _sync_asset(file: Path) -> dg.AssetsDefinition:
    key = dg.AssetKey(["syncs", file.stem])

    @dg.asset(
        key=key,
        deps=[_MEMBERSHIPS, _GATES],
        check_specs=[
            dg.AssetCheckSpec(
                "nothing_held_back",
                asset=key,
                description="No breaker kept rows back, no row was rejected or left unknown, no "
                "audience was left behind by a document that is gone.",
            )
        ],
        group_name="syncs",
        freshness_policy=FRESHNESS,
        owners=["team:marketing"],
        description=f"What syncs/{file.name} fills. SEGMENT_OF_ONE_SYNCS says whether it is live.",
    )
    def synced(context: dg.AssetExecutionContext) -> Any:
        asked = Asked([file.stem], how_of_environment())
        report, *abandoned = run_syncs(Paths.from_environment(), asked, context.log.info)
        if report.status not in _DONE:
            raise dg.Failure(f"{report.status}: {report.reason}")
        yield dg.MaterializeResult(
            metadata=_metadata(report), check_results=[_check(key, [report, *abandoned])]
        )

    return synced


def _metadata(report: RunReport) -> dict[str, Any]:
    return {
        "run": dg.MetadataValue.md(f"```\n{report_table([report])}\n```"),
        "how": report.how,
        "accepted": report.accepted,
        "rejected": report.rejected,
        "unknown": report.unknown,
        "requests": report.requests,
        **({"desired": report.plan.desired} if report.plan else {}),
    }


def _check(key: dg.AssetKey, reports: Sequence[RunReport]) -> dg.AssetCheckResult:
    passed = [each.status == "succeeded" and not each.rejected + each.unknown for each in reports]
    return dg.AssetCheckResult(
        passed=all(passed),
        severity=dg.AssetCheckSeverity.WARN,
        asset_key=key,
        check_name="nothing_held_back",
        metadata={
            each.sync_id: f"{each.status}{': ' if each.reason else ''}{each.reason or ''}"
            for each in reports
        },
    )


def build_sync_sensor(build: Any, sync: Any) -> dg.SensorDefinition:
    """Run the syncs by every new build. Both are what define_asset_job makes, which has no public
    name.
    """

    @dg.run_status_sensor(
        name="sync_after_build",
        run_status=dg.DagsterRunStatus.SUCCESS,
        monitored_jobs=[build],
        request_job=sync,
    )
    def sync_after_build(context: dg.RunStatusSensorContext) -> dg.RunRequest:
        return dg.RunRequest(run_key=context.dagster_run.run_id)

    return sync_after_build
