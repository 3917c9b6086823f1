"""Why a chance is as it is: what speaks for a purchase and what against, in plain words.

Inputs that tell the same are taken together: one of them may weigh against a purchase only because
its neighbour weighs for it, and that would be no reason to tell anybody.
"""

import numpy as np
import pandas as pd

from orchestration.predictions.propensity import Logistic
from orchestration.predictions.snapshots import LOGISTIC_FEATURES, logistic_inputs

_TOPICS = {
    "how lately they bought": ("recency_days",),
    "how often they buy": (
        *("repeat_days", "purchase_days_30d", "purchase_days_91d", "purchase_days_182d"),
    ),
    "how much they spend": ("mean_amount", "amount_91d"),
}
# In log odds: about two points of a chance of a half, which nobody would call a reason.
_LEAST = 0.1


def reasons(snapshots: pd.DataFrame, logistic: Logistic | None) -> pd.DataFrame:
    """What speaks most for and most against a purchase of each snapshot, beside an average buyer.

    Columns speaks_for and speaks_against, None where nothing does, or nothing was learnt.
    """
    if logistic is None:
        unknown = [None] * len(snapshots)
        return pd.DataFrame(
            {"speaks_for": unknown, "speaks_against": unknown}, snapshots.index, dtype=object
        )
    contributions = logistic.contributions(logistic_inputs(snapshots))
    topics = np.array([*_TOPICS, None], dtype=object)
    told = np.column_stack(
        [
            contributions[:, [LOGISTIC_FEATURES.index(name) for name in names]].sum(axis=1)
            for names in _TOPICS.values()
        ]
    )
    best, worst = told.argmax(axis=1), told.argmin(axis=1)
    rows = np.arange(len(told))
    return pd.DataFrame(
        {
            "speaks_for": topics[np.where(told[rows, best] >= _LEAST, best, -1)],
            "speaks_against": topics[np.where(told[rows, worst] <= -_LEAST, worst, -1)],
        },
        snapshots.index,
    )
