"""What the job predict prepares of the last build: scores, products, people alike, channels.

Each function writes candidates (publication.py) and returns what their gates say.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from math import ceil
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from orchestration.predictions import gates, publication, registry
from orchestration.predictions.backtest import seasons
from orchestration.predictions.channels import choose_channels
from orchestration.predictions.gate import Gate
from orchestration.predictions.lookalikes import (
    SeedError,
    judge_lookalikes,
    measure_likeness,
)
from orchestration.predictions.model import Model, Seasons, TrainingError
from orchestration.predictions.publication import buyer_count, day_of_build
from orchestration.predictions.purchases import Purchases, read_purchases
from orchestration.predictions.recommendations import recommend
from orchestration.predictions.snapshots import WEEK, ask, parts, read_snapshots

# Nobody advertises to more people alike than that, and a rule can ask for fewer.
_MOST_LOOKALIKES = 100_000
_NOBODY = pd.DataFrame(columns=["customer_id", "place", "score", "reason"])
# Buyers whose features are in memory at a time.
_SCORED_AT_A_TIME = 500_000


@dataclass(frozen=True)
class Prepared:
    """What the gates say of the candidates; `drift` is the stability index of each feature, `told`
    what else is worth a line.
    """

    gates: list[Gate]
    drift: Mapping[str, float] = field(default_factory=dict)
    told: Sequence[str] = ()


def prepare_scores(warehouse: duckdb.DuckDBPyConnection, folder: Path) -> Prepared:
    """Score every buyer by the champion, whose files are below the folder.

    So many at a time that memory does not grow with the customers. Raises TrainingError when
    there is no champion, or nobody to score.
    """
    name = registry.champion(warehouse)
    if name is None:
        raise TrainingError("there is no model yet: make predict TRAIN=yes makes one")
    model = registry.load(name, folder).model
    as_of = day_of_build(warehouse)
    season = seasons(warehouse, as_of, model.horizons)
    publication.hold(warehouse, "customer_predictions")
    compared = None
    for part in parts(max(ceil(buyer_count(warehouse) / _SCORED_AT_A_TIME), 1)):
        ask(warehouse, [as_of], customers=part)
        snapshots = read_snapshots(warehouse)
        if snapshots.empty:
            continue
        if compared is None:
            compared = snapshots
        scores = _as_published(model.score(snapshots, season), snapshots, model, as_of)
        publication.add(warehouse, "customer_predictions", scores)
    if compared is None:
        raise TrainingError("nobody has bought by then: there is nobody to score")
    publication.hold(warehouse, "purchase_parameters")
    publication.add(warehouse, "purchase_parameters", _parameters(model, season))
    # One part is a sample of all, and enough to see whether a feature has moved.
    drift = gates.drift(model, compared)
    return Prepared(gates.score_gates(warehouse, model.as_of, drift), drift)


def _parameters(model: Model, season: Seasons) -> pd.DataFrame:
    """What SQL needs to score whom this job has not seen: a row per scope and horizon."""
    return pd.DataFrame(
        [
            {
                "brand_id": brand,
                "horizon_days": horizon,
                "weeks": season.get(horizon, 1.0) * horizon / WEEK,
                **{name: getattr(scope.purchases, name) for name in ("r", "alpha", "a", "b")},
                "model_version": model.version,
            }
            for brand, scope in model.scopes.items()
            for horizon in model.horizons
        ]
    )


def prepare_recommendations(warehouse: duckdb.DuckDBPyConnection, _: Path) -> Prepared:
    """Make the lists of products of everybody who has bought and may be profiled."""
    as_of = day_of_build(warehouse)
    purchases = warehouse.execute("select * from features.product_purchases").to_arrow_table()
    offers = warehouse.execute("select * from features.product_offers").to_arrow_table()
    profiled = warehouse.execute("select * from marts.profiled_customers").to_arrow_table()
    publication.hold(warehouse, "product_recommendations")
    for lists in recommend(purchases, offers, profiled["customer_id"], as_of):
        day = pa.repeat(pa.scalar(as_of), len(lists))
        publication.add(warehouse, "product_recommendations", lists.append_column("as_of", day))
    return Prepared(gates.recommendation_gates(warehouse))


def prepare_lookalikes(warehouse: duckdb.DuckDBPyConnection, _: Path) -> Prepared:
    """Find who is like the members of each segment that a rule in force asks for.

    A segment of too few buyers, and one whose hidden members amounts alone find as well, has none.
    """
    as_of = day_of_build(warehouse)
    for table in ("lookalikes", "lookalike_audiences"):
        publication.hold(warehouse, table)
    asked = _ids(
        warehouse,
        "select distinct unnest(asked_lookalikes) as segment_id from segments.rules order by 1",
    )
    if not asked:
        return Prepared(gates.lookalike_gates(warehouse))
    ask(warehouse, [as_of])
    snapshots = read_snapshots(warehouse)
    snapshots = snapshots[snapshots["brand_id"].isna()]
    purchases = read_purchases(
        warehouse.execute("select * from features.product_purchases").to_arrow_table()
    ).until(as_of)
    targets = _ids(warehouse, "select customer_id from marts.profiled_customers")
    lines = []
    for segment_id in asked:
        members = _ids(
            warehouse,
            "select customer_id from segments.memberships where segment_id = ?",
            segment_id,
        )
        audience, rows = _audience(snapshots, purchases, members, targets)
        rows = rows.assign(segment_id=segment_id, as_of=as_of)
        publication.add(warehouse, "lookalikes", rows)
        told = {**asdict(audience), "segment_id": segment_id, "as_of": as_of}
        publication.add(warehouse, "lookalike_audiences", pa.Table.from_pylist([told]))
        lines.append(f"lookalikes of {segment_id}: {len(rows):,} found, {audience.reason}")
    return Prepared(gates.lookalike_gates(warehouse), told=lines)


@dataclass(frozen=True)
class _Audience:
    """What came of the lookalikes of a segment; see marts.lookalike_audiences."""

    member_count: int
    found_count: int
    auc: float | None
    heuristic_auc: float | None
    status: str
    reason: str


def _audience(
    snapshots: pd.DataFrame,
    purchases: Purchases,
    members: Collection[str],
    targets: Collection[str],
) -> tuple[_Audience, pd.DataFrame]:
    try:
        likeness = measure_likeness(snapshots, purchases, members)
    except SeedError as error:
        bought = int(snapshots["customer_id"].isin([*members]).sum())
        return _Audience(bought, 0, None, None, "refused", str(error)), _NOBODY
    judged = judge_lookalikes(likeness)
    auc, heuristic_auc = judged["lookalikes"].auc, judged["spend"].auc
    is_better = auc > heuristic_auc
    rows = likeness.lookalikes(_MOST_LOOKALIKES, targets) if is_better else _NOBODY
    return _Audience(
        int(likeness.is_member.sum()),
        len(rows),
        auc,
        heuristic_auc,
        "published" if is_better else "refused",
        f"hidden members are found {'better' if is_better else 'no better'} than by amounts alone",
    ), rows


def _ids(warehouse: duckdb.DuckDBPyConnection, sql: str, *values: str) -> list[str]:
    return [str(row[0]) for row in warehouse.execute(sql, list(values)).fetchall()]


def prepare_channels(warehouse: duckdb.DuckDBPyConnection, _: Path) -> Prepared:
    """Choose the channel of everybody who may be written to."""
    as_of = day_of_build(warehouse)
    contacts, explored, reached = (
        warehouse.execute(f"select * from features.{name}").df()
        for name in ("channel_contacts", "channel_explorations", "open_channels")
    )
    choices, judgement = choose_channels(contacts, explored, reached)
    publication.hold(warehouse, "channel_choices")
    publication.add(warehouse, "channel_choices", choices.assign(as_of=as_of))
    return Prepared(gates.channel_gates(warehouse, judgement))


# By the table that each of them fills.
PREPARATIONS: Mapping[str, Callable[[duckdb.DuckDBPyConnection, Path], Prepared]] = {
    "customer_predictions": prepare_scores,
    "product_recommendations": prepare_recommendations,
    "lookalikes": prepare_lookalikes,
    "channel_choices": prepare_channels,
}


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
    for name in ("speaks_for", "speaks_against"):
        published[name] = scores[name].astype(object).where(scores[name].notna(), None)
    for name, source in days.items():
        published[name] = today + pd.to_timedelta(scores[source], unit="D")
    return published.join(numbers)
