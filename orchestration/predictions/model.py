"""A trained model: what was learnt of each brand and of all together, and how it scores."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit

from orchestration.predictions.propensity import Propensity, learn, purchase_odds
from orchestration.predictions.purchase_models import (
    FitError,
    PurchaseModel,
    SpendModel,
    fit_purchases,
)
from orchestration.predictions.reasons import reasons
from orchestration.predictions.snapshots import FEATURES, WEEK, Numbers, history
from orchestration.predictions.value import (
    SpendTrees,
    expected_purchases,
    fit_order_worth,
    learn_spend,
    order_worth,
)

# Of ten customers one buys before the earliest day, one after the latest.
_EARLIEST, _MEDIAN, _LATEST = 0.1, 0.5, 0.9
# A purchase that is as likely as not only in more than a year is none to plan with.
FARTHEST_DAYS = 365
# From this churn risk on a customer is likelier gone for the horizon than not.
AT_RISK = 0.5
_NEAREST = 1e-4

Seasons = Mapping[int, float]


class TrainingError(Exception):
    """There is nothing to learn from; the message says what is missing."""


@dataclass(frozen=True)
class ScopeModel:
    """What was learnt of the customers of one brand, or of all brands together."""

    purchases: PurchaseModel
    spend: SpendModel | None
    propensities: Sequence[Propensity]
    spend_trees: SpendTrees | None

    def chances(self, snapshots: pd.DataFrame, seasons: Seasons) -> dict[int, Numbers]:
        """The chance of a purchase within each horizon, the longer never lower than the shorter."""
        chances: dict[int, Numbers] = {}
        highest = np.zeros(len(snapshots))
        for propensity in sorted(self.propensities, key=lambda each: each.horizon):
            chance = propensity.chance(
                snapshots, self.purchases, seasons.get(propensity.horizon, 1.0)
            )
            highest = np.maximum(highest, chance)
            chances[propensity.horizon] = highest
        return chances

    def amounts(self, snapshots: pd.DataFrame, days: int, seasons: Seasons) -> Numbers:
        """The amount to be expected in so many days; the mean of both ways where there are two."""
        count = expected_purchases(snapshots, self.purchases, days, seasons.get(days, 1.0))
        amount = count * order_worth(snapshots, self.spend)
        if self.spend_trees is None or self.spend_trees.horizon != days:
            return amount
        return (amount + self.spend_trees.amount(snapshots)) / 2

    def score(self, snapshots: pd.DataFrame, seasons: Seasons) -> pd.DataFrame:
        """A row per snapshot; columns of predictions.customer_predictions but what names the model.

        Days are whole and counted from the day of the snapshot; NaN where none is expected.
        """
        past = history(snapshots)
        chances = self.chances(snapshots, seasons)
        longest = max(chances)
        # What the blend knows better than MBG/NBD at the longest horizon moves its whole curve.
        better = logit(np.clip(chances[longest], _NEAREST, 1 - _NEAREST)) - purchase_odds(
            snapshots, self.purchases, longest
        )
        scores = snapshots[["customer_id", "brand_id", "cutoff_on"]].copy()
        for horizon, chance in chances.items():
            scores[f"purchase_chance_{horizon}d"] = chance
        scores["alive_chance"] = self.purchases.alive(past.x, past.t_x, past.t)
        scores["churn_risk"] = 1 - chances[longest]
        scores["risk_days"] = self._days_until_risk(snapshots, better, longest)
        for name, reached in (
            ("earliest_days", _EARLIEST),
            ("next_days", _MEDIAN),
            ("latest_days", _LATEST),
        ):
            weeks = self.purchases.weeks_until(
                past.x, past.t_x, past.t, expit(logit(reached) - better)
            )
            until = np.ceil(weeks * WEEK)
            scores[name] = np.where(until <= FARTHEST_DAYS, until, np.nan)
        for days in (longest, FARTHEST_DAYS):
            count = expected_purchases(snapshots, self.purchases, days, seasons.get(days, 1.0))
            scores[f"expected_orders_{days}d"] = count
            scores[f"expected_amount_{days}d"] = self.amounts(snapshots, days, seasons)
        [logistic] = [each.logistic for each in self.propensities if each.horizon == longest]
        return scores.join(reasons(snapshots, logistic))

    def _days_until_risk(self, snapshots: pd.DataFrame, better: Numbers, horizon: int) -> Numbers:
        """After how many more silent days the churn risk reaches AT_RISK; NaN when not in time.

        The risk rises with every silent day, so that halving finds the day.
        """
        past = history(snapshots)

        def at_risk(days: Numbers) -> NDArray[np.bool_]:
            chance = self.purchases.buys_within(
                past.x, past.t_x, past.t + days / WEEK, horizon / WEEK
            )
            odds = logit(np.clip(chance, _NEAREST, 1 - _NEAREST)) + better
            reached: NDArray[np.bool_] = expit(odds) <= 1 - AT_RISK
            return reached

        low = np.full(len(snapshots), -1.0)
        high = np.full(len(snapshots), float(FARTHEST_DAYS))
        reached = at_risk(high)
        while np.any(high - low > 1):
            # Rounded up, so that the middle of two neighbours is the higher one and stays.
            middle = np.ceil((low + high) / 2)
            is_there = at_risk(middle)
            low = np.where(is_there, low, np.minimum(middle, high - 1))
            high = np.where(is_there, middle, high)
        return np.where(reached, high, np.nan)


@dataclass(frozen=True)
class Model:
    """One version: a scope per brand, None being all brands together.

    `learnt_from` are the days whose snapshots and labels it learnt from. `reference` has, for each
    feature, the hundred percentiles of the day `as_of`: what a later day is compared with.
    """

    version: str
    as_of: date
    horizons: tuple[int, ...]
    learnt_from: tuple[date, ...]
    scopes: dict[str | None, ScopeModel]
    reference: dict[str, list[float]]

    def score(self, snapshots: pd.DataFrame, seasons: Seasons) -> pd.DataFrame:
        """Every snapshot by the model of its brand, by that of all where its brand has none."""
        parts = [
            self.scopes.get(brand, self.scopes[None]).score(part, seasons)
            for brand, part in by_brand(snapshots)
        ]
        return pd.concat(parts).sort_index()

    def save(self, folder: Path) -> None:
        """Write the model as JSON, and its trees in LightGBM's own text."""
        folder.mkdir(parents=True, exist_ok=True)
        about: dict[str, Any] = {
            "version": self.version,
            "as_of": self.as_of.isoformat(),
            "horizons": list(self.horizons),
            "learnt_from": [day.isoformat() for day in self.learnt_from],
            "features": list(FEATURES),
            "reference": self.reference,
            "scopes": [],
        }
        for brand, scope in self.scopes.items():
            name = brand or "all"
            for propensity in scope.propensities:
                if propensity.trees:
                    file = folder / f"{name}_{propensity.horizon}d.txt"
                    file.write_text(propensity.trees)
            if scope.spend_trees:
                (folder / f"{name}_amount.txt").write_text(scope.spend_trees.trees)
            about["scopes"].append(
                {
                    "brand_id": brand,
                    "purchases": asdict(scope.purchases),
                    "spend": asdict(scope.spend) if scope.spend else None,
                    "propensities": [json.loads(each.to_json()) for each in scope.propensities],
                    "amount_horizon": scope.spend_trees.horizon if scope.spend_trees else None,
                }
            )
        # Written last: without it there is no model.
        (folder / "model.json").write_text(json.dumps(about, indent=1))

    @classmethod
    def load(cls, folder: Path) -> "Model":
        """The model that was saved in a folder."""
        about = json.loads((folder / "model.json").read_text())
        scopes: dict[str | None, ScopeModel] = {}
        for scope in about["scopes"]:
            name = scope["brand_id"] or "all"
            trees = {
                each["horizon"]: folder / f"{name}_{each['horizon']}d.txt"
                for each in scope["propensities"]
            }
            amount = folder / f"{name}_amount.txt"
            scopes[scope["brand_id"]] = ScopeModel(
                PurchaseModel(**scope["purchases"]),
                SpendModel(**scope["spend"]) if scope["spend"] else None,
                [
                    Propensity.from_json(
                        json.dumps(each),
                        trees[each["horizon"]].read_text() if each["logistic"] else None,
                    )
                    for each in scope["propensities"]
                ],
                SpendTrees(scope["amount_horizon"], amount.read_text())
                if scope["amount_horizon"]
                else None,
            )
        return cls(
            about["version"],
            date.fromisoformat(about["as_of"]),
            tuple(about["horizons"]),
            tuple(date.fromisoformat(day) for day in about["learnt_from"]),
            scopes,
            about["reference"],
        )


def train(
    snapshots: pd.DataFrame, labels: pd.DataFrame, horizons: Sequence[int], as_of: date
) -> Model:
    """Learn from snapshots up to `as_of` and from the labels whose horizon had passed by then.

    What lies later than `as_of` is not looked at, so that a model of an earlier day can be judged
    by what came after it.
    """
    until = pd.Timestamp(as_of)
    snapshots = snapshots[snapshots["cutoff_on"] <= until]
    if snapshots.empty:
        raise TrainingError("nobody has bought by then: there is nothing to learn from")
    ends = labels["cutoff_on"] + pd.to_timedelta(labels["horizon_days"], unit="D")
    labels = labels[ends <= until]
    scopes = {
        brand: _train_scope(part, labels, horizons, until) for brand, part in by_brand(snapshots)
    }
    learnt_from = tuple(sorted(day.date() for day in labels["cutoff_on"].unique()))
    version = as_of.isoformat()
    known = {brand: scope for brand, scope in scopes.items() if scope is not None}
    if None not in known:
        raise TrainingError("nobody bought a second time: there is no rate to learn")
    newest = snapshots[snapshots["brand_id"].isna()]
    newest = newest[newest["cutoff_on"] == newest["cutoff_on"].max()]
    return Model(version, as_of, tuple(horizons), learnt_from, known, _percentiles(newest))


def by_brand(rows: pd.DataFrame) -> list[tuple[str | None, pd.DataFrame]]:
    """The rows of all brands together first, then those of each brand."""
    parts: list[tuple[str | None, pd.DataFrame]] = [(None, rows[rows["brand_id"].isna()])]
    parts += [(str(brand), part) for brand, part in rows.groupby("brand_id")]
    return [(brand, part) for brand, part in parts if len(part)]


def _train_scope(
    snapshots: pd.DataFrame, labels: pd.DataFrame, horizons: Sequence[int], until: pd.Timestamp
) -> ScopeModel | None:
    brand = snapshots["brand_id"].iloc[0]
    labels = labels[labels["brand_id"].isna() if pd.isna(brand) else labels["brand_id"] == brand]
    now = snapshots[snapshots["cutoff_on"] == until]
    try:
        past = history(now if len(now) else snapshots)
        purchases = fit_purchases("mbg_nbd", past.x, past.t_x, past.t)
    except FitError:
        return None
    propensities = []
    amounts: SpendTrees | None = None
    for horizon in horizons:
        rows = snapshots.merge(
            labels.loc[
                labels["horizon_days"] == horizon,
                ["cutoff_on", "customer_id", "has_bought", "amount"],
            ],
            on=["cutoff_on", "customer_id"],
            suffixes=("", "_label"),
        )
        propensities.append(learn(horizon, rows, rows["has_bought"].to_numpy(float)))
        if horizon == max(horizons):
            amounts = learn_spend(horizon, rows, rows["amount_label"].to_numpy(float))
    worth = fit_order_worth(now if len(now) else snapshots)
    return ScopeModel(purchases, worth, propensities, amounts)


def _percentiles(snapshots: pd.DataFrame) -> dict[str, list[float]]:
    known = {name: snapshots[name].dropna().to_numpy(float) for name in FEATURES}
    return {
        name: np.quantile(values, np.linspace(0, 1, 101)).tolist()
        for name, values in known.items()
        if len(values)
    }
