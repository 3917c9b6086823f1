"""What customers bought, as arrays: ids become their place among all ids in order, so that equal
purchases give equal arrays in whatever order the rows of a table come.
"""

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Codes = NDArray[np.int64]
Flags = NDArray[np.bool_]
Numbers = NDArray[np.float64]

# A product that somebody has, though no order of theirs is known.
NO_ORDER = -1

# Digits of sums that decide an order: the last ones are those of the machine.
_DIGITS = 12
# More days than there are dates.
_DAYS = 1 << 22
_EPOCH = date(1970, 1, 1)


def day_number(day: date) -> int:
    """Days since 1970, as `Purchases.day` counts them."""
    return (day - _EPOCH).days


@dataclass(frozen=True)
class Purchases:
    """One row per order and product, by customer, day, order and product.

    `customer`, `product` and `order` are places in the ids of all customers, products and orders.
    """

    customers: pa.Array
    products: pa.Array
    customer: Codes
    product: Codes
    order: Codes
    day: Codes

    def between(self, after: date, until: date) -> "Purchases":
        """Those after one day, up to another one; all ids keep their places."""
        kept = (self.day > day_number(after)) & (self.day <= day_number(until))
        return self._only(kept)

    def until(self, day: date) -> "Purchases":
        """Those up to a day; all ids keep their places."""
        return self._only(self.day <= day_number(day))

    def _only(self, kept: Flags) -> "Purchases":
        return replace(
            self,
            customer=self.customer[kept],
            product=self.product[kept],
            order=self.order[kept],
            day=self.day[kept],
        )


def read_purchases(table: pa.Table, more_products: pa.ChunkedArray | None = None) -> Purchases:
    """The purchases of a table with customer_id, product_id, order_id and bought_on.

    An order_id may be NULL: a product that the customer has without an order. `more_products` are
    ids of products that may never have been bought.
    """
    bought = texts(table["product_id"])
    every = bought if more_products is None else pa.concat_arrays([bought, texts(more_products)])
    customers, customer = coded(texts(table["customer_id"]))
    products, product = coded(every)
    _, order = coded(texts(table["order_id"]))
    product = product[: len(bought)]
    day = table["bought_on"].cast(pa.date32()).cast(pa.int32()).to_numpy().astype(np.int64)
    # Two keys of two columns each: half the sorting.
    rows = np.lexsort((order * len(products) + product, customer * _DAYS + day))
    columns = np.column_stack([customer, product, order, day])[rows]
    fresh = np.ones(len(columns), dtype=np.bool_)
    fresh[1:] = (columns[1:] != columns[:-1]).any(axis=1)
    customer, product, order, day = np.ascontiguousarray(columns[fresh].T)
    return Purchases(customers, products, customer, product, order, day)


@dataclass(frozen=True)
class Habits:
    """What each customer bought up to a day: one row per customer and product, in that order.

    `weight` counts the orders, an old one less: half after every half-life. `recency` is how much
    is left of the last one, counted from the day when the customer was last seen. Of each product
    `popularity` is the weight over all customers, and `demand` how much of its orders is left,
    beside the product with most left: it tells what is bought now from what was bought once.
    """

    customer: Codes
    product: Codes
    order_count: Codes
    last_day: Codes
    weight: Numbers
    recency: Numbers
    popularity: Numbers
    demand: Numbers
    starts: Codes  # Of each customer's rows, and the end of the last.


def habits_of(purchases: Purchases, as_of: date, half_life_days: float) -> Habits:
    """The habits on a day, of purchases up to that day."""
    customer_count, product_count = len(purchases.customers), len(purchases.products)
    age = day_number(as_of) - purchases.day
    is_order = purchases.order != NO_ORDER
    weight = is_order * _left(age, half_life_days)
    pairs, row = np.unique(
        purchases.customer * product_count + purchases.product, return_inverse=True
    )
    last_day = np.full(len(pairs), np.iinfo(np.int64).min)
    np.maximum.at(last_day, row, purchases.day)
    customer, product = np.divmod(pairs, max(product_count, 1))
    last_seen = np.full(customer_count, np.iinfo(np.int64).min)
    np.maximum.at(last_seen, customer, last_day)
    popularity = np.bincount(purchases.product, weights=weight, minlength=product_count)
    order_count = np.bincount(purchases.product, weights=is_order, minlength=product_count)
    demand: Numbers = popularity / np.maximum(order_count, 1)
    return Habits(
        customer,
        product,
        np.bincount(row, weights=is_order, minlength=len(pairs)).astype(np.int64),
        last_day,
        np.round(np.bincount(row, weights=weight, minlength=len(pairs)), _DIGITS),
        _left(last_seen[customer] - last_day, half_life_days),
        np.round(popularity, _DIGITS),
        np.round(demand / (float(demand.max(initial=0)) or 1.0), _DIGITS),
        np.searchsorted(customer, np.arange(customer_count + 1)),
    )


class Pairs:
    """The habits of some customers; `row` is the place of the customer among them."""

    def __init__(self, habits: Habits, customers: Codes) -> None:
        """Take them out of the habits of all."""
        self.customers = customers
        count = habits.starts[customers + 1] - habits.starts[customers]
        self.starts = np.concatenate([[0], np.cumsum(count)])
        self.row = np.repeat(np.arange(len(customers)), count)
        pair = np.arange(self.starts[-1]) + np.repeat(
            habits.starts[customers] - self.starts[:-1], count
        )
        self.product = habits.product[pair]
        self.order_count = habits.order_count[pair]
        self.last_day = habits.last_day[pair]
        self.weight = habits.weight[pair]
        self.recency = habits.recency[pair]

    def has(self, kind: Codes) -> Flags:
        """Whether each customer has something of each kind of product; always of kind 0."""
        result = np.zeros((len(self.customers), int(kind.max()) + 1), dtype=np.bool_)
        result[self.row, kind[self.product]] = True
        result[:, 0] = True
        return result

    def highest(self, kind: Codes, value: Numbers) -> Numbers:
        """The highest value of what each customer has of each kind; minus infinity without one."""
        result = np.full((len(self.customers), int(kind.max()) + 1), -np.inf)
        np.fmax.at(result, (self.row, kind[self.product]), value[self.product])
        return result


def _left(age: Codes, half_life_days: float) -> Numbers:
    left: Numbers = np.exp2(-age.astype(np.float64) / half_life_days)
    return left


def texts(column: pa.ChunkedArray) -> pa.Array:
    """A column of ids or names in one piece."""
    return pa.concat_arrays([pa.array([], pa.string()), *column.cast(pa.string()).chunks])


def coded(ids: pa.Array) -> tuple[pa.Array, Codes]:
    """All ids in order, and the place of each row's among them; -1 where it is NULL."""
    every = pc.unique(ids.drop_null())
    every = every.take(pc.sort_indices(every))
    places = pc.fill_null(pc.index_in(ids, value_set=every), -1)
    return every, places.to_numpy(zero_copy_only=False).astype(np.int64)
