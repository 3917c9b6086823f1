"""Judges a model by what came after a day that it did not look beyond."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from orchestration.predictions.evaluation import (
    Bin,
    auc,
    better_by,
    brier,
    calibration,
    calibration_error,
    concordance,
    gini,
    total_ratio,
)
from orchestration.predictions.model import Model, Seasons, by_brand, train
from orchestration.predictions.propensity import purchase_odds
from orchestration.predictions.season import season_index
from orchestration.predictions.snapshots import (
    EVERYBODY,
    WEEK,
    Customers,
    Numbers,
    ask,
    earlier,
    read_labels,
    read_snapshots,
)
from orchestration.predictions.value import expected_purchases

# Quarters of a year back, and one more: older customers are customers of another shop.
MOST_CUTOFFS = 4
# A group of fewer tells more of chance than of the model.
LEAST_JUDGED = 200
_NEW, _YOUNG = 91, 365


@dataclass(frozen=True)
class Measure:
    """One figure of one group of customers; `heuristic` is the same of the simplest rule that
    anybody could follow, recency alone or MBG/NBD, None where there is none.
    """

    group: str
    horizon: int
    customer_count: int
    name: str
    value: float
    heuristic: float | None = None


@dataclass(frozen=True)
class Judgement:
    """A model on a day: its measures, and bins of what it said and what came, by group."""

    model: Model
    cutoff: date
    measures: list[Measure]
    bins: dict[tuple[str, int], list[Bin]]


@dataclass(frozen=True)
class Tracked:
    """Purchases up to so many days after a day: as MBG/NBD expected them, and as they came."""

    days: int
    expected: float
    actual: int


def backtest(
    warehouse: duckdb.DuckDBPyConnection,
    cutoff: date,
    horizons: Sequence[int],
    customers: Customers = EVERYBODY,
) -> Judgement:
    """Train as on the evening of `cutoff`, and judge by the days up to the longest horizon."""
    days = cutoffs_before(warehouse, cutoff, max(horizons))
    ask(warehouse, [*days, cutoff], horizons, customers)
    snapshots, labels = read_snapshots(warehouse), read_labels(warehouse)
    model = train(snapshots, labels, horizons, cutoff)
    now = pd.Timestamp(cutoff)
    return judge(
        model,
        snapshots[snapshots["cutoff_on"] == now].reset_index(drop=True),
        labels[labels["cutoff_on"] == now],
        cutoff,
        seasons(warehouse, cutoff, horizons),
    )


def cutoffs_before(warehouse: duckdb.DuckDBPyConnection, cutoff: date, horizon: int) -> list[date]:
    """The days to learn from for a model of `cutoff`."""
    [(since,)] = warehouse.execute("select min(ordered_on) from features.purchases").fetchall()
    return earlier(cutoff, horizon, since, MOST_CUTOFFS) if since else []


def seasons(warehouse: duckdb.DuckDBPyConnection, cutoff: date, horizons: Sequence[int]) -> Seasons:
    """The season of each horizon after a day, by the purchases of the whole group up to then."""
    by_day = warehouse.execute(
        "select ordered_on, count(distinct customer_id) as purchases from features.purchases "
        "where known_on <= ? and cancelled_on is null group by ordered_on order by ordered_on",
        [cutoff],
    ).df()
    counts = pd.Series(by_day["purchases"].to_numpy(), index=by_day["ordered_on"])
    return {horizon: season_index(counts, cutoff, horizon) for horizon in horizons}


def track(
    warehouse: duckdb.DuckDBPyConnection,
    model: Model,
    snapshots: pd.DataFrame,
    cutoff: date,
    customers: Customers,
) -> list[Tracked]:
    """Week by week, what the snapshots of a day expected of all brands and what came."""
    weeks = range(int(WEEK), max(model.horizons) + 1, int(WEEK))
    season = seasons(warehouse, cutoff, weeks)
    ask(warehouse, [cutoff], weeks, customers)
    actual = warehouse.execute(
        "select horizon_days, sum(purchase_days)::bigint from features.labels "
        "where is_complete and brand_id is null group by horizon_days order by horizon_days"
    ).fetchall()
    of_all = snapshots[snapshots["brand_id"].isna()]
    purchases = model.scopes[None].purchases
    return [
        Tracked(days, float(expected_purchases(of_all, purchases, days, season[days]).sum()), count)
        for days, count in actual
    ]


def judge(
    model: Model,
    snapshots: pd.DataFrame,
    labels: pd.DataFrame,
    cutoff: date,
    season: Seasons,
) -> Judgement:
    """Compare what a model says of the snapshots of a day with what came after it."""
    measures: list[Measure] = []
    bins: dict[tuple[str, int], list[Bin]] = {}
    for brand, part in by_brand(snapshots):
        if brand not in model.scopes:
            continue
        part = part.reset_index(drop=True)
        scope = model.scopes[brand]
        scores = scope.score(part, season)
        for horizon in model.horizons:
            of_horizon = labels[labels["horizon_days"] == horizon]
            of_brand = of_horizon[
                of_horizon["brand_id"].isna() if brand is None else of_horizon["brand_id"] == brand
            ]
            truth = part[["customer_id"]].merge(of_brand, on="customer_id", how="left")
            if truth["has_bought"].isna().any():
                continue
            usual = expit(purchase_odds(part, scope.purchases, horizon))
            for group, chosen in _groups(brand, part).items():
                if chosen.sum() < LEAST_JUDGED:
                    continue
                here = part[chosen], truth[chosen], scores[chosen], usual[chosen]
                measures += _measures(group, horizon, max(model.horizons), *here)
                bins[group, horizon] = calibration(
                    truth.loc[chosen, "has_bought"].to_numpy(float),
                    scores.loc[chosen, f"purchase_chance_{horizon}d"].to_numpy(float),
                )
    return Judgement(model, cutoff, measures, bins)


def _measures(
    group: str,
    horizon: int,
    longest: int,
    snapshots: pd.DataFrame,
    labels: pd.DataFrame,
    scores: pd.DataFrame,
    usual: Numbers,
) -> list[Measure]:
    did = labels["has_bought"].to_numpy(float)
    chance = scores[f"purchase_chance_{horizon}d"].to_numpy(float)
    recent = -snapshots["recency_days"].to_numpy(float)
    days = labels["days_until_next"].to_numpy(float)
    low, high = better_by(did, chance, usual)
    figures: list[tuple[str, float, float | None]] = [
        ("auc", auc(did, chance), auc(did, recent)),
        ("auc_over_mbg_nbd", auc(did, chance), auc(did, usual)),
        ("brier", brier(did, chance), brier(did, usual)),
        ("brier_gain_low", low, None),
        ("brier_gain_high", high, None),
        ("calibration_error", calibration_error(did, chance), calibration_error(did, usual)),
        ("total_ratio", total_ratio(did, chance), total_ratio(did, usual)),
        ("concordance", concordance(days, chance, horizon), concordance(days, recent, horizon)),
    ]
    if horizon == longest:
        amount = labels["amount"].to_numpy(float)
        expected = scores[f"expected_amount_{horizon}d"].to_numpy(float)
        before = snapshots["amount_91d"].to_numpy(float)
        orders = scores[f"expected_orders_{horizon}d"].to_numpy(float)
        figures += [
            ("amount_gini", gini(amount, expected), gini(amount, before)),
            ("amount_total_ratio", total_ratio(amount, expected), None),
            (
                "orders_total_ratio",
                total_ratio(labels["purchase_days"].to_numpy(float), orders),
                None,
            ),
            ("interval_coverage", _coverage(scores, days, horizon), None),
        ]
    return [
        Measure(group, horizon, len(labels), name, value, heuristic)
        for name, value, heuristic in figures
    ]


def _coverage(scores: pd.DataFrame, days: Numbers, horizon: int) -> float:
    """How often the next purchase comes between its earliest and its latest day: 80 % by design.

    One less the share who bought before the earliest day, of those whose earliest day lies within
    the horizon, and the share who had not bought by the latest one, of those whose latest does.
    """
    until = np.where(np.isnan(days), np.inf, days)
    earliest, latest = (scores[name].to_numpy(float) for name in ("earliest_days", "latest_days"))
    before = (until < earliest)[earliest <= horizon]
    after = (until > latest)[latest <= horizon]
    outside = sum(float(each.mean()) for each in (before, after) if len(each))
    return 1 - outside if len(before) else float("nan")


def _groups(brand: str | None, snapshots: pd.DataFrame) -> dict[str, NDArray[np.bool_]]:
    everybody = np.ones(len(snapshots), dtype=bool)
    if brand is not None:
        return {f"brand {brand}": everybody}
    tenure = snapshots["tenure_days"].to_numpy(float)
    once = (snapshots["repeat_days"] == 0).to_numpy()
    return {
        "all": everybody,
        "one-time buyers": once,
        "repeat buyers": ~once,
        f"customers up to {_NEW} days": tenure <= _NEW,
        f"customers up to {_YOUNG} days": (tenure > _NEW) & (tenure <= _YOUNG),
        "older customers": tenure > _YOUNG,
    }
