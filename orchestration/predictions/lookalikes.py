"""Who is like the members of a segment, and no member: positive-unlabelled learning.

A logistic regression learns to tell members from everybody else, by how they buy and by what they
buy. That others are no members is not taken as proof that they should not be: each customer is
scored by a regression that has learnt from other customers only, and who looks like a member all
the same is a lookalike.

Elkan and Noto (2008) divide the chance of being a member by its mean over the members. Of those
who are no members that makes 1 of the very ones who come first, and they could not be told apart.
So the score is the same chance as if members and others were equally many: the order is the same,
and .5 is as much like the members as like everybody else.
"""

from collections.abc import Collection
from dataclasses import dataclass
from hashlib import md5

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.utils.extmath import randomized_svd
from threadpoolctl import threadpool_limits

from orchestration.predictions.evaluation import auc
from orchestration.predictions.purchases import Codes, Flags, Numbers, Purchases
from orchestration.predictions.snapshots import FEATURES

Texts = NDArray[np.object_]
Hashes = NDArray[np.uint64]

LEAST_MEMBERS = 50
"""Fewer members, or fewer others, and what tells them apart is chance."""

# More say nothing new and cost time.
_MOST_MEMBERS = 20_000
_MOST_OTHERS = 100_000
_FOLDS = 5
# Chosen on days before those that are reported: tests/python/test_lookalikes.py.
_COMPONENTS = 32
_LOOSENESS = 0.05
# Rounding errors of a machine decide no place.
_DIGITS = 6
# The mean of equal numbers is off by a rounding error, which must not become a feature.
_LEAST_DEVIATION = 1e-9
# Most members: half of everybody are above the middle, and of members it must be more.
_MOST = 0.6
# In log odds, as in orchestration.predictions.reasons: less would be no reason to tell anybody.
_LEAST_REASON = 0.1
_NO_REASON = "nothing that stands out"
# Of all who were scored, the share at the top that a lift tells of.
_TOP = 0.1


class SeedError(Exception):
    """Too few members have bought, or too few others, to tell them apart; the message counts."""


@dataclass(frozen=True)
class _Topic:
    """Features that tell the same, and words for a customer above or below the middle of `by`."""

    by: str
    also: tuple[str, ...]
    above: str
    below: str


_TOPICS = (
    _Topic(
        "purchase_days_365d",
        ("repeat_days", "purchase_days_30d", "purchase_days_91d", "purchase_days_182d"),
        "bought on more days in the last year than most",
        "bought on fewer days in the last year than most",
    ),
    _Topic(
        "recency_days",
        (),
        "bought longer ago than most",
        "bought more lately than most",
    ),
    _Topic(
        "tenure_days",
        ("active_days",),
        "began to buy earlier than most",
        "began to buy later than most",
    ),
    _Topic(
        "mean_gap_days",
        ("gap_deviation_days",),
        "takes longer from one purchase to the next than most",
        "takes less long from one purchase to the next than most",
    ),
    _Topic(
        "mean_amount",
        ("largest_amount", "last_amount"),
        "spends more at a time than most",
        "spends less at a time than most",
    ),
    _Topic(
        "amount_365d",
        ("amount", "amount_91d"),
        "spent more in the last year than most",
        "spent less in the last year than most",
    ),
    _Topic(
        "purchase_days_year_ago",
        (),
        "bought more often than most at this time of last year",
        "bought less often than most at this time of last year",
    ),
    _Topic(
        "mean_items",
        (),
        "buys more pieces at a time than most",
        "buys fewer pieces at a time than most",
    ),
    _Topic(
        "store_share",
        (),
        "buys in stores more than most",
        "buys in stores less than most",
    ),
    _Topic(
        "discount_share",
        (),
        "buys at a discount more than most",
        "buys at a discount less than most",
    ),
    _Topic(
        "returned_share",
        (),
        "gives back more than most",
        "gives back less than most",
    ),
)
_OF_PRODUCTS = "buys the same kind of products more than most"


@dataclass(frozen=True)
class Likeness:
    """How like the members of a seed each buyer is: arrays with one element per buyer, by id.

    `score` is from 0 to 1, .5 for who is as much like the members as like everybody else; it
    compares within one seed only. `amount` is what they spent, the simplest guess of all.
    """

    customer_id: Texts
    is_member: Flags
    score: Numbers
    amount: Numbers
    reason: Texts

    def lookalikes(self, places: int, targets: Collection[str] | None = None) -> pd.DataFrame:
        """The best so many who are no members and among `targets`, or anybody without any.

        Columns customer_id, place from 1, score and reason; equal scores go by customer_id.
        """
        may = ~self.is_member
        if targets is not None:
            may &= _among(self.customer_id, targets)
        rows = np.flatnonzero(may)
        rows = rows[np.argsort(-self.score[rows], kind="stable")][:places]
        return pd.DataFrame(
            {
                "customer_id": self.customer_id[rows],
                "place": np.arange(1, len(rows) + 1),
                "score": self.score[rows],
                "reason": self.reason[rows],
            }
        )


def find_lookalikes(
    snapshots: pd.DataFrame,
    purchases: Purchases,
    seed: Collection[str],
    places: int,
    targets: Collection[str] | None = None,
) -> pd.DataFrame:
    """Who is most like the seed and not in it: `measure_likeness`, then `Likeness.lookalikes`."""
    return measure_likeness(snapshots, purchases, seed).lookalikes(places, targets)


def measure_likeness(
    snapshots: pd.DataFrame, purchases: Purchases, seed: Collection[str]
) -> Likeness:
    """Learn from all buyers how like the seed each of them is.

    `snapshots` is a row per buyer with customer_id and FEATURES, of all brands together. Purchases
    of others are not looked at; without any, how they buy decides alone. Who of the seed has no
    snapshot does not count. Raises SeedError with fewer than LEAST_MEMBERS members or others.
    """
    snapshots = snapshots.sort_values("customer_id", ignore_index=True)
    ids = snapshots["customer_id"].to_numpy(object)
    is_member = _among(ids, seed)
    _check(is_member)
    hashes = _hashes(ids)
    learners = _learners(is_member, hashes)
    features = np.log1p(np.maximum(snapshots[[*FEATURES]].to_numpy(float), 0))
    with threadpool_limits(1):
        inputs = np.hstack([_standardised(features), _tastes(purchases, ids, learners)])
        odds, told = _scored(inputs, is_member, learners, hashes % _FOLDS)
    return Likeness(
        customer_id=ids,
        is_member=is_member,
        score=np.asarray(expit(odds)),
        amount=snapshots["amount"].fillna(0).to_numpy(float),
        reason=_reasons(features, told, is_member),
    )


@dataclass(frozen=True)
class AudienceQuality:
    """How well an order of customers finds those who joined, 1 being the best for the first two.

    `lift` is how many times more often the first tenth joined than all did; `lift_error` is its
    standard error.
    """

    customers: int
    joiners: int
    auc: float
    average_precision: float
    lift: float
    lift_error: float


def judge_lookalikes(
    likeness: Likeness, joiners: Collection[str] | None = None
) -> dict[str, AudienceQuality]:
    """The order by likeness as `lookalikes`, beside that by amount spent as `spend`.

    `joiners` became members later: judged are all who were none, all numbers NaN if nobody joined.
    Without joiners it is the members themselves who are to be found among all: each was hidden
    from the model that scored them.
    """
    judged = np.full(len(likeness.score), True) if joiners is None else ~likeness.is_member
    joined = likeness.is_member if joiners is None else _among(likeness.customer_id, joiners)
    return {
        name: _quality(joined[judged], values[judged])
        for name, values in (("lookalikes", likeness.score), ("spend", likeness.amount))
    }


def _quality(joined: Flags, score: Numbers) -> AudienceQuality:
    lift, error = _lift(joined, score)
    return AudienceQuality(
        customers=len(joined),
        joiners=int(joined.sum()),
        auc=auc(joined.astype(float), score),
        average_precision=(
            float(average_precision_score(joined, score)) if joined.any() else float("nan")
        ),
        lift=lift,
        lift_error=error,
    )


def _lift(joined: Flags, score: Numbers) -> tuple[float, float]:
    """The lift of the first tenth, and its standard error by the delta method: the joiners of the
    first tenth and those of the rest are two binomials, and lift is the share of the first in both.
    """
    first = np.zeros(len(joined), dtype=np.bool_)
    first[np.argsort(-score, kind="stable")[: int(np.ceil(len(score) * _TOP))]] = True
    if not joined.any():
        return float("nan"), float("nan")
    inside, outside = joined[first], joined[~first]
    hits, missed, per_place = inside.sum(), outside.sum(), len(joined) / len(inside)
    variance = missed**2 * len(inside) * inside.var() + hits**2 * len(outside) * outside.var()
    found = hits + missed
    return float(per_place * hits / found), float(per_place * np.sqrt(variance) / found**2)


def _among(ids: Texts, chosen: Collection[str]) -> Flags:
    return pd.Series(ids, dtype=object).isin([*chosen]).to_numpy()


def _check(is_member: Flags) -> None:
    members, others = int(is_member.sum()), int((~is_member).sum())
    if members < LEAST_MEMBERS:
        raise SeedError(f"{members} members have bought, and {LEAST_MEMBERS} are needed")
    if others < LEAST_MEMBERS:
        raise SeedError(
            f"{members} members have bought and {others} others: "
            f"{LEAST_MEMBERS} others are needed to compare with"
        )


def _hashes(ids: Texts) -> Hashes:
    """A number for each id that tells nothing of it and is always the same."""
    digests = (md5(each.encode(), usedforsecurity=False).digest() for each in ids)
    return np.frombuffer(b"".join(digest[:8] for digest in digests), dtype=">u8").astype(np.uint64)


def _learners(is_member: Flags, hashes: Hashes) -> Codes:
    """The rows to learn from: of members and of others the first so many by their hash."""
    rows = [
        np.flatnonzero(kind)[np.argsort(hashes[kind], kind="stable")][:most]
        for kind, most in ((is_member, _MOST_MEMBERS), (~is_member, _MOST_OTHERS))
    ]
    return np.sort(np.concatenate(rows))


def _standardised(features: Numbers) -> Numbers:
    """Each column with mean 0 and deviation 1; what is missing, or the same for all, is 0."""
    known = ~np.isnan(features)
    count = np.maximum(known.sum(axis=0), 1)
    scaled: Numbers = np.where(known, features, 0)
    scaled = np.where(known, scaled - scaled.sum(axis=0) / count, 0)
    deviations = np.sqrt((scaled**2).sum(axis=0) / count)
    varies = deviations > _LEAST_DEVIATION
    return np.where(varies, scaled / np.where(varies, deviations, 1), 0)


def _tastes(purchases: Purchases, ids: Texts, learners: Codes) -> Numbers:
    """What each customer buys, in a few numbers: a row per id, at most _COMPONENTS columns.

    The products of a customer, a rare one counting more (log(1 + purchases) * log(customers /
    customers who have it)), by the first components of a singular value decomposition. All are
    divided by the deviation of the widest, so that a component weighs as much as it explains. Who
    bought nothing that is known is average.
    """
    having = _having(purchases, ids)
    count = min(_COMPONENTS, having.shape[1])
    if not count:
        return np.zeros((len(ids), 0))
    holders = np.bincount(having.indices, minlength=having.shape[1])
    rarity = np.log(len(ids) / np.maximum(holders, 1))
    having.data = np.log1p(having.data) * rarity[having.indices]
    _, _, axes = randomized_svd(having[learners], count, n_iter=4, random_state=0)
    tastes: Numbers = having @ axes.T
    has_any = np.diff(having.indptr) > 0
    if has_any.any():
        tastes[has_any] -= tastes[has_any].mean(axis=0)
    widest = tastes.std(axis=0).max()
    return tastes / widest if widest > _LEAST_DEVIATION else np.zeros_like(tastes)


def _having(purchases: Purchases, ids: Texts) -> csr_array:
    """How many purchases of each product each customer has; a column per product that any has."""
    place = pc.index_in(purchases.customers, value_set=pa.array(ids, pa.string()))
    row = pc.fill_null(place, -1).to_numpy(zero_copy_only=False)[purchases.customer]
    known = row >= 0
    product = purchases.product[known]
    is_had = np.bincount(product, minlength=len(purchases.products)) > 0
    column = (np.cumsum(is_had, dtype=row.dtype) - 1)[product]
    shape = (len(ids), int(is_had.sum()))
    return csr_array((np.ones(len(column)), (row[known], column)), shape=shape)


def _scored(
    inputs: Numbers, is_member: Flags, learners: Codes, fold: Hashes
) -> tuple[Numbers, Numbers]:
    """The log odds of being a member, were members and others equally many, and what each topic
    adds to them beside an average buyer: a column per topic, products last.

    Each fold is scored by what was learnt from the others.
    """
    topics = _topic_columns(inputs.shape[1])
    odds, told = np.zeros(len(inputs)), np.zeros((len(inputs), topics.shape[1]))
    for number in range(_FOLDS):
        learnt = learners[fold[learners] != number]
        members = is_member[learnt]
        model = LogisticRegression(C=_LOOSENESS, max_iter=1000).fit(inputs[learnt], members)
        rows = fold == number
        told[rows] = inputs[rows] @ (model.coef_[0][:, None] * topics)
        # The constant knows how many of those it learnt from were members; here that is no news.
        constant = model.intercept_[0] - np.log(members.sum() / (~members).sum())
        odds[rows] = told[rows].sum(axis=1) + constant
    return np.round(odds, _DIGITS), np.round(told, _DIGITS)


def _topic_columns(width: int) -> Numbers:
    """A row per input, a column per topic: 1 where the input belongs to it."""
    columns = np.zeros((width, len(_TOPICS) + 1))
    for number, topic in enumerate(_TOPICS):
        columns[[FEATURES.index(name) for name in (topic.by, *topic.also)], number] = 1
    columns[len(FEATURES) :, -1] = 1
    return columns


def _reasons(features: Numbers, told: Numbers, is_member: Flags) -> Texts:
    """What speaks most for each customer, of what is true of them and of most members: that they
    are on one side of the middle of all buyers.
    """
    reasons = np.full(len(told), _NO_REASON, dtype=object)
    strongest = np.full(len(told), _LEAST_REASON)
    statements = []
    for topic, adds in zip(_TOPICS, told[:, :-1].T, strict=True):
        values = features[:, FEATURES.index(topic.by)]
        statements += [(values, adds, topic.above), (-values, adds, topic.below)]
    # Of products there is no feature to look at: what they add is all that is known.
    statements.append((told[:, -1], told[:, -1], _OF_PRODUCTS))
    for values, adds, words in statements:
        is_true = _above_most(values)
        if is_true[is_member].mean() < _MOST:
            continue
        best = is_true & (adds > strongest)
        reasons[best] = f"{words}, like most members"
        strongest[best] = adds[best]
    return reasons


def _above_most(values: Numbers) -> Flags:
    """Whether each value is above the middle of those that are known; a missing one is not."""
    known = values[~np.isnan(values)]
    is_above: Flags = values > (np.median(known) if len(known) else np.nan)
    return is_above
