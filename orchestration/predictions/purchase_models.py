"""How often customers buy while they are customers, and what an order of theirs is worth.

A customer buys at a rate of their own until they leave for good, and nobody says when. BG/NBD
(Fader, Hardie and Lee 2005) lets them leave after a repeated purchase, MBG/NBD (Batislam,
Denizel and Filiztekin 2007) after the first one too, so that a one-time buyer is not alive for
ever. Gamma-Gamma (Fader and Hardie 2013) has the spend of an order.

A history is three numbers, in weeks: `x`, on how many days after the first they bought; `t_x`,
the time from the first to the last; `t`, the time from the first to the day of asking.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import digamma, gammaln, hyp2f1

Numbers = NDArray[np.float64]

# The search runs over logarithms of the parameters: beyond these it has left the data behind.
_BOUND = 12.0
# 2F1 has a pole where a is one.
_POLE = 1e-6


class FitError(Exception):
    """The histories do not tell the parameters; the message says why."""


@dataclass(frozen=True)
class PurchaseModel:
    """The rates of purchases are gamma distributed with shape `r` and rate `alpha` (in weeks), the
    chance to leave at a purchase beta distributed with `a` and `b`.
    """

    kind: Literal["bg_nbd", "mbg_nbd"]
    r: float
    alpha: float
    a: float
    b: float

    def log_likelihood(self, x: Numbers, t_x: Numbers, t: Numbers) -> Numbers:
        """The logarithm of the chance of each history."""
        stays = self._stays(x)
        buys = gammaln(self.r + x) - gammaln(self.r) + self.r * np.log(self.alpha)
        remains = (
            gammaln(self.a + self.b)
            + gammaln(self.b + stays)
            - gammaln(self.b)
            - gammaln(self.a + self.b + stays)
        )
        waits = -(self.r + x) * np.log(self.alpha + t)
        result: Numbers = buys + remains + waits + np.log1p(self._odds_of_gone(x, t_x, t))
        return result

    def slopes(self, x: Numbers, t_x: Numbers, t: Numbers) -> Numbers:
        """The derivatives of the log-likelihood of each history, a row each: by r, alpha, a, b."""
        r, alpha, a, b = self.r, self.alpha, self.a, self.b
        stays = self._stays(x)
        odds = self._odds_of_gone(x, t_x, t)
        gone = odds / (1 + odds)
        silent = np.log(alpha + t) - np.log(alpha + t_x)
        both = digamma(a + b) - digamma(a + b + stays)
        return np.stack(
            [
                digamma(r + x) - digamma(r) + np.log(alpha / (alpha + t)) + gone * silent,
                r / alpha
                - (r + x) / (alpha + t)
                + gone * (r + x) * (1 / (alpha + t) - 1 / (alpha + t_x)),
                both + gone / a,
                both + digamma(b + stays) - digamma(b) - gone / (b + np.maximum(stays, 1) - 1),
            ]
        )

    def alive(self, x: Numbers, t_x: Numbers, t: Numbers) -> Numbers:
        """The chance that a customer has not left for good."""
        result: Numbers = 1 / (1 + self._odds_of_gone(x, t_x, t))
        return result

    def buys_within(self, x: Numbers, t_x: Numbers, t: Numbers, weeks: Numbers | float) -> Numbers:
        """The chance of a purchase in the next `weeks`."""
        waits = ((self.alpha + t) / (self.alpha + t + weeks)) ** (self.r + x)
        result: Numbers = self.alive(x, t_x, t) * (1 - waits)
        return result

    def weeks_until(self, x: Numbers, t_x: Numbers, t: Numbers, chance: Numbers) -> Numbers:
        """In how many weeks a purchase has come with that chance; infinity when it never has."""
        share = chance / self.alive(x, t_x, t)
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            weeks = (self.alpha + t) * ((1 - share) ** (-1 / (self.r + x)) - 1)
        result: Numbers = np.where(share < 1, weeks, np.inf)
        return result

    def expected_purchases(
        self, x: Numbers, t_x: Numbers, t: Numbers, weeks: Numbers | float
    ) -> Numbers:
        """How many days with a purchase are to be expected in the next `weeks`."""
        a = self.a if abs(self.a - 1) > _POLE else 1 + _POLE
        stays = self._stays(x)
        waits = ((self.alpha + t) / (self.alpha + t + weeks)) ** (self.r + x)
        series = hyp2f1(
            self.r + x, self.b + stays, a + self.b + stays - 1, weeks / (self.alpha + t + weeks)
        )
        while_alive = (a + self.b + stays - 1) / (a - 1) * (1 - waits * series)
        result: Numbers = np.maximum(while_alive, 0) * self.alive(x, t_x, t)
        return result

    def _stays(self, x: Numbers) -> Numbers:
        """At how many purchases the customer could have left and did not."""
        return x if self.kind == "bg_nbd" else x + 1

    def _odds_of_gone(self, x: Numbers, t_x: Numbers, t: Numbers) -> Numbers:
        silent = np.exp((self.r + x) * (np.log(self.alpha + t) - np.log(self.alpha + t_x)))
        stays = self._stays(x)
        odds: Numbers = np.where(
            stays > 0, self.a / (self.b + np.maximum(stays, 1) - 1) * silent, 0
        )
        return odds


@dataclass(frozen=True)
class SpendModel:
    """Gamma-Gamma: the spend of an order varies around a customer's mean with shape `p`; the means
    vary between customers with shape `q` and scale `gamma`, in the currency of the orders.
    """

    p: float
    q: float
    gamma: float

    def log_likelihood(self, x: Numbers, mean: Numbers) -> Numbers:
        """The logarithm of the chance of a mean spend over x orders, both above zero."""
        p, q, gamma = self.p, self.q, self.gamma
        result: Numbers = (
            gammaln(p * x + q)
            - gammaln(p * x)
            - gammaln(q)
            + q * np.log(gamma)
            + (p * x - 1) * np.log(mean)
            + p * x * np.log(x)
            - (p * x + q) * np.log(gamma + x * mean)
        )
        return result

    def slopes(self, x: Numbers, mean: Numbers) -> Numbers:
        """The derivatives of the log-likelihood of each customer by p, q and gamma: a row each."""
        p, q, gamma = self.p, self.q, self.gamma
        total = gamma + x * mean
        all_of_it = digamma(p * x + q)
        return np.stack(
            [
                x * (all_of_it - digamma(p * x) + np.log(x * mean / total)),
                all_of_it - digamma(q) + np.log(gamma / total),
                q / gamma - (p * x + q) / total,
            ]
        )

    def expected_mean(self, x: Numbers, mean: Numbers) -> Numbers:
        """The spend of a future order: the customer's own mean, drawn to that of all by how little
        is known. With x zero it is that of all; a population without one (q up to 1) has none.
        """
        result: Numbers = self.p * (self.gamma + x * mean) / (self.p * x + self.q - 1)
        return result


def fit_purchases(
    kind: Literal["bg_nbd", "mbg_nbd"], x: Numbers, t_x: Numbers, t: Numbers
) -> PurchaseModel:
    """The parameters of highest likelihood; histories in weeks. Raises FitError."""
    if not len(x) or not x.any():
        raise FitError("nobody bought a second time: there is no rate to learn")
    histories, counts = np.unique(np.column_stack([x, t_x, t]), axis=0, return_counts=True)
    x, t_x, t = histories.T

    def loss(logs: Numbers) -> tuple[float, Numbers]:
        parameters = np.exp(logs)
        model = PurchaseModel(kind, *(float(each) for each in parameters))
        weights = -counts / counts.sum()
        chances, slopes = model.log_likelihood(x, t_x, t), model.slopes(x, t_x, t)
        return float(weights @ chances), slopes @ weights * parameters

    # Starts of a rate as it is on average and of a rare departure.
    start = np.log([1.0, max(float(t.mean()), 1e-3), 1.0, 3.0])
    r, alpha, a, b = np.exp(_lowest(loss, start))
    return PurchaseModel(kind, float(r), float(alpha), float(a), float(b))


def fit_spend(x: Numbers, mean: Numbers) -> SpendModel:
    """The parameters of highest likelihood of mean spends over x orders. Raises FitError."""
    known = (x > 0) & (mean > 0)
    x, mean = x[known], mean[known]
    if len(x) < 2 or np.ptp(mean) == 0:
        raise FitError("fewer than two customers with spends that differ")
    # Scaled, so that the search starts where the data are, whatever the currency.
    scale = float(np.median(mean))

    def loss(logs: Numbers) -> tuple[float, Numbers]:
        parameters = np.exp(logs)
        model = SpendModel(*(float(each) for each in parameters))
        chances, slopes = model.log_likelihood(x, mean / scale), model.slopes(x, mean / scale)
        return float(-chances.mean()), -slopes.mean(axis=1) * parameters

    p, q, gamma = np.exp(_lowest(loss, np.log([2.0, 3.0, 1.0])))
    return SpendModel(float(p), float(q), float(gamma * scale))


def _lowest(loss: Callable[[Numbers], tuple[float, Numbers]], start: Numbers) -> Numbers:
    """Where a loss is lowest, by its value and its slopes, over logarithms of the parameters."""
    found: Any = minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(-_BOUND, _BOUND)] * len(start),
        options={"maxiter": 500, "ftol": 1e-13, "gtol": 1e-8},
    )
    if not np.isfinite(found.fun):
        raise FitError(f"the likelihood has no top: {found.message}")
    result: Numbers = found.x
    return result
