"""What a customer will spend: expected purchases times the worth of one, and trees beside it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from orchestration.predictions.propensity import LEAST_LABELS
from orchestration.predictions.purchase_models import (
    FitError,
    PurchaseModel,
    SpendModel,
    fit_spend,
)
from orchestration.predictions.snapshots import WEEK, Numbers, history
from orchestration.predictions.trees import amounts, learn_amounts

# A wholesale order is no customer's habit: what is beyond this share of orders counts as its edge.
_CAPPED = 0.995


@dataclass(frozen=True)
class SpendTrees:
    """What the amount of the days of a horizon was learnt to be, as LightGBM's own text."""

    horizon: int
    trees: str

    def amount(self, snapshots: pd.DataFrame) -> Numbers:
        """The amount to be expected of each customer in the days of the horizon."""
        return amounts(self.trees, snapshots)


def learn_spend(horizon: int, snapshots: pd.DataFrame, amount: Numbers) -> SpendTrees | None:
    """Learn from snapshots of days whose horizon has passed; None where too few have bought."""
    if (amount > 0).sum() < LEAST_LABELS:
        return None
    edge = np.quantile(amount[amount > 0], _CAPPED)
    return SpendTrees(horizon, learn_amounts(snapshots, np.clip(amount, 0, edge)))


def fit_order_worth(snapshots: pd.DataFrame) -> SpendModel | None:
    """Gamma-Gamma over the purchases of snapshots; None where spends do not differ."""
    amounts = snapshots["mean_amount"].to_numpy(float)
    if not len(amounts):
        return None
    capped = np.minimum(amounts, np.quantile(amounts, _CAPPED))
    try:
        return fit_spend(snapshots["repeat_days"].to_numpy(float) + 1, capped)
    except FitError:
        return None


def expected_purchases(
    snapshots: pd.DataFrame, purchases: PurchaseModel, days: int, season: float = 1.0
) -> Numbers:
    """Days with a purchase to be expected in so many days."""
    past = history(snapshots)
    return purchases.expected_purchases(past.x, past.t_x, past.t, season * days / WEEK)


def order_worth(snapshots: pd.DataFrame, spend: SpendModel | None) -> Numbers:
    """The amount of a future purchase of each customer."""
    means = snapshots["mean_amount"].to_numpy(float)
    if spend is None:
        return means
    return spend.expected_mean(snapshots["repeat_days"].to_numpy(float) + 1, means)
