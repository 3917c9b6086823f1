"""What the features of a day tell the models: histories in weeks, and one matrix of numbers."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

WEEK = 7.0
# Customers whose md5, in hexadecimal digits, is from the first on and below the second.
Customers = tuple[str, str]
EVERYBODY: Customers = ("", "g")
_DIGITS = 8

# The columns that trees read, in this order. Missing is missing: trees have a way for it.
FEATURES = (
    *("repeat_days", "active_days", "tenure_days", "recency_days"),
    *("mean_gap_days", "gap_deviation_days"),
    *("mean_amount", "largest_amount", "last_amount", "amount", "amount_91d", "amount_365d"),
    *("purchase_days_30d", "purchase_days_91d", "purchase_days_182d", "purchase_days_365d"),
    *("purchase_days_year_ago", "mean_items", "store_share", "discount_share", "returned_share"),
)

# What the logistic regression reads, as logarithms of one plus: counts and amounts are skewed.
# Not the tenure: a shop's customers are older at each day than at all days before it.
LOGISTIC_FEATURES = (
    *("repeat_days", "recency_days", "purchase_days_30d", "purchase_days_91d"),
    *("purchase_days_182d", "mean_amount", "amount_91d"),
)


@dataclass(frozen=True)
class History:
    """Customers as purchase models see them; see orchestration.predictions.purchase_models."""

    x: Numbers
    t_x: Numbers
    t: Numbers


def history(snapshots: pd.DataFrame) -> History:
    """The histories of snapshots, in weeks."""
    return History(
        snapshots["repeat_days"].to_numpy(float),
        snapshots["active_days"].to_numpy(float) / WEEK,
        snapshots["tenure_days"].to_numpy(float) / WEEK,
    )


def tree_inputs(snapshots: pd.DataFrame) -> Numbers:
    """A row per snapshot, a column per feature, and how late the next purchase is."""
    late = snapshots["recency_days"] / snapshots["mean_gap_days"].clip(lower=1)
    matrix: Numbers = np.column_stack(
        [*(snapshots[name].to_numpy(float) for name in FEATURES), late.to_numpy(float)]
    )
    return matrix


def logistic_inputs(snapshots: pd.DataFrame) -> Numbers:
    """A row per snapshot, a column per feature of the logistic regression."""
    matrix: Numbers = np.log1p(
        np.column_stack(
            [np.maximum(snapshots[name].to_numpy(float), 0) for name in LOGISTIC_FEATURES]
        )
    )
    return matrix


def parts(count: int) -> list[Customers]:
    """So many parts of all customers, about equal and the same every time."""
    inner = [f"{16**_DIGITS * number // count:0{_DIGITS}x}" for number in range(1, count)]
    bounds = [EVERYBODY[0], *inner, EVERYBODY[1]]
    return list(pairwise(bounds))


def ask(
    warehouse: duckdb.DuckDBPyConnection,
    cutoffs: Iterable[date],
    horizons: Iterable[int] = (),
    customers: Customers = EVERYBODY,
) -> None:
    """Say of which days the views of features tell: all that they read is predictions.spine."""
    days: list[int | None] = [*horizons] or [None]
    rows = [(cutoff, horizon, *customers) for cutoff in cutoffs for horizon in days]
    warehouse.execute("delete from predictions.spine")
    if rows:
        warehouse.executemany("insert into predictions.spine values (?, ?, ?, ?)", rows)


def read_snapshots(warehouse: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """The snapshots that were asked for, in an order of their own."""
    return warehouse.execute(
        "select * from features.snapshots order by cutoff_on, brand_id nulls first, customer_id"
    ).df()


def read_labels(warehouse: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """The labels that were asked for and whose horizon has passed, in the order of snapshots."""
    return warehouse.execute(
        "select * from features.labels where is_complete "
        "order by cutoff_on, horizon_days, brand_id nulls first, customer_id"
    ).df()


def earlier(cutoff: date, horizon: int, since: date, most: int) -> list[date]:
    """The days to learn from before a cutoff: a horizon apart, so that no label is told twice, the
    last label ended by the cutoff, each with a horizon and a half of history before it.
    """
    days = [cutoff - timedelta(days=horizon * back) for back in range(1, most + 1)]
    return [day for day in days if (day - since).days >= 1.5 * horizon]
