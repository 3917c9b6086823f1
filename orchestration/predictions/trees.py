"""Small trees: few leaves with many customers in each, so that none is learnt by heart."""

from typing import Any

import lightgbm
import numpy as np
import pandas as pd

from orchestration.predictions.snapshots import Numbers, tree_inputs

_TREES = 150
# One thread is as fast at this size, and the same everywhere.
_PARAMETERS: dict[str, Any] = {
    "num_leaves": 7,
    "learning_rate": 0.05,
    "min_data_in_leaf": 50,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 1,
    "verbosity": -1,
}
_OF_AMOUNTS = {"objective": "tweedie", "tweedie_variance_power": 1.5}


def learn_chances(snapshots: pd.DataFrame, has_happened: Numbers) -> str:
    """Trees of a yes or no, as LightGBM's own text."""
    return _learn({"objective": "binary"}, snapshots, has_happened)


def learn_amounts(snapshots: pd.DataFrame, amount: Numbers) -> str:
    """Trees of an amount that is often nothing, as LightGBM's own text."""
    return _learn(_OF_AMOUNTS, snapshots, amount)


def log_odds(trees: str, snapshots: pd.DataFrame) -> Numbers:
    """What trees of a yes or no say, in log odds."""
    return _predict(trees, snapshots, raw_score=True)


def amounts(trees: str, snapshots: pd.DataFrame) -> Numbers:
    """What trees of an amount say."""
    return _predict(trees, snapshots, raw_score=False)


def _learn(objective: dict[str, Any], snapshots: pd.DataFrame, labels: Numbers) -> str:
    data = lightgbm.Dataset(tree_inputs(snapshots), label=labels)
    trees: str = lightgbm.train({**_PARAMETERS, **objective}, data, _TREES).model_to_string()
    return trees


def _predict(trees: str, snapshots: pd.DataFrame, raw_score: bool) -> Numbers:
    booster = lightgbm.Booster(model_str=trees)
    return np.asarray(
        booster.predict(tree_inputs(snapshots), raw_score=raw_score, num_threads=1), float
    )
