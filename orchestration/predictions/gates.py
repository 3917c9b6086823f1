"""What a model, its scores and every list of people or products pass before anybody sees them."""

from collections.abc import Mapping
from datetime import date

import duckdb
import numpy as np
import pandas as pd

from orchestration.predictions import channels
from orchestration.predictions.backtest import Judgement
from orchestration.predictions.evaluation import stability
from orchestration.predictions.gate import MODEL_GATES, Gate
from orchestration.predictions.model import Model
from orchestration.predictions.publication import candidates
from orchestration.predictions.snapshots import FEATURES

# A model may be so much worse than MBG/NBD by Brier score, and no more.
_BRIER_SLACK = 0.002
_MOST_CALIBRATION_ERROR = 0.05
_TOTAL_RATIOS = 0.85, 1.15
# Population stability: by custom little has changed below a tenth, much from two tenths on.
MOST_DRIFT = 0.2
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


def drift(model: Model, snapshots: pd.DataFrame) -> dict[str, float]:
    """By how much each feature has moved since the model was learnt: its stability index."""
    of_all = snapshots[snapshots["brand_id"].isna()]
    return {
        name: stability(np.array(model.reference[name]), of_all[name].dropna().to_numpy(float))
        for name in FEATURES
        if name in model.reference
    }


def score_gates(
    warehouse: duckdb.DuckDBPyConnection, learnt_until: date, drifts: Mapping[str, float]
) -> list[Gate]:
    """The gates of the candidate scores; see SCORE_GATES."""
    [(rows, customers, buyers, invalid, falling)] = warehouse.execute(
        f"""
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
        from {candidates("customer_predictions")}
        """
    ).fetchall()
    moved = {name: value for name, value in drifts.items() if value >= MOST_DRIFT}
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
            f"stability index of the features below {MOST_DRIFT} since {learnt_until}"
            + (f"; not of {worst}" if moved else ""),
        ),
    ]


def recommendation_gates(warehouse: duckdb.DuckDBPyConnection) -> list[Gate]:
    """The gates of the candidate lists of products; see RECOMMENDATION_GATES."""
    table = candidates("product_recommendations")
    unsold = _count(
        warehouse,
        f"""
        select count(*) from {table} as lists
        left join features.product_offers as offers on lists.product_id = offers.product_id
        where not coalesce(offers.is_in_stock and not offers.is_discontinued, false)
        """,
    )
    owned = _count(
        warehouse,
        f"""
        select count(*) from {table} as lists
        semi join features.product_purchases as purchases
            on
                lists.customer_id = purchases.customer_id
                and lists.product_id = purchases.product_id
        where lists.list <> 'replenish'
        """,
    )
    return [
        Gate("offers_what_is_sold", unsold == 0, f"{unsold:,} rows offer what is not sold"),
        Gate("offers_nothing_owned", owned == 0, f"{owned:,} rows offer as new what they have"),
        _profiled(warehouse, table),
        _whole(warehouse, table, "customer_id, list", "product_id"),
    ]


def lookalike_gates(warehouse: duckdb.DuckDBPyConnection) -> list[Gate]:
    """The gates of the candidate lookalikes; see LOOKALIKE_GATES."""
    table = candidates("lookalikes")
    members = _count(
        warehouse,
        f"""
        select count(*) from {table} as lookalikes
        semi join segments.memberships as memberships
            on
                lookalikes.segment_id = memberships.segment_id
                and lookalikes.customer_id = memberships.customer_id
        """,
    )
    return [
        Gate("no_member_is_a_lookalike", members == 0, f"{members:,} are members themselves"),
        _profiled(warehouse, table),
        _whole(warehouse, table, "segment_id", "customer_id"),
    ]


def channel_gates(
    warehouse: duckdb.DuckDBPyConnection, judgement: channels.Judgement
) -> list[Gate]:
    """The gates of the candidate channels; see CHANNEL_GATES."""
    table = candidates("channel_choices")
    [(rows, customers, reached, own)] = warehouse.execute(
        f"""
        select
            count(*),
            count(distinct customer_id),
            (select count(distinct customer_id) from features.open_channels),
            count(*) filter (where is_personal)
        from {table}
        """
    ).fetchall()
    closed = _count(
        warehouse,
        f"""
        select count(*) from {table} as choices
        anti join features.open_channels as open_channels
            on
                choices.customer_id = open_channels.customer_id
                and choices.best_channel = open_channels.channel
        """,
    )
    return [
        Gate(
            "one_row_per_customer",
            rows == customers == reached,
            f"{rows:,} rows of {customers:,} customers, {reached:,} may be written to",
        ),
        Gate("channels_are_open", closed == 0, f"{closed:,} channels are not open"),
        Gate(
            "own_choices_are_proven",
            own == 0 or judgement.is_proven,
            f"{own:,} customers have one of their own; {judgement.told}",
        ),
    ]


def _whole(warehouse: duckdb.DuckDBPyConnection, table: str, keys: str, listed: str) -> Gate:
    """Whether each list has all places from the first on, and what is listed once."""
    broken = _count(
        warehouse,
        f"""
        select count(*) from (
            select {keys} from {table} group by {keys}
            having
                max(place) <> count(*)
                or count(distinct place) <> count(*)
                or count(distinct {listed}) <> count(*)
        )
        """,
    )
    return Gate(
        "places_are_whole", broken == 0, f"{broken:,} lists miss a place or repeat a {listed}"
    )


def _profiled(warehouse: duckdb.DuckDBPyConnection, table: str) -> Gate:
    count = _count(
        warehouse,
        f"""
        select count(distinct customer_id) from {table}
        anti join marts.profiled_customers using (customer_id)
        """,
    )
    return Gate(
        "profiling_was_agreed_to", count == 0, f"{count:,} customers did not agree to profiling"
    )


def _count(warehouse: duckdb.DuckDBPyConnection, sql: str) -> int:
    [(count,)] = warehouse.execute(sql).fetchall()
    return int(count)
