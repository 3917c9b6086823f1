"""What a way of choosing would have brought, told from what lots have chosen.

All read rows on which an action was drawn with a known chance (the propensity): who was drawn what
the way would have chosen stands for everybody. Where rows are not a customer each, `customer` has
the number of each row's customer, from 0 on, and the bootstrap draws all rows of a customer at
once. Sources: self-normalised inverse propensity scores, Swaminathan and Joachims 2015; doubly
robust values, Dudik, Langford and Li 2011; the Qini coefficient, Radcliffe 2007; the Poisson
bootstrap, Chamandy and others 2012.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from orchestration.predictions.evaluation import Numbers
from orchestration.predictions.purchases import Codes, Flags

_SEED = 1
_DRAWS = 500


@dataclass(frozen=True)
class Estimate:
    """A value and the bounds in which it lies with 95 % certainty, by bootstrap over customers."""

    value: float
    low: float
    high: float


def snips(
    outcome: Numbers, propensity: Numbers, agrees: Flags, customer: Codes | None = None
) -> Estimate:
    """The mean outcome, had everybody got what the way chooses.

    `propensity` is the chance with which the row's action was drawn, above 0; `agrees` whether the
    way chooses that action. The weights of the rows that agree are scaled to sum to one, so that
    the value never leaves the range of outcomes. NaN when no row agrees.
    """
    weights = np.where(agrees, 1 / propensity, 0.0)
    return _bootstrapped(np.stack([weights * outcome, weights]), _ratio, customer)


def snips_difference(
    outcome: Numbers,
    propensity: Numbers,
    agrees: Flags,
    other: Flags,
    customer: Codes | None = None,
) -> Estimate:
    """By how much one way of choosing brings more than another, on the same rows.

    The bootstrap draws both at once: where they choose alike nothing is uncertain.
    """
    first, second = np.where(agrees, 1 / propensity, 0.0), np.where(other, 1 / propensity, 0.0)
    sums = np.stack([first * outcome, first, second * outcome, second])
    return _bootstrapped(sums, lambda each: _ratio(each[:2]) - _ratio(each[2:]), customer)


def doubly_robust(
    outcome: Numbers,
    propensity: Numbers,
    agrees: Flags,
    expected_of_choice: Numbers,
    expected_of_drawn: Numbers,
    customer: Codes | None = None,
) -> Estimate:
    """The mean outcome of a way of choosing, with a model of outcomes that lots correct.

    `expected_of_choice` is what the model expects of each row under the action that the way
    chooses, `expected_of_drawn` under the one that was drawn. Right when either model or
    propensities are; the outcomes must not be those that the model learnt.
    """
    corrected = np.where(agrees, (outcome - expected_of_drawn) / propensity, 0.0)
    sums = np.stack([expected_of_choice + corrected, np.ones(len(outcome))])
    return _bootstrapped(sums, _ratio, customer)


def qini(outcome: Numbers, treated: Flags, uplift: Numbers) -> float:
    """How well a score orders customers by what a treatment does: 0 by chance, 1 at best.

    The area between the curve of incremental outcomes, from the highest score down, and the
    straight line of no order, over that area of the best order there could be: responders who
    were treated first, those who were not last. Equal scores are a straight piece of the curve,
    so that the order of rows does not matter. NaN when one group is empty or no order is better.
    """
    if treated.all() or not treated.any():
        return float("nan")
    best = np.where(outcome > 0, np.where(treated, 2.0, 0.0), 1.0)
    perfect = _qini_area(outcome, treated, best)
    return _qini_area(outcome, treated, uplift) / perfect if perfect > 0 else float("nan")


def _qini_area(outcome: Numbers, treated: Flags, score: Numbers) -> float:
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    gained = np.cumsum(np.where(treated, outcome, 0.0)[order])[ends]
    usual = np.cumsum(np.where(treated, 0.0, outcome)[order])[ends]
    count = np.cumsum(treated[order])[ends].astype(float)
    control = np.cumsum(~treated[order])[ends].astype(float)
    scaled = usual * np.divide(count, control, out=np.zeros(len(ends)), where=control > 0)
    curve = np.concatenate([[0.0], gained - scaled])
    share = np.concatenate([[0.0], (ends + 1) / len(score)])
    return float(np.trapezoid(curve - curve[-1] * share, share))


def _ratio(sums: Numbers) -> Numbers:
    with np.errstate(invalid="ignore", divide="ignore"):
        result: Numbers = sums[0] / sums[1]
    return result


def _bootstrapped(
    columns: Numbers, value: Callable[[Numbers], Numbers], customer: Codes | None
) -> Estimate:
    """A value of sums over rows, and the same of customers who were drawn again.

    Customers are drawn by Poisson counts, which are multinomial ones but for their total. Of
    customers who are alike the counts add up to one Poisson count: of answers that are yes or no
    there are a few kinds, however many customers.
    """
    if customer is not None:
        columns = np.stack([np.bincount(customer, weights=each) for each in columns])
    kinds, sizes = np.unique(columns, axis=1, return_counts=True)
    generator = np.random.default_rng(_SEED)
    sums = np.stack([kinds @ generator.poisson(sizes) for _ in range(_DRAWS)], axis=1)
    drawn = value(sums)
    known = drawn[np.isfinite(drawn)]
    low, high = np.quantile(known, [0.025, 0.975]) if len(known) else (np.nan, np.nan)
    return Estimate(float(value(columns.sum(axis=1))), float(low), float(high))
