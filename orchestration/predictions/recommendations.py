"""What to offer to whom: for each customer a few short lists of products, with a reason for each.

`replenish` is what a customer buys again and again, the recent more than the old. The next lists
are of products that the customer does not have, by what people with the same purchases buy:
`discover` is the best of them; `cross_sell` of categories in which the customer bought nothing, at
brands where they buy; `up_sell` what is dearer than all that they bought of its category and brand,
up to one price shelf above; `cross_brand` of brands where they never bought. `replacement` is what
follows a product that they have and that is no longer sold. Nothing is offered that is sold out or
off the list, and nobody gets a list who may not be profiled.

Every order is total: equal scores go by popularity, then by the id of the product.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.predictions.purchases import (
    Codes,
    Flags,
    Habits,
    Numbers,
    Pairs,
    Purchases,
    coded,
    day_number,
    habits_of,
    read_purchases,
    texts,
)
from orchestration.predictions.similarity import (
    CELLS,
    NONE,
    Similarity,
    best,
    learn_similarity,
    ranked,
    scored,
)

# How many products a list holds at most, in the order of the lists.
PLACES = {
    "replenish": 10,
    "discover": 10,
    "cross_sell": 5,
    "up_sell": 5,
    "cross_brand": 5,
    "replacement": 5,
}

# Chosen on windows before those that are reported: docs/predictions.md.
HALF_LIFE_DAYS = 90.0
# A purchase is forgotten when so little of it is left: a single one after three half-lives.
LEAST_WEIGHT = 0.125

SCHEMA = pa.schema(
    [
        ("customer_id", pa.string()),
        ("list", pa.string()),
        ("place", pa.int32()),
        ("product_id", pa.string()),
        ("score", pa.float64()),
        ("reason", pa.string()),
    ]
)

# A chain of replacements that is longer goes in a circle.
_LONGEST_CHAIN = 20


@dataclass(frozen=True)
class Catalogue:
    """What is known of each product of the purchases, by its place in their ids."""

    name: pa.Array
    category_name: pa.Array
    brand_name: pa.Array
    brand: Codes  # 0 when it is unknown.
    category: Codes  # 0 when it is unknown.
    shelf_group: Codes  # Brand and category together.
    price: Numbers  # NaN when it is unknown.
    shelf: Numbers  # NaN when it is unknown.
    is_sold: Flags
    is_gone: Flags
    follows_as: Codes  # The product that is sold instead of one that is gone; -1 without one.
    rebuy_after_days: Numbers  # Infinite for what nobody buys again.


def read_catalogue(offers: pa.Table, products: pa.Array) -> Catalogue:
    """The catalogue of the products; one that is not in the offers is unknown and not sold."""
    row = pc.index_in(products, value_set=texts(offers["product_id"]))
    table = offers.take(row)
    brand = coded(texts(table["brand_id"]))[1] + 1
    category = coded(texts(table["category"]))[1] + 1
    is_gone = _flags(table["is_discontinued"])
    replacement = pc.fill_null(
        pc.index_in(texts(table["replacement_product_id"]), value_set=products), NONE
    )
    is_sold = _flags(table["is_in_stock"]) & ~is_gone
    return Catalogue(
        name=pc.coalesce(texts(table["name"]), products),
        category_name=texts(table["category"]),
        brand_name=texts(table["brand_id"]),
        brand=brand,
        category=category,
        shelf_group=brand * (int(category.max(initial=0)) + 1) + category,
        price=_numbers(table["price"], np.nan),
        shelf=_numbers(table["shelf_position"], np.nan),
        is_sold=is_sold,
        is_gone=is_gone,
        follows_as=_successors(replacement.to_numpy(zero_copy_only=False), is_gone, is_sold),
        rebuy_after_days=_numbers(table["rebuy_after_days"], np.inf),
    )


def recommend(
    purchases: pa.Table, offers: pa.Table, profiled: pa.ChunkedArray, as_of: date
) -> Iterator[pa.Table]:
    """The lists of all customers in `profiled` who have bought, as tables of some customers each.

    `purchases` are those of features.product_purchases, `offers` features.product_offers, as of
    the day; customers come in the order of their ids, each in one table only.
    """
    bought = read_purchases(purchases, offers["product_id"]).until(as_of)
    if not len(bought.customer):
        return
    habits = habits_of(bought, as_of, HALF_LIFE_DAYS)
    catalogue = read_catalogue(offers, bought.products)
    may_profile = pc.is_in(bought.customers, value_set=texts(profiled)).to_numpy(
        zero_copy_only=False
    )
    similarity = learn_similarity(habits)
    advisor = _Advisor(bought, habits, catalogue, similarity, day_number(as_of))
    chunk = max(CELLS // max(len(advisor.offered), 1), 1)
    listed = np.flatnonzero(may_profile & (np.diff(habits.starts) > 0))
    for first in range(0, len(listed), chunk):
        yield advisor.lists_of(listed[first : first + chunk])


class _Advisor:
    """Makes the lists of some customers at a time."""

    def __init__(
        self,
        purchases: Purchases,
        habits: Habits,
        catalogue: Catalogue,
        similarity: Similarity,
        today: int,
    ) -> None:
        self.purchases = purchases
        self.habits = habits
        self.catalogue = catalogue
        self.similarity = similarity
        self.today = today
        # What may be offered and has a column: the columns of scores.
        self.offered = np.flatnonzero(catalogue.is_sold & (similarity.column >= 0))
        self.place = np.full(len(purchases.products), NONE)
        self.place[self.offered] = np.arange(len(self.offered))
        self.weights = similarity.of(self.offered)
        popularity = habits.popularity[self.offered]
        self.order = np.lexsort((self.offered, -popularity))

    def lists_of(self, customers: Codes) -> pa.Table:
        pairs = Pairs(self.habits, customers)
        tables = [self._replenish(pairs), self._replacement(pairs), *self._unknown(pairs)]
        table = pa.concat_tables(tables)
        position = pc.index_in(table["list"], value_set=pa.array(list(PLACES)))
        keys = [("customer_id", "ascending"), ("position", "ascending"), ("place", "ascending")]
        rows = pc.sort_indices(table.append_column("position", position), sort_keys=keys)
        return table.take(rows)

    def _replenish(self, pairs: Pairs) -> pa.Table:
        catalogue, product = self.catalogue, pairs.product
        age = self.today - pairs.last_day
        again = (
            (pairs.weight >= LEAST_WEIGHT)
            & catalogue.is_sold[product]
            & (age >= catalogue.rebuy_after_days[product])
        )
        row, product, age = pairs.row[again], product[again], age[again]
        weight, count = pairs.weight[again], pairs.order_count[again]
        order = np.lexsort((product, -self.habits.popularity[product], -weight, row))
        chosen, place = _first(row[order], PLACES["replenish"])
        chosen = order[chosen]
        times = pc.if_else(
            pa.array(count[chosen] == 1), "once", _joined(pa.array(count[chosen]), " times")
        )
        reason = _joined(
            pc.if_else(
                pa.array(count[chosen] == 1),
                "bought once, ",
                _joined("bought ", times, ", last "),
            ),
            _days_ago(age[chosen]),
        )
        return self._table(
            pairs.customers[row[chosen]],
            "replenish",
            place,
            product[chosen],
            weight[chosen],
            reason,
        )

    def _replacement(self, pairs: Pairs) -> pa.Table:
        successor = self.catalogue.follows_as[pairs.product]
        followed = np.flatnonzero(successor >= 0)
        # Of several products with one successor the one bought last is named.
        order = followed[
            np.lexsort(
                (
                    pairs.product[followed],
                    -pairs.last_day[followed],
                    successor[followed],
                    pairs.row[followed],
                )
            )
        ]
        key = pairs.row * len(self.purchases.products)
        _, sole = np.unique(key[order] + successor[order], return_index=True)
        rows = order[sole]
        rows = rows[~np.isin(key[rows] + successor[rows], key + pairs.product)]
        rows = rows[
            np.lexsort(
                (
                    successor[rows],
                    -self.habits.popularity[successor[rows]],
                    -pairs.last_day[rows],
                    -pairs.weight[rows],
                    pairs.row[rows],
                )
            )
        ]
        chosen, place = _first(pairs.row[rows], PLACES["replacement"])
        rows = rows[chosen]
        gone = self.catalogue.name.take(pa.array(pairs.product[rows]))
        return self._table(
            pairs.customers[pairs.row[rows]],
            "replacement",
            place,
            successor[rows],
            pairs.weight[rows],
            _joined("follows ", gone, ", which is no longer sold"),
        )

    def _unknown(self, pairs: Pairs) -> Iterator[pa.Table]:
        """The lists of what the customers do not have."""
        catalogue, offered = self.catalogue, self.offered
        keys = ranked(scored(self.similarity.histories(pairs), self.weights), self.order)
        is_new = np.ones(keys.shape, dtype=np.bool_)
        place = self.place[pairs.product]
        is_new[pairs.row[place >= 0], place[place >= 0]] = False
        brand = pairs.has(catalogue.brand).take(catalogue.brand[offered], axis=1)
        category = pairs.has(catalogue.category).take(catalogue.category[offered], axis=1)
        allowed = {
            "discover": is_new,
            "cross_sell": is_new & brand & ~category,
            "up_sell": is_new & self._is_dearer(pairs),
            "cross_brand": is_new & ~brand,
        }
        for name, flags in allowed.items():
            columns, score = best(keys, self.order, flags, PLACES[name])
            row, place = np.nonzero(columns != NONE)
            product = offered[columns[row, place]]
            because = self._because(pairs, row, product)
            yield self._table(
                pairs.customers[row],
                name,
                place + 1,
                product,
                score[row, place],
                self._reason(name, product, because),
            )

    def _is_dearer(self, pairs: Pairs) -> Flags:
        """Whether a product is dearer than all that the customer has of its brand and category, and
        up to one shelf above.
        """
        catalogue = self.catalogue
        group = catalogue.shelf_group[self.offered]
        dearest = pairs.highest(catalogue.shelf_group, catalogue.price).take(group, axis=1)
        shelf = pairs.highest(catalogue.shelf_group, catalogue.shelf).take(group, axis=1)
        is_known = (catalogue.brand[self.offered] > 0) & (catalogue.category[self.offered] > 0)
        price = catalogue.price[self.offered]
        result: Flags = is_known & (dearest > -np.inf) & (price > dearest)
        result &= shelf >= catalogue.shelf[self.offered] - 1
        return result

    def _because(self, pairs: Pairs, row: Codes, product: Codes) -> Codes:
        """The product of the customer that speaks most for another one; -1 when none does."""
        start, count = pairs.starts[row], np.diff(pairs.starts)[row]
        total = int(count.sum())
        begins = np.cumsum(count) - count
        pair = np.arange(total) + np.repeat(start - begins, count)
        column = self.similarity.column[pairs.product[pair]]
        told = self.weights[column, np.repeat(self.place[product], count)] * pairs.recency[pair]
        told[column < 0] = 0
        highest = np.maximum.reduceat(told, begins) if len(row) else told
        at_top = np.flatnonzero(told == np.repeat(highest, count))
        first = at_top[np.searchsorted(at_top, begins)]
        because: Codes = np.where(highest > 0, pairs.product[pair[first]], NONE)
        return because

    def _reason(self, name: str, product: Codes, because: Codes) -> pa.Array:
        catalogue = self.catalogue
        told = pc.if_else(
            pa.array(because >= 0),
            _joined(
                "people who bought ",
                catalogue.name.take(pa.array(np.maximum(because, 0))),
                " also buy it",
            ),
            "one of the most bought",
        )
        category = pc.coalesce(catalogue.category_name.take(pa.array(product)), pa.scalar(""))
        brand = pc.coalesce(catalogue.brand_name.take(pa.array(product)), pa.scalar(""))
        before = {
            "discover": "",
            "cross_sell": _joined("bought nothing of ", category, " yet; "),
            "up_sell": _joined("dearer than all bought of ", category, "; "),
            "cross_brand": _joined("bought nothing at ", brand, " yet; "),
        }
        return _joined(before[name], told)

    def _table(
        self,
        customers: Codes,
        name: str,
        place: Codes,
        product: Codes,
        score: Numbers,
        reason: pa.Array,
    ) -> pa.Table:
        columns = [
            self.purchases.customers.take(pa.array(customers)),
            pa.repeat(pa.scalar(name), len(customers)),
            pa.array(place, pa.int32()),
            self.purchases.products.take(pa.array(product)),
            pa.array(score, pa.float64()),
            reason,
        ]
        return pa.Table.from_arrays(columns, schema=SCHEMA)


def _successors(replacement: Codes, is_gone: Flags, is_sold: Flags) -> Codes:
    """What is sold instead of each product that is gone, over several that are gone as well."""
    successor = np.where(is_gone, replacement, NONE)
    for _ in range(_LONGEST_CHAIN):
        onward = (successor >= 0) & is_gone[successor]
        if not onward.any():
            break
        successor = np.where(onward, replacement[successor], successor)
    return np.where((successor >= 0) & is_sold[successor], successor, NONE)


def _first(row: Codes, places: int) -> tuple[Codes, Codes]:
    """The first `places` of each run of equal rows, and the place of each."""
    place = np.arange(len(row)) - np.searchsorted(row, row)
    chosen = np.flatnonzero(place < places)
    return chosen, place[chosen] + 1


def _days_ago(days: Codes) -> pa.Array:
    return pc.case_when(
        pc.make_struct(pa.array(days == 0), pa.array(days == 1)),
        "today",
        "yesterday",
        _joined(pa.array(days), " days ago"),
    )


def _joined(*parts: pa.Array | str) -> pa.Array:
    texts = [pa.scalar(part) if isinstance(part, str) else part.cast(pa.string()) for part in parts]
    return pc.binary_join_element_wise(*texts, "")


def _flags(column: pa.ChunkedArray) -> Flags:
    flags: Flags = pc.fill_null(column, False).to_numpy().astype(np.bool_)
    return flags


def _numbers(column: pa.ChunkedArray, unknown: float) -> Numbers:
    numbers: Numbers = pc.fill_null(column.cast(pa.float64()), unknown).to_numpy()
    return numbers
