"""Dagster assets of predictions: a challenger, the champion, candidates, and what is published."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb

from orchestration.paths import Paths
from orchestration.predictions.gate import (
    CHANNEL_GATES,
    LOOKALIKE_GATES,
    MODEL_GATES,
    RECOMMENDATION_GATES,
    SCORE_GATES,
    Gate,
)
from orchestration.run import BuildRun

CHALLENGER = dg.AssetKey(["predictions", "challenger"])
CHAMPION = dg.AssetKey(["predictions", "models"])
_SNAPSHOTS = dg.AssetKey(["features", "snapshots"])
_PROFILED = dg.AssetKey(["marts", "profiled_customers"])
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
        from orchestration.predictions.training import train_challenger

        paths = Paths.from_environment()
        with run.step("train a challenger"), _opened(run.workspace.warehouse) as warehouse:
            trained = train_challenger(warehouse, paths.predictions)
        drawn = charts.draw_judgement(
            trained.judgement, trained.tracked, paths.reports / "predictions"
        )
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
        from orchestration.predictions.training import promote

        with run.step("choose the champion"), _opened(run.workspace.warehouse) as warehouse:
            version, status, reason = promote(warehouse)
        run.progress(f"model {version}: {status}, {reason}")
        return dg.MaterializeResult(
            metadata={"version": version, "status": status, "reason": reason}
        )

    return [challenger, models]


@dataclass(frozen=True)
class _Prediction:
    """A table that the job predict fills: what its candidates are made from and have to pass.

    How they are made says preparation.PREPARATIONS. `beside` are tables that are published with it.
    """

    table: str
    step: str
    description: str
    deps: Sequence[dg.AssetKey]
    gates: Sequence[str]
    beside: Sequence[str] = ()

    @property
    def candidates(self) -> dg.AssetKey:
        return dg.AssetKey(["predictions", f"{self.table}_candidates"])


def _features(*names: str) -> list[dg.AssetKey]:
    return [dg.AssetKey(["features", name]) for name in names]


_PREDICTIONS = (
    _Prediction(
        "customer_predictions",
        "score",
        "Every buyer as the champion scores them by the last build.",
        [_SNAPSHOTS, CHAMPION],
        SCORE_GATES,
        beside=("purchase_parameters",),
    ),
    _Prediction(
        "product_recommendations",
        "recommend",
        "Short lists of products for each customer who may be profiled, with reasons.",
        [*_features("product_purchases", "product_offers"), _PROFILED],
        RECOMMENDATION_GATES,
    ),
    _Prediction(
        "lookalikes",
        "find lookalikes",
        "Who is like the members of each segment that a rule asks for, and no member.",
        [
            *(_SNAPSHOTS, *_features("product_purchases"), _PROFILED),
            *(dg.AssetKey(["segments", name]) for name in ("rules", "memberships")),
        ],
        LOOKALIKE_GATES,
        beside=("lookalike_audiences",),
    ),
    _Prediction(
        "channel_choices",
        "choose channels",
        "The channel on which a message to each customer is likeliest to sell.",
        _features("channel_contacts", "channel_explorations", "open_channels"),
        CHANNEL_GATES,
    ),
)


def build_scoring_assets() -> list[dg.AssetsDefinition]:
    """For each table the candidates with their gates, and what the next build shows."""
    return [
        asset
        for prediction in _PREDICTIONS
        for asset in (_candidates(prediction), _published(prediction))
    ]


def _candidates(prediction: _Prediction) -> dg.AssetsDefinition:
    @dg.asset(
        key=prediction.candidates,
        deps=prediction.deps,
        check_specs=_check_specs(prediction.candidates, prediction.gates),
        kinds={"duckdb"},
        description=prediction.description,
        group_name="predictions",
        owners=_OWNERS,
    )
    def candidates(run: dg.ResourceParam[BuildRun]) -> Iterator[dg.MaterializeResult[Any]]:
        from orchestration.predictions import charts
        from orchestration.predictions.preparation import PREPARATIONS

        paths = Paths.from_environment()
        with run.step(prediction.step), _opened(run.workspace.warehouse) as warehouse:
            prepared = PREPARATIONS[prediction.table](warehouse, paths.predictions)
        for line in prepared.told:
            run.progress(line)
        for gate in prepared.gates:
            run.progress(f"gate {gate.name}: {_word(gate)}, {gate.told}")
        drawn = {}
        if prepared.drift:
            drawn = charts.draw_drift(prepared.drift, paths.reports / "predictions")
        yield dg.MaterializeResult(
            metadata={name: dg.MetadataValue.md(text) for name, text in drawn.items()},
            check_results=_results(prediction.candidates, prepared.gates),
        )

    return candidates


def _published(prediction: _Prediction) -> dg.AssetsDefinition:
    @dg.asset(
        key=dg.AssetKey(["predictions", prediction.table]),
        deps=[prediction.candidates],
        kinds={"duckdb"},
        description=f"{prediction.description} This is what the next build shows. When "
        "candidates fail a gate, the last good ones stay, and their day tells how old they are.",
        group_name="predictions",
        owners=_OWNERS,
    )
    def published(run: dg.ResourceParam[BuildRun]) -> dg.MaterializeResult[Any]:
        from orchestration.predictions.publication import publish

        with run.step(f"publish {prediction.table}"), _opened(run.workspace.warehouse) as warehouse:
            rows = publish(warehouse, prediction.table, *prediction.beside)
            _tell_builds()
        return dg.MaterializeResult(metadata={"dagster/row_count": rows})

    return published


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
