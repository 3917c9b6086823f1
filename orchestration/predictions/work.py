"""The two jobs on a built warehouse: train a challenger and judge it; score everybody."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from math import ceil
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from orchestration.predictions import registry
from orchestration.predictions.backtest import Judgement, cutoffs_before, judge, seasons
from orchestration.predictions.evaluation import better_by
from orchestration.predictions.gate import Gate
from orchestration.predictions.gates import model_gates, score_gates
from orchestration.predictions.model import Model, Seasons, TrainingError, train
from orchestration.predictions.recommendations import recommend
from orchestration.predictions.snapshots import (
    Customers,
    ask,
    parts,
    read_labels,
    read_snapshots,
)

HORIZONS = (30, 60, 90)
# So many buyers are enough to learn from: more make the same model in more time.
_MOST_LEARNT_FROM = 50_000
# Buyers whose features are in memory at a time.
_SCORED_AT_A_TIME = 500_000


@dataclass(frozen=True)
class Challenger:
    """A new version, how it was judged, and which of its gates it passed."""

    version: registry.Version
    judgement: Judgement
    gates: list[Gate]


def train_challenger(warehouse: duckdb.DuckDBPyConnection, folder: Path) -> Challenger:
    """Train by what is known on the day of the last build, and judge by the last horizon.

    What is judged is the same recipe as it was learnt a horizon earlier; what it learns by the
    day of the build is what will score. The registry holds it as a challenger, or as refused when
    it fails a gate.
    """
    as_of = day_of_build(warehouse)
    longest = max(HORIZONS)
    judged_on = as_of - timedelta(days=longest)
    days = {as_of, judged_on}
    days.update(cutoffs_before(warehouse, as_of, longest))
    days.update(cutoffs_before(warehouse, judged_on, longest))
    ask(warehouse, sorted(days), HORIZONS, _sample(warehouse))
    snapshots, labels = read_snapshots(warehouse), read_labels(warehouse)
    version = registry.Version(
        replace(
            train(snapshots, labels, HORIZONS, as_of),
            version=registry.free_version(warehouse, as_of),
        ),
        train(snapshots, labels, HORIZONS, judged_on),
    )
    here = pd.Timestamp(judged_on)
    seen = snapshots[snapshots["cutoff_on"] == here].reset_index(drop=True)
    came = labels[labels["cutoff_on"] == here]
    season = seasons(warehouse, judged_on, HORIZONS)
    judgement = judge(version.judged, seen, came, judged_on, season)
    standing = registry.champion(warehouse)
    gain, fails = None, False
    if standing is not None:
        known = registry.load(standing, folder)
        # One who learnt from the days that it is judged by would win for that.
        fair = known.model if known.model.as_of <= judged_on else known.judged
        fails = not all(
            gate.passed for gate in model_gates(judge(fair, seen, came, judged_on, season))
        )
        gain = _gain(version.judged, fair, seen, came, season)
    registry.record(warehouse, version.model, judgement, gain, fails)
    gates = model_gates(judgement)
    failed = "; ".join(f"{gate.name}: {gate.told}" for gate in gates if not gate.passed)
    if failed:
        registry.set_status(warehouse, version.model.version, "refused", failed)
    else:
        registry.save(version, folder)
    return Challenger(version, judgement, gates)


def promote(warehouse: duckdb.DuckDBPyConnection) -> tuple[str, str, str]:
    """Make the challenger that passed its gates the champion, unless the champion is as good.

    Returns the version, what became of it, and why. Raises TrainingError when there is none.
    """
    name = registry.challenger(warehouse)
    if name is None:
        raise TrainingError("no challenger has passed its gates: make predict TRAIN=yes trains one")
    [(low, high, champion_fails)] = warehouse.execute(
        "select gain_low, gain_high, champion_fails from predictions.models "
        "where model_version = ?",
        [name],
    ).fetchall()
    if low is None:
        status, reason = "champion", "there was none to compare with"
    elif champion_fails:
        status, reason = "champion", "the one before fails its gates by now"
    elif low > 0:
        status, reason = "champion", f"Brier score lower by {low:.5f} to {high:.5f}"
    else:
        status, reason = "kept back", f"not better for sure: by {low:.5f} to {high:.5f}"
    registry.set_status(warehouse, name, status, reason)
    return name, status, reason


def score_candidates(warehouse: duckdb.DuckDBPyConnection, folder: Path) -> list[Gate]:
    """Score every buyer by the champion into predictions.candidates; the gates of the scores.

    So many at a time that memory does not grow with the customers.
    """
    name = registry.champion(warehouse)
    if name is None:
        raise TrainingError("there is no model yet: make predict TRAIN=yes makes one")
    model = registry.load(name, folder).model
    as_of = day_of_build(warehouse)
    season = seasons(warehouse, as_of, model.horizons)
    warehouse.execute(
        "create or replace table predictions.candidates as "
        "select * from predictions.customer_predictions limit 0"
    )
    compared = None
    for part in parts(max(ceil(_buyers(warehouse) / _SCORED_AT_A_TIME), 1)):
        ask(warehouse, [as_of], customers=part)
        snapshots = read_snapshots(warehouse)
        if snapshots.empty:
            continue
        if compared is None:
            compared = snapshots
        rows = _as_published(model.score(snapshots, season), snapshots, model, as_of)
        warehouse.register("scored", rows)
        warehouse.execute("insert into predictions.candidates by name select * from scored")
        warehouse.unregister("scored")
    if compared is None:
        raise TrainingError("nobody has bought by then: there is nobody to score")
    # One part is a sample of all, and enough to see whether a feature has moved.
    return score_gates(warehouse, model, compared)


def publish_candidates(warehouse: duckdb.DuckDBPyConnection) -> int:
    """Replace what is published by the candidates, in one step; how many rows."""
    warehouse.execute("begin")
    warehouse.execute("delete from predictions.customer_predictions")
    warehouse.execute(
        "insert into predictions.customer_predictions by name from predictions.candidates"
    )
    warehouse.execute("drop table predictions.candidates")
    warehouse.execute("commit")
    [(count,)] = warehouse.execute(
        "select count(*) from predictions.customer_predictions"
    ).fetchall()
    return int(count)


def publish_recommendations(warehouse: duckdb.DuckDBPyConnection) -> int:
    """Replace the lists of products by those of the last build, in one step; how many rows."""
    as_of = day_of_build(warehouse)
    purchases = warehouse.execute("select * from features.product_purchases").to_arrow_table()
    offers = warehouse.execute("select * from features.product_offers").to_arrow_table()
    profiled = warehouse.execute("select * from features.profiled_customers").to_arrow_table()
    warehouse.execute("begin")
    warehouse.execute("delete from predictions.product_recommendations")
    for lists in recommend(purchases, offers, profiled["customer_id"], as_of):
        warehouse.register("lists", lists)
        warehouse.execute(
            "insert into predictions.product_recommendations by name "
            "select *, ?::date as as_of from lists",
            [as_of],
        )
        warehouse.unregister("lists")
    warehouse.execute("commit")
    [(count,)] = warehouse.execute(
        "select count(*) from predictions.product_recommendations"
    ).fetchall()
    return int(count)


def day_of_build(warehouse: duckdb.DuckDBPyConnection) -> date:
    """The last day that the last finished build knows. Raises TrainingError without one."""
    [(as_of,)] = warehouse.execute(
        "select arg_max(as_of, finished_at) from meta.builds where finished_at is not null"
    ).fetchall()
    if as_of is None:
        raise TrainingError("no build has passed yet: make build first")
    return date.fromisoformat(str(as_of))


def _sample(warehouse: duckdb.DuckDBPyConnection) -> Customers:
    """About as many buyers as are learnt from, all where there are fewer."""
    return parts(max(_buyers(warehouse) // _MOST_LEARNT_FROM, 1))[0]


def _buyers(warehouse: duckdb.DuckDBPyConnection) -> int:
    [(buyers,)] = warehouse.execute(
        "select count(distinct customer_id) from features.purchases"
    ).fetchall()
    return int(buyers)


def _gain(
    challenger: Model,
    standing: Model,
    snapshots: pd.DataFrame,
    labels: pd.DataFrame,
    season: Seasons,
) -> tuple[float, float]:
    longest = max(HORIZONS)
    of_all = snapshots[snapshots["brand_id"].isna()].reset_index(drop=True)
    came = labels[labels["brand_id"].isna() & (labels["horizon_days"] == longest)]
    did = of_all[["customer_id"]].merge(came, on="customer_id", how="left")["has_bought"]
    chance, other = (
        each.scopes[None].chances(of_all, season)[longest] for each in (challenger, standing)
    )
    return better_by(did.to_numpy(float), chance, other)


def _as_published(
    scores: pd.DataFrame, snapshots: pd.DataFrame, model: Model, as_of: date
) -> pd.DataFrame:
    """Columns of predictions.customer_predictions: days become dates, chances have six digits."""
    today = pd.Timestamp(as_of)
    days = {
        "at_risk_on": "risk_days",
        "next_purchase_earliest_on": "earliest_days",
        "next_purchase_on": "next_days",
        "next_purchase_latest_on": "latest_days",
    }
    learnt = {
        brand: all(each.trees for each in scope.propensities)
        for brand, scope in model.scopes.items()
    }
    numbers = scores.select_dtypes(include="number").drop(columns=list(days.values())).round(6)
    brands = scores["brand_id"].where(scores["brand_id"].notna(), None)
    published = scores[["customer_id"]].assign(
        brand_id=brands,
        as_of=today,
        model_version=model.version,
        confidence=np.where([learnt.get(brand, False) for brand in brands], "learnt", "prior"),
        recency_days=snapshots["recency_days"],
        mean_gap_days=snapshots["mean_gap_days"],
    )
    for name, source in days.items():
        published[name] = today + pd.to_timedelta(scores[source], unit="D")
    return published.join(numbers)
