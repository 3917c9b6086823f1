"""The chance that a customer buys within a horizon: three models that err apart, and their mean.

MBG/NBD knows how purchases come and go, the logistic regression what recency and frequency weigh
in this shop, the trees what neither of them does. Their mean in log odds is shifted by what the
season adds to MBG/NBD. Where too little is known to learn from, MBG/NBD stands alone.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from orchestration.predictions.purchase_models import PurchaseModel
from orchestration.predictions.snapshots import WEEK, Numbers, history, logistic_inputs
from orchestration.predictions.trees import learn_chances, log_odds

# Chances nearer to none and to certain than this have no log odds that mean anything.
_NEAREST = 1e-4
# Fifteen customers of either kind for each of the seven inputs of the regression.
LEAST_LABELS = 105


@dataclass(frozen=True)
class Logistic:
    """A logistic regression over standardised inputs, as the numbers that it consists of.

    Inputs beyond what was seen in learning, `lowest` to `highest`, count as its edge: a line that
    goes on where nobody was is no knowledge.
    """

    lowest: list[float]
    highest: list[float]
    means: list[float]
    deviations: list[float]
    weights: list[float]
    constant: float

    def log_odds(self, inputs: Numbers) -> Numbers:
        """The log odds of rows of inputs."""
        result: Numbers = self.contributions(inputs).sum(axis=1) + self.constant
        return result

    def contributions(self, inputs: Numbers) -> Numbers:
        """What each input adds to the log odds, beside somebody whose inputs are all average."""
        scaled = (np.clip(inputs, self.lowest, self.highest) - self.means) / self.deviations
        result: Numbers = scaled * self.weights
        return result


@dataclass(frozen=True)
class Propensity:
    """What was learnt for one horizon, in days. Without `logistic` MBG/NBD stands alone."""

    horizon: int
    logistic: Logistic | None
    trees: str | None

    def chance(
        self, snapshots: pd.DataFrame, purchases: PurchaseModel, season: float = 1.0
    ) -> Numbers:
        """The chance that each customer buys in the days of the horizon.

        `season` is how many times more than usual is bought in these days.
        """
        usual = purchase_odds(snapshots, purchases, self.horizon)
        seasonal = purchase_odds(snapshots, purchases, self.horizon, season)
        if self.logistic is None or self.trees is None:
            return np.asarray(expit(seasonal))
        odds = np.mean(
            [
                usual,
                self.logistic.log_odds(logistic_inputs(snapshots)),
                log_odds(self.trees, snapshots),
            ],
            axis=0,
        )
        return np.asarray(expit(odds + seasonal - usual))

    def to_json(self) -> str:
        """Everything but the trees, which are kept as LightGBM's own text."""
        return json.dumps({"horizon": self.horizon, "logistic": _as_dict(self.logistic)})

    @classmethod
    def from_json(cls, text: str, trees: str | None) -> "Propensity":
        """The same again."""
        known = json.loads(text)
        logistic = known["logistic"]
        return cls(known["horizon"], Logistic(**logistic) if logistic else None, trees)


def learn(horizon: int, snapshots: pd.DataFrame, has_bought: Numbers) -> Propensity:
    """Learn from snapshots of days whose horizon has passed."""
    did = int(has_bought.sum())
    if min(did, len(has_bought) - did) < LEAST_LABELS:
        return Propensity(horizon, None, None)
    return Propensity(
        horizon,
        _logistic(logistic_inputs(snapshots), has_bought),
        learn_chances(snapshots, has_bought),
    )


def purchase_odds(
    snapshots: pd.DataFrame, purchases: PurchaseModel, horizon: int, season: float = 1.0
) -> Numbers:
    """The log odds of a purchase in the days of the horizon, by MBG/NBD alone."""
    past = history(snapshots)
    chance = purchases.buys_within(past.x, past.t_x, past.t, season * horizon / WEEK)
    return np.asarray(logit(np.clip(chance, _NEAREST, 1 - _NEAREST)))


def _logistic(inputs: Numbers, has_bought: Numbers) -> Logistic:
    means, deviations = inputs.mean(axis=0), inputs.std(axis=0)
    deviations = np.where(deviations > 0, deviations, 1)
    fitted = LogisticRegression(C=1.0, max_iter=1000).fit(
        (inputs - means) / deviations, has_bought > 0
    )
    return Logistic(
        inputs.min(axis=0).tolist(),
        inputs.max(axis=0).tolist(),
        means.tolist(),
        deviations.tolist(),
        fitted.coef_[0].tolist(),
        float(fitted.intercept_[0]),
    )


def _as_dict(logistic: Logistic | None) -> dict[str, Any] | None:
    return asdict(logistic) if logistic else None
