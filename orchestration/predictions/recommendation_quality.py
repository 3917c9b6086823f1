"""How good recommendations would have been: made on a day in the past, judged by what was bought
after it, beside the most bought products for everybody.

Recall is the share of what was bought that a list of ten holds; recall of ten asks for no more than
ten of those who bought more. NDCG counts a hit at the top of the list for more than one at its end,
and hit is the share of customers with at least one.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from orchestration.predictions.purchases import Codes, Habits, Pairs, Purchases, habits_of
from orchestration.predictions.recommendations import HALF_LIFE_DAYS, LEAST_WEIGHT
from orchestration.predictions.similarity import (
    MOST_PRODUCTS,
    STRENGTH,
    best,
    learn_similarity,
    ranked,
    scored,
)

PLACES = 10
"""The length of the lists that are judged."""

_CUSTOMERS = 1_000


@dataclass(frozen=True)
class Quality:
    """How good ten places were, as a mean over customers."""

    customers: int
    recall: float
    recall_of_ten: float
    ndcg: float
    hit: float


def judge(lists: Codes, customer: Codes, product: Codes) -> Quality:
    """The quality of lists, one row of products (-1: none) for each customer in order of those that
    bought; `customer` and `product` are what they bought, each pair once.
    """
    buyers, row = np.unique(customer, return_inverse=True)
    if not len(buyers):
        return Quality(0, 0.0, 0.0, 0.0, 0.0)
    wanted = np.bincount(row)
    width = int(max(product.max(), lists.max())) + 1
    places = np.arange(len(buyers))[:, None]
    hits = np.isin(places * width + lists, row * width + product) & (lists >= 0)
    possible = np.minimum(wanted, lists.shape[1])
    discount = 1 / np.log2(np.arange(2, lists.shape[1] + 2))
    return Quality(
        customers=len(buyers),
        recall=float((hits.sum(axis=1) / wanted).mean()),
        recall_of_ten=float((hits.sum(axis=1) / possible).mean()),
        ndcg=float(((hits * discount).sum(axis=1) / np.cumsum(discount)[possible - 1]).mean()),
        hit=float(hits.any(axis=1).mean()),
    )


def next_basket(
    purchases: Purchases,
    cutoff: date,
    days: int,
    least_products: int = 1,
    half_life_days: float = HALF_LIFE_DAYS,
) -> dict[str, Quality]:
    """The first order of each customer after the cutoff: `popularity` beside `replenish`, which
    fills up with popular products.

    Counts customers who had bought before, and orders of at least so many products.
    """
    habits = habits_of(purchases.until(cutoff), cutoff, half_life_days)
    after = purchases.between(cutoff, cutoff + timedelta(days))
    of_size = np.bincount(after.order, minlength=1)[after.order] >= least_products
    known = np.diff(habits.starts)[after.customer] > 0
    kept = of_size & known
    customer, product, order = after.customer[kept], after.product[kept], after.order[kept]
    # Rows come by customer, day and order: the first row of a customer is of the first order.
    buyers, first = np.unique(customer, return_index=True)
    is_first = order == order[first][np.searchsorted(buyers, customer)]
    customer, product = customer[is_first], product[is_first]
    popular = _most_popular(habits)[:PLACES]
    lists = {
        "popularity": np.tile(popular, (len(buyers), 1)),
        "replenish": _filled(_most_bought(habits, buyers), _most_popular(habits)[: 2 * PLACES]),
    }
    return {name: judge(each, customer, product) for name, each in lists.items()}


def new_products(
    purchases: Purchases,
    cutoff: date,
    days: int,
    half_life_days: float = HALF_LIFE_DAYS,
    strength: float = STRENGTH,
    most_products: int = MOST_PRODUCTS,
) -> dict[str, Quality]:
    """What customers bought after the cutoff for the first time: `popularity` beside `discover`.

    Counts customers who had bought before; products that nobody had bought count as missed.
    """
    habits = habits_of(purchases.until(cutoff), cutoff, half_life_days)
    after = purchases.between(cutoff, cutoff + timedelta(days))
    width = len(purchases.products)
    bought = np.unique(after.customer * width + after.product)
    fresh = bought[~np.isin(bought, habits.customer * width + habits.product)]
    customer, product = np.divmod(fresh, width)
    known = np.diff(habits.starts)[customer] > 0
    customer, product = customer[known], product[known]
    similarity = learn_similarity(habits, strength, most_products)
    offered = np.flatnonzero(similarity.column >= 0)
    order = np.lexsort((offered, -habits.popularity[offered]))
    weights = similarity.of(offered)
    lists: dict[str, list[Codes]] = {"popularity": [], "discover": []}
    buyers = np.unique(customer)
    for start in range(0, len(buyers), _CUSTOMERS):
        pairs = Pairs(habits, buyers[start : start + _CUSTOMERS])
        histories = similarity.histories(pairs)
        is_new = histories.toarray() == 0
        scores = scored(histories, weights)
        for name, each in (("popularity", np.zeros_like(scores)), ("discover", scores)):
            columns, _ = best(ranked(each, order), order, is_new, PLACES)
            lists[name].append(np.where(columns >= 0, offered[columns], -1))
    return {name: judge(np.concatenate(each), customer, product) for name, each in lists.items()}


def _most_bought(habits: Habits, customers: Codes) -> Codes:
    """The products of highest weight of each customer; -1 where they have fewer."""
    order = np.lexsort(
        (habits.product, -habits.popularity[habits.product], -habits.weight, habits.customer)
    )
    place = np.arange(len(order)) - habits.starts[habits.customer]
    result = np.full((len(habits.starts) - 1, PLACES), -1)
    kept = (place < PLACES) & (habits.weight[order] >= LEAST_WEIGHT)
    result[habits.customer[kept], place[kept]] = habits.product[order][kept]
    return result[customers]


def _most_popular(habits: Habits) -> Codes:
    return np.lexsort((np.arange(len(habits.popularity)), -habits.popularity))


def _filled(lists: Codes, popular: Codes) -> Codes:
    """The lists with what is popular and not in them behind."""
    fill = np.tile(popular, (len(lists), 1))
    fill[(fill[:, :, None] == lists[:, None, :]).any(axis=2)] = -1
    both = np.concatenate([lists, fill], axis=1)
    order = np.argsort(both < 0, axis=1, kind="stable")[:, : lists.shape[1]]
    return np.take_along_axis(both, order, axis=1)
