"""Train a challenger on a built warehouse, judge it, and choose the champion."""

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import duckdb
import pandas as pd

from orchestration.predictions import registry
from orchestration.predictions.backtest import (
    Judgement,
    Tracked,
    cutoffs_before,
    judge,
    seasons,
    track,
)
from orchestration.predictions.evaluation import better_by
from orchestration.predictions.gate import Gate
from orchestration.predictions.gates import model_gates
from orchestration.predictions.model import Model, Seasons, TrainingError, train
from orchestration.predictions.publication import buyer_count, day_of_build
from orchestration.predictions.snapshots import (
    Customers,
    ask,
    parts,
    read_labels,
    read_snapshots,
)

HORIZONS = (30, 60, 90)
# So many buyers are enough to learn from: more make the same model in more time.
_MOST_LEARNT_FROM = 30_000


@dataclass(frozen=True)
class Challenger:
    """A new version, how it was judged, and which of its gates it passed."""

    version: registry.Version
    judgement: Judgement
    tracked: list[Tracked]
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
    sample = _sample(warehouse)
    ask(warehouse, sorted(days), HORIZONS, sample)
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
    tracked = track(warehouse, version.judged, seen, judged_on, sample)
    return Challenger(version, judgement, tracked, gates)


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


def _sample(warehouse: duckdb.DuckDBPyConnection) -> Customers:
    """About as many buyers as are learnt from, all where there are fewer."""
    return parts(max(buyer_count(warehouse) // _MOST_LEARNT_FROM, 1))[0]


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
