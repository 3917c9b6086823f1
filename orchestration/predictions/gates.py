"""What a model and its scores have to pass before anybody sees them."""

import duckdb
import numpy as np
import pandas as pd

from orchestration.predictions.backtest import Judgement
from orchestration.predictions.evaluation import stability
from orchestration.predictions.gate import MODEL_GATES, Gate
from orchestration.predictions.model import Model
from orchestration.predictions.snapshots import FEATURES

# A model may be so much worse than MBG/NBD by Brier score, and no more.
_BRIER_SLACK = 0.002
_MOST_CALIBRATION_ERROR = 0.05
_TOTAL_RATIOS = 0.85, 1.15
# Population stability: by custom little has changed below a tenth, much from two tenths on.
_MOST_DRIFT = 0.2
# Fewer labels tell nothing about a model: it is let pass, as a prior.
LEAST_LABELS = 500


def model_gates(judgement: Judgement) -> list[Gate]:
    """The gates of a model, by the newest days that can judge it; see MODEL_GATES."""
    longest = max(judgement.model.horizons)
    of_all = {
        each.name: each
        for each in judgement.measures
        if each.group == "all" and each.horizon == longest
    }
    count = of_all["auc"].customer_count if of_all else 0
    if count < LEAST_LABELS:
        told = f"{count:,} customers can judge it, {LEAST_LABELS} are needed: let pass as a prior"
        return [Gate(name, True, told) for name in MODEL_GATES]
    auc, brier = of_all["auc"], of_all["brier"]
    heuristic_auc, heuristic_brier = auc.heuristic or 0.0, brier.heuristic or 0.0
    error, ratio = of_all["calibration_error"].value, of_all["total_ratio"].value
    low, high = _TOTAL_RATIOS
    return [
        Gate(
            "better_than_recency",
            auc.value >= heuristic_auc,
            f"AUC {auc.value:.4f}, by recency alone {heuristic_auc:.4f}",
        ),
        Gate(
            "no_worse_than_mbg_nbd",
            brier.value <= heuristic_brier + _BRIER_SLACK,
            f"Brier {brier.value:.4f}, by MBG/NBD {heuristic_brier:.4f}, slack {_BRIER_SLACK}",
        ),
        Gate(
            "is_calibrated",
            error <= _MOST_CALIBRATION_ERROR,
            f"calibration error {error:.4f}, at most {_MOST_CALIBRATION_ERROR}",
        ),
        Gate(
            "totals_are_right",
            low <= ratio <= high,
            f"expected buyers over actual {ratio:.3f}, between {low} and {high}",
        ),
    ]


def score_gates(
    warehouse: duckdb.DuckDBPyConnection, model: Model, snapshots: pd.DataFrame
) -> list[Gate]:
    """The gates of the scores in predictions.candidates; see SCORE_GATES."""
    [(rows, customers, buyers, invalid, falling)] = warehouse.execute(
        """
        select
            count(*) filter (where brand_id is null),
            count(distinct customer_id) filter (where brand_id is null),
            (select count(distinct customer_id) from features.purchases where cancelled_on is null),
            count(*) filter (
                where not coalesce(
                    purchase_chance_90d between 0 and 1 and expected_amount_365d >= 0, false
                )
            ),
            count(*) filter (
                where purchase_chance_30d > purchase_chance_60d
                or purchase_chance_60d > purchase_chance_90d
            )
        from predictions.candidates
        """
    ).fetchall()
    of_all = snapshots[snapshots["brand_id"].isna()]
    drift = {
        name: stability(np.array(model.reference[name]), of_all[name].dropna().to_numpy(float))
        for name in FEATURES
        if name in model.reference
    }
    moved = {name: value for name, value in drift.items() if value >= _MOST_DRIFT}
    worst = ", ".join(f"{name} {value:.2f}" for name, value in sorted(moved.items()))
    return [
        Gate(
            "one_row_per_customer",
            rows == customers == buyers,
            f"{rows:,} rows of {customers:,} customers, {buyers:,} have bought",
        ),
        Gate(
            "chances_rise_with_the_horizon",
            invalid == 0 and falling == 0,
            f"{falling:,} fall, {invalid:,} are no chance or amount",
        ),
        Gate(
            "has_not_drifted",
            not moved,
            f"stability index of the features below {_MOST_DRIFT} since {model.as_of}"
            + (f"; not of {worst}" if moved else ""),
        ),
    ]
