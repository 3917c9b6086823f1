"""Dagster assets of predictions: a challenger, the champion, scores, and what is published."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb

from orchestration.paths import Paths
from orchestration.predictions.gate import MODEL_GATES, SCORE_GATES, Gate
from orchestration.run import BuildRun

CHALLENGER = dg.AssetKey(["predictions", "challenger"])
CHAMPION = dg.AssetKey(["predictions", "models"])
CANDIDATES = dg.AssetKey(["predictions", "candidates"])
RECOMMENDATIONS = dg.AssetKey(["predictions", "product_recommendations"])
PUBLISHED = dg.AssetKey(["predictions", "customer_predictions"])
_SNAPSHOTS = dg.AssetKey(["features", "snapshots"])
_LABELS = dg.AssetKey(["features", "labels"])
_OWNERS = ["team:data-science"]


def build_training_assets() -> list[dg.AssetsDefinition]:
    """A challenger with its gates, and the champion that it becomes when it passes them."""

    @dg.asset(
        key=CHALLENGER,
        deps=[_SNAPSHOTS, _LABELS],
        check_specs=_check_specs(CHALLENGER, MODEL_GATES),
        kinds={"lightgbm"},
        description="A model learnt from the days before the last build, judged by the last "
        "horizon. When it fails a gate, the champion stays.",
        group_name="predictions",
        owners=_OWNERS,
    )
    def challenger(run: dg.ResourceParam[BuildRun]) -> Iterator[dg.MaterializeResult[Any]]:
        from orchestration.predictions import charts
        from orchestration.predictions.work import train_challenger

        paths = Paths.from_environment()
        with run.step("train a challenger"), _opened(run.workspace.warehouse) as warehouse:
            trained = train_challenger(warehouse, paths.predictions)
        drawn = charts.draw(trained.judgement, paths.reports / "predictions")
        for gate in trained.gates:
            run.progress(f"gate {gate.name}: {_word(gate)}, {gate.told}")
        yield dg.MaterializeResult(
            metadata={
                "version": trained.version.model.version,
                "judged_on": trained.judgement.cutoff.isoformat(),
                **{
                    f"{each.name} {each.horizon}d": float(each.value)
                    for each in trained.judgement.measures
                    if each.group == "all"
                },
                **{name: dg.MetadataValue.md(text) for name, text in drawn.items()},
            },
            check_results=_results(CHALLENGER, trained.gates),
        )

    @dg.asset(
        key=CHAMPION,
        deps=[CHALLENGER],
        kinds={"duckdb"},
        description="The models that were trained. One of them is the champion, which scores; "
        "a challenger that passed its gates takes its place where it is better for sure.",
        group_name="predictions",
        owners=_OWNERS,
    )
    def models(run: dg.ResourceParam[BuildRun]) -> dg.MaterializeResult[Any]:
        from orchestration.predictions.work import promote

        with run.step("choose the champion"), _opened(run.workspace.warehouse) as warehouse:
            version, status, reason = promote(warehouse)
        run.progress(f"model {version}: {status}, {reason}")
        return dg.MaterializeResult(
            metadata={"version": version, "status": status, "reason": reason}
        )

    return [challenger, models]


def build_scoring_assets() -> list[dg.AssetsDefinition]:
    """The scores of every buyer with their gates, what the next build takes of them, and what to
    offer to whom.
    """

    @dg.asset(
        key=CANDIDATES,
        deps=[_SNAPSHOTS, CHAMPION],
        check_specs=_check_specs(CANDIDATES, SCORE_GATES),
        kinds={"duckdb"},
        description="Every buyer as the champion scores them by the last build.",
        group_name="predictions",
        owners=_OWNERS,
    )
    def candidates(run: dg.ResourceParam[BuildRun]) -> Iterator[dg.MaterializeResult[Any]]:
        from orchestration.predictions.work import score_candidates

        with run.step("score"), _opened(run.workspace.warehouse) as warehouse:
            gates = score_candidates(warehouse, Paths.from_environment().predictions)
        for gate in gates:
            run.progress(f"gate {gate.name}: {_word(gate)}, {gate.told}")
        yield dg.MaterializeResult(check_results=_results(CANDIDATES, gates))

    @dg.asset(
        key=PUBLISHED,
        deps=[CANDIDATES],
        kinds={"duckdb"},
        description="The scores that the next build shows. When candidates fail a gate, the last "
        "good ones stay, and their day tells how old they are.",
        group_name="predictions",
        owners=_OWNERS,
    )
    def customer_predictions(run: dg.ResourceParam[BuildRun]) -> dg.MaterializeResult[Any]:
        from orchestration.predictions.work import publish_candidates

        with run.step("publish the scores"), _opened(run.workspace.warehouse) as warehouse:
            rows = publish_candidates(warehouse)
            _tell_builds()
        return dg.MaterializeResult(metadata={"dagster/row_count": rows})

    @dg.asset(
        key=RECOMMENDATIONS,
        deps=[
            dg.AssetKey(["features", name])
            for name in ("product_purchases", "product_offers", "profiled_customers")
        ],
        group_name="predictions",
        owners=_OWNERS,
        kinds={"duckdb"},
        description="Short lists of products for each customer who may be profiled, with reasons; "
        "the next build shows them.",
    )
    def product_recommendations(
        run: dg.ResourceParam[BuildRun],
    ) -> dg.MaterializeResult[Any]:
        from orchestration.predictions.work import publish_recommendations

        with run.step("recommend"), _opened(run.workspace.warehouse) as warehouse:
            rows = publish_recommendations(warehouse)
            _tell_builds()
        return dg.MaterializeResult(metadata={"dagster/row_count": rows})

    return [candidates, customer_predictions, product_recommendations]


def build_scoring_sensor(build: Any, predict: Any) -> dg.SensorDefinition:
    """Score by every new build, once there is a champion. Both are what define_asset_job makes,
    which has no public name.
    """

    @dg.run_status_sensor(
        name="score_after_build",
        run_status=dg.DagsterRunStatus.SUCCESS,
        monitored_jobs=[build],
        request_job=predict,
    )
    def score_after_build(context: dg.RunStatusSensorContext) -> dg.RunRequest | dg.SkipReason:
        if not any(Paths.from_environment().predictions.glob("*/model.json")):
            return dg.SkipReason("no model was trained yet: run the job train_predictions")
        return dg.RunRequest(run_key=context.dagster_run.run_id)

    return score_after_build


def _check_specs(asset: dg.AssetKey, names: Iterable[str]) -> Sequence[dg.AssetCheckSpec]:
    return [dg.AssetCheckSpec(name, asset=asset, blocking=True) for name in names]


def _results(asset: dg.AssetKey, gates: Iterable[Gate]) -> list[dg.AssetCheckResult]:
    return [
        dg.AssetCheckResult(
            passed=gate.passed,
            asset_key=asset,
            check_name=gate.name,
            metadata={"told": gate.told},
        )
        for gate in gates
    ]


def _tell_builds() -> None:
    """Another time means that the next build has something to show."""
    file = Paths.from_environment().predicted_at
    file.parent.mkdir(exist_ok=True)
    file.write_text(datetime.now(UTC).isoformat())


def _word(gate: Gate) -> str:
    return "passed" if gate.passed else "FAILED"


@contextmanager
def _opened(file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(file)) as warehouse:
        yield warehouse
