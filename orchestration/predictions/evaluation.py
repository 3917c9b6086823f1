"""How good predictions are: order, distance, calibration, totals; a bootstrap between two."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

BIN_COUNT = 10
_SEED = 1


@dataclass(frozen=True)
class Bin:
    """Customers with nearly the same chance: how many, what was said, and how many did."""

    count: int
    predicted: float
    actual: float


def auc(truth: Numbers, score: Numbers) -> float:
    """The chance that one who did has a higher score than one who did not; ties count half."""
    did = truth > 0
    positives, negatives = int(did.sum()), int((~did).sum())
    if not positives or not negatives:
        return float("nan")
    return float(
        (_ranks(score)[did].sum() - positives * (positives + 1) / 2) / (positives * negatives)
    )


def brier(truth: Numbers, chance: Numbers) -> float:
    """The mean squared distance between what was said and what came."""
    return float(np.mean((truth - chance) ** 2))


def calibration(truth: Numbers, chance: Numbers, bins: int = BIN_COUNT) -> list[Bin]:
    """Bins of equal size, the lowest chance first; equal chances stay in one order of truth."""
    order = np.lexsort((truth, chance))
    return [
        Bin(len(part), float(chance[part].mean()), float(truth[part].mean()))
        for part in np.array_split(order, bins)
        if len(part)
    ]


def calibration_error(truth: Numbers, chance: Numbers, bins: int = BIN_COUNT) -> float:
    """The mean distance between said and actual over bins, each weighted by its customers."""
    parts = calibration(truth, chance, bins)
    return sum(part.count * abs(part.predicted - part.actual) for part in parts) / len(truth)


def total_ratio(truth: Numbers, expected: Numbers) -> float:
    """What was expected of all, over what came."""
    return float(expected.sum() / truth.sum()) if truth.sum() else float("nan")


def gini(truth: Numbers, score: Numbers) -> float:
    """Normalised Gini: how near the order by score is to the order by truth, 1 being equal to it.

    Equal scores share what they hold, so that the order of rows does not matter.
    """
    perfect = _gini(truth, truth)
    return _gini(truth, score) / perfect if perfect else float("nan")


def concordance(days: Numbers, score: Numbers, horizon: int) -> float:
    """C-index of the next purchase: of two customers, the one with the higher score buys first.

    `days` until the next purchase, NaN or beyond the horizon for none: who has not bought by then
    comes after all who have. Equal scores count half.
    """
    until = np.where(np.isnan(days) | (days > horizon), np.inf, days)
    concordant = compared = 0.0
    # Day by day: those who buy on it against the sorted scores of all who buy later.
    for day in np.unique(until[np.isfinite(until)]):
        buying, later = score[until == day], np.sort(score[until > day])
        compared += len(buying) * len(later)
        below = np.searchsorted(later, buying, side="left")
        not_above = np.searchsorted(later, buying, side="right")
        concordant += float(below.sum() + not_above.sum()) / 2
    return float(concordant / compared) if compared else float("nan")


def better_by(
    truth: Numbers, chance: Numbers, other: Numbers, draws: int = 500
) -> tuple[float, float]:
    """By how much the Brier score of `chance` is lower than that of `other`: bootstrap bounds of
    95 %, over customers. Both above zero: it is better, and not by luck.
    """
    gain = (truth - other) ** 2 - (truth - chance) ** 2
    generator = np.random.default_rng(_SEED)
    means = [gain[generator.integers(0, len(gain), len(gain))].mean() for _ in range(draws)]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def stability(before: Numbers, now: Numbers, bins: int = BIN_COUNT) -> float:
    """Population stability index: how far a distribution has moved between two days.

    The sum over bins of (share now - share before) * ln(share now / share before), by the deciles
    of before. By custom below 0.1 nothing has changed, from 0.2 on much has.
    """
    known = before[~np.isnan(before)]
    inner = np.linspace(0, 1, bins + 1)[1:-1]
    edges = np.unique(np.quantile(known, inner)) if len(known) else np.zeros(0)
    shares = []
    for values in (before, now):
        counts = np.bincount(np.searchsorted(edges, values[~np.isnan(values)]), minlength=bins)
        counts = np.append(counts, np.isnan(values).sum())
        shares.append(np.maximum(counts / max(len(values), 1), 1e-4))
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())


def _ranks(score: Numbers) -> Numbers:
    """Ranks from 1 on; equal values share the mean of theirs."""
    _, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    result: Numbers = (last - (counts - 1) / 2)[place]
    return result


def _gini(truth: Numbers, score: Numbers) -> float:
    ranks = _ranks(score)
    share = truth / truth.sum() if truth.sum() else truth
    count = len(truth)
    return float((share * (2 * ranks - count - 1)).sum() / count)
