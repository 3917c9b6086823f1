"""Which products people buy who bought another one: EASE (Steck 2019), a linear model of products
by products with one closed solution, and the choice of the best products by it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dpotri
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from orchestration.predictions.purchases import Codes, Flags, Habits, Numbers, Pairs

Scores = NDArray[np.int64]

# The penalty for strong ties, which keeps rare products from shouting; docs/predictions.md.
STRENGTH = 500.0
# EASE solves an equation of so many unknowns squared; of a wider range it knows the most bought.
MOST_PRODUCTS = 10_000
# No product, no column.
NONE = -1
# Numbers held of customers by products at one time.
CELLS = 4_000_000

# Scores are whole millionths: rounding errors of a machine decide nothing.
_UNIT = 1_000_000


@dataclass(frozen=True)
class Similarity:
    """What having one product tells of another: `weights[of, for]`, by the columns of both.

    A product that is bought less than it was is told of less, by its `demand`.
    """

    column: Codes  # Of each product; -1 when it is not among them.
    weights: NDArray[np.float32]

    def of(self, products: Codes) -> NDArray[np.float32]:
        """The weights for some products that have a column."""
        return np.ascontiguousarray(self.weights[:, self.column[products]])

    def histories(self, pairs: Pairs) -> csr_array:
        """Who has which product: a row for each customer, in the columns of their products how
        recent they are.
        """
        column = self.column[pairs.product]
        known = column >= 0
        ends = np.concatenate([[0], np.cumsum(known)])[pairs.starts]
        recency = pairs.recency[known].astype(np.float32)
        return csr_array(
            (recency, column[known], ends), shape=(len(pairs.customers), len(self.weights))
        )


def learn_similarity(
    habits: Habits, strength: float = STRENGTH, most_products: int = MOST_PRODUCTS
) -> Similarity:
    """EASE of who has what, with its penalty, of the `most_products` that most customers have."""
    holders = np.bincount(habits.product, minlength=len(habits.popularity))
    by_holders = np.lexsort((np.arange(len(holders)), -holders))[:most_products]
    known = np.sort(by_holders[holders[by_holders] > 0])
    column = np.full(len(holders), NONE)
    column[known] = np.arange(len(known))
    empty = Similarity(column, np.zeros((len(known), len(known)), np.float32))
    if not len(known):
        return empty
    having = empty.histories(Pairs(habits, np.arange(len(habits.starts) - 1)))
    having.data[:] = 1
    holders_of = csr_array(having.T)
    together = np.empty((len(known), len(known)))
    block = max(CELLS // len(known), 1)
    for first in range(0, len(known), block):
        together[first : first + block] = (holders_of[first : first + block] @ having).toarray()
    together[np.diag_indices_from(together)] += strength
    with threadpool_limits(1):
        # The transpose is the same matrix, in the order that LAPACK writes into.
        root, _ = dpotrf(together.T, lower=1, overwrite_a=1)
        inverse, _ = dpotri(root, lower=1, overwrite_c=1)
    half = np.tril(inverse.astype(np.float32), -1)
    weights = half + half.T
    weights *= (-habits.demand[known] / np.diagonal(inverse)).astype(np.float32)
    return Similarity(column, weights)


def scored(histories: csr_array, weights: NDArray[np.float32]) -> Scores:
    """What the histories of customers tell of products, in millionths; nothing is below 0."""
    told = histories @ weights
    np.rint(np.maximum(told, 0, out=told) * np.float32(_UNIT), out=told)
    scores: Scores = told.astype(np.int64)
    return scores


def ranked(scores: Scores, order: Codes) -> Scores:
    """Scores that hold the rank of their column in `order` too: no two of a row are equal."""
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order) - 1, -1, -1)
    return scores * len(order) + rank


def best(keys: Scores, order: Codes, allowed: Flags, places: int) -> tuple[Codes, Numbers]:
    """Of each row the allowed columns with the highest scores, the best first, and their scores.

    `keys` are `ranked` by the same order. Where a row has fewer, -1 fills it.
    """
    width = len(order)
    keys = np.where(allowed, keys, NONE)
    if width > places:
        keys.partition(width - places, axis=1)
        keys = keys[:, width - places :]
    keys = -np.sort(-keys, axis=1)
    columns = np.where(keys == NONE, NONE, order[width - 1 - keys % max(width, 1)])
    return columns, np.where(keys == NONE, 0, keys // max(width, 1)) / _UNIT
