"""What is offered to whom: by hand on a small shop, in general, and on the real data sets."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.predictions import recommendations
from orchestration.predictions.purchases import Purchases, habits_of, read_purchases
from orchestration.predictions.recommendation_quality import judge, new_products, next_basket
from orchestration.predictions.recommendations import recommend
from orchestration.predictions.similarity import best, learn_similarity, ranked
from tests.python.test_recipes import SHARED

TODAY = date(2026, 6, 30)
# Customer, product, days ago; an order each.
Bought = tuple[str, str, int]

PURCHASES = pa.schema(
    [
        ("customer_id", pa.string()),
        ("product_id", pa.string()),
        ("order_id", pa.string()),
        ("bought_on", pa.date32()),
    ]
)
OFFERS = pa.schema(
    [
        ("product_id", pa.string()),
        ("brand_id", pa.string()),
        ("name", pa.string()),
        ("category", pa.string()),
        ("price", pa.decimal128(18, 4)),
        ("shelf_position", pa.int32()),
        ("is_in_stock", pa.bool_()),
        ("is_discontinued", pa.bool_()),
        ("replacement_product_id", pa.string()),
        ("rebuy_after_days", pa.int32()),
    ]
)


def purchases(*bought: Bought) -> pa.Table:
    rows = [
        {
            "customer_id": customer,
            "product_id": product,
            "order_id": f"{customer} {ago}",
            "bought_on": TODAY - timedelta(ago),
        }
        for customer, product, ago in bought
    ]
    return pa.Table.from_pylist(rows, schema=PURCHASES)


def offer(product: str, **told: Any) -> dict[str, Any]:
    """A product of which only what matters is told."""
    known = {
        "product_id": product,
        "brand_id": "lilla",
        "category": "Food",
        "is_in_stock": True,
        "is_discontinued": False,
        "rebuy_after_days": 0,
    }
    return known | told


def offers(*products: dict[str, Any] | str) -> pa.Table:
    rows = [offer(each) if isinstance(each, str) else each for each in products]
    return pa.Table.from_pylist(rows, schema=OFFERS)


def advise(
    bought: pa.Table, offered: pa.Table, profiled: Iterable[str] | None = None
) -> list[dict[str, Any]]:
    people = bought["customer_id"] if profiled is None else pa.chunked_array([[*profiled]])
    tables = list(recommend(bought, offered, people.cast(pa.string()), TODAY))
    return [row for table in tables for row in table.to_pylist()]


def products_of(rows: list[dict[str, Any]], customer: str, name: str) -> list[str]:
    listed = [row for row in rows if (row["customer_id"], row["list"]) == (customer, name)]
    assert [row["place"] for row in listed] == list(range(1, len(listed) + 1))
    return [row["product_id"] for row in listed]


def reasons_of(rows: list[dict[str, Any]], customer: str, name: str) -> list[str]:
    return [row["reason"] for row in rows if (row["customer_id"], row["list"]) == (customer, name)]


# A shop where who buys tea also buys a cup.
TEA_AND_CUPS = (
    *((f"p{number}", product, 20) for number in range(9) for product in ("tea", "cup")),
    *((f"q{number}", product, 20) for number in range(9) for product in ("nails", "hammer")),
)


def test_what_is_bought_often_and_lately_is_offered_again() -> None:
    bought = purchases(
        *(("anna", "tea", ago) for ago in (40, 90, 130, 170)),
        *(("anna", "cup", ago) for ago in (1, 500)),
        ("anna", "jam", 0),
        ("anna", "salt", 271),
    )
    rows = advise(bought, offers("tea", "cup", "jam", "salt"))
    assert products_of(rows, "anna", "replenish") == ["tea", "cup", "jam"]
    assert reasons_of(rows, "anna", "replenish") == [
        "bought 4 times, last 40 days ago",
        "bought 2 times, last yesterday",
        "bought once, today",
    ]


def test_what_lasts_is_offered_again_when_its_life_is_over() -> None:
    bought = purchases(("anna", "drill", 200), ("berta", "drill", 199), ("anna", "safe", 200))
    rows = advise(
        bought, offers(offer("drill", rebuy_after_days=200), offer("safe", rebuy_after_days=None))
    )
    assert products_of(rows, "anna", "replenish") == ["drill"]
    assert products_of(rows, "berta", "replenish") == []


def test_people_who_bought_the_same_tell_what_is_new() -> None:
    bought = purchases(*TEA_AND_CUPS, ("anna", "tea", 10))
    rows = advise(bought, offers(offer("tea", name="Green tea"), "cup", "nails", "hammer"))
    assert products_of(rows, "anna", "discover") == ["cup", "hammer", "nails"]
    assert reasons_of(rows, "anna", "discover") == [
        "people who bought Green tea also buy it",
        "one of the most bought",
        "one of the most bought",
    ]


def test_the_reason_names_the_product_that_speaks_most() -> None:
    bought = purchases(
        *TEA_AND_CUPS, ("anna", "tea", 10), ("anna", "nails", 10), ("p0", "nails", 5)
    )
    rows = advise(bought, offers("tea", "cup", "nails", "hammer"))
    assert dict(
        zip(
            products_of(rows, "anna", "discover"), reasons_of(rows, "anna", "discover"), strict=True
        )
    ) == {
        "cup": "people who bought tea also buy it",
        "hammer": "people who bought nails also buy it",
    }


def test_a_recent_purchase_tells_more_than_an_old_one() -> None:
    bought = purchases(*TEA_AND_CUPS, ("anna", "tea", 200), ("anna", "nails", 10))
    rows = advise(bought, offers("tea", "cup", "nails", "hammer"))
    assert products_of(rows, "anna", "discover") == ["hammer", "cup"]


def test_what_is_bought_less_than_it_was_comes_later() -> None:
    """Buyers of tea bought bags a year ago and now buy tins; as many, and bags come first by id."""
    bought = purchases(
        *((f"p{number}", product, 20) for number in range(9) for product in ("tea", "tin")),
        *((f"q{number}", product, 380) for number in range(9) for product in ("tea", "bag")),
        ("anna", "tea", 10),
    )
    rows = advise(bought, offers("tea", "bag", "tin"))
    assert products_of(rows, "anna", "discover") == ["tin", "bag"]
    scores = [row["score"] for row in rows if row["list"] == "discover" and row["place"] <= 2]
    assert max(scores) > 5 * min(scores)


def test_a_product_that_is_gone_is_replaced() -> None:
    bought = purchases(
        ("anna", "kettle 1", 900), ("berta", "kettle 1", 900), ("berta", "kettle 3", 9)
    )
    gone = {"is_discontinued": True}
    rows = advise(
        bought,
        offers(
            offer("kettle 1", name="Kettle", replacement_product_id="kettle 2", **gone),
            offer("kettle 2", replacement_product_id="kettle 3", **gone),
            "kettle 3",
        ),
    )
    assert products_of(rows, "anna", "replacement") == ["kettle 3"]
    assert reasons_of(rows, "anna", "replacement") == ["follows Kettle, which is no longer sold"]
    assert products_of(rows, "berta", "replacement") == []
    offered = {row["product_id"] for row in rows}
    assert offered == {"kettle 3"}


def test_replacements_that_are_sold_out_or_go_in_a_circle_replace_nothing() -> None:
    gone = {"is_discontinued": True}
    rows = advise(
        purchases(("anna", "a", 1), ("anna", "b", 1), ("anna", "c", 1), ("anna", "e", 1)),
        offers(
            offer("a", replacement_product_id="b", **gone),
            offer("b", replacement_product_id="a", **gone),
            offer("c", replacement_product_id="d", **gone),
            offer("d", is_in_stock=False),
            offer("e", replacement_product_id="not in the catalogue", **gone),
        ),
    )
    assert rows == []


def test_the_replacement_of_what_is_still_sold_waits() -> None:
    rows = advise(purchases(("anna", "a", 1)), offers(offer("a", replacement_product_id="b"), "b"))
    assert products_of(rows, "anna", "replacement") == []


def test_one_product_that_replaces_two_is_listed_once_for_the_later() -> None:
    gone = {"is_discontinued": True, "replacement_product_id": "new"}
    rows = advise(
        purchases(("anna", "older", 90), ("anna", "old", 60)),
        offers(offer("old", **gone), offer("older", **gone), "new"),
    )
    assert reasons_of(rows, "anna", "replacement") == ["follows old, which is no longer sold"]


def test_what_somebody_registered_is_had_without_an_order() -> None:
    bought = purchases(*TEA_AND_CUPS, ("anna", "tea", 10))
    registered = {
        "customer_id": "anna",
        "product_id": "cup",
        "order_id": None,
        "bought_on": TODAY,
    }
    table = pa.concat_tables([bought, pa.Table.from_pylist([registered], schema=PURCHASES)])
    rows = advise(table, offers("tea", "cup", "nails", "hammer"))
    assert products_of(rows, "anna", "replenish") == ["tea"]
    assert products_of(rows, "anna", "discover") == ["hammer", "nails"]


def test_a_cross_sell_is_of_another_category_at_a_brand_where_they_buy() -> None:
    bought = purchases(*TEA_AND_CUPS, ("anna", "tea", 10))
    rows = advise(
        bought,
        offers(
            "tea",
            offer("cup", category="Kitchen"),
            offer("nails", category=None),
            offer("hammer", category="Tools", brand_id="werkhof"),
        ),
    )
    assert products_of(rows, "anna", "cross_sell") == ["cup"]
    assert reasons_of(rows, "anna", "cross_sell") == [
        "bought nothing of Kitchen yet; people who bought tea also buy it"
    ]
    assert products_of(rows, "anna", "cross_brand") == ["hammer"]
    assert reasons_of(rows, "anna", "cross_brand") == [
        "bought nothing at werkhof yet; one of the most bought"
    ]


def test_an_up_sell_is_dearer_and_at_most_one_shelf_above() -> None:
    dear = {
        "middle": (20, 2),
        "same": (10, 1),
        "high": (90, 3),
        "cheap": (5, 1),
        "unknown": (None, 2),
    }
    bought = purchases(("anna", "tea", 10), *((f"p{each}", each, 20) for each in [*dear, "other"]))
    rows = advise(
        bought,
        offers(
            offer("tea", price=10, shelf_position=1),
            *(
                offer(each, price=price, shelf_position=shelf)
                for each, (price, shelf) in dear.items()
            ),
            offer("other", price=20, shelf_position=2, brand_id="werkhof"),
        ),
    )
    assert products_of(rows, "anna", "up_sell") == ["middle"]
    assert reasons_of(rows, "anna", "up_sell") == [
        "dearer than all bought of Food; one of the most bought"
    ]
    assert products_of(rows, "pmiddle", "up_sell") == ["high"]


def test_nobody_gets_a_list_without_consent() -> None:
    bought = purchases(*TEA_AND_CUPS, ("anna", "tea", 10))
    shop = offers("tea", "cup", "nails", "hammer")
    rows = advise(bought, shop, ["anna", "berta who never bought"])
    assert {row["customer_id"] for row in rows} == {"anna"}
    # The others still tell what goes together.
    assert rows == [row for row in advise(bought, shop) if row["customer_id"] == "anna"]
    assert advise(bought, shop, []) == []


def test_equal_products_go_by_popularity_then_by_id() -> None:
    bought = purchases(("anna", "b", 10), ("anna", "a", 10), ("anna", "c", 10), ("berta", "c", 10))
    rows = advise(bought, offers("a", "b", "c", "y", "x"))
    assert products_of(rows, "anna", "replenish") == ["c", "a", "b"]


def test_purchases_after_the_day_are_not_known() -> None:
    past = purchases(*TEA_AND_CUPS, ("anna", "tea", 10))
    later = purchases(("anna", "cup", -1), ("berta", "cup", -5))
    shop = offers("tea", "cup", "nails", "hammer")
    assert advise(pa.concat_tables([past, later]), shop) == advise(past, shop)


def test_an_empty_shop_gives_nothing() -> None:
    assert advise(purchases(), offers("tea")) == []
    rows = advise(purchases(("anna", "tea", 1)), offers())
    assert rows == []


PRODUCTS = "abcdefgh"
bought_lists = st.lists(
    st.tuples(
        st.sampled_from(["u", "v", "w", "x"]), st.sampled_from(PRODUCTS), st.integers(0, 400)
    ),
    min_size=1,
    max_size=25,
)
shops = st.tuples(
    *(
        st.builds(
            offer,
            st.just(product),
            brand_id=st.sampled_from(["lilla", "werkhof", None]),
            category=st.sampled_from(["Food", "Tools", None]),
            price=st.sampled_from([None, 1, 2, 3]),
            shelf_position=st.sampled_from([None, 1, 2, 3]),
            is_in_stock=st.booleans(),
            is_discontinued=st.sampled_from([False, False, True]),
            replacement_product_id=st.sampled_from([None, *PRODUCTS]),
            rebuy_after_days=st.sampled_from([None, 0, 100]),
        )
        for product in PRODUCTS
    )
)


@settings(max_examples=60, deadline=None)
@given(bought_lists, shops, st.randoms(use_true_random=False))
def test_the_order_of_rows_and_the_size_of_chunks_change_nothing(
    bought: list[Bought], shop: tuple[dict[str, Any], ...], shuffle: Any
) -> None:
    rows = advise(purchases(*bought), offers(*shop))
    other_bought, other_shop = list(bought), list(shop)
    shuffle.shuffle(other_bought)
    shuffle.shuffle(other_shop)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recommendations, "CELLS", 1)
        assert advise(purchases(*other_bought), offers(*other_shop)) == rows


@settings(max_examples=60, deadline=None)
@given(bought_lists, shops)
def test_the_lists_keep_their_promises(
    bought: list[Bought], shop: tuple[dict[str, Any], ...]
) -> None:
    known = {each["product_id"]: each for each in shop}
    rows = advise(purchases(*bought), offers(*shop))
    keys = [(row["customer_id"], row["list"], row["product_id"]) for row in rows]
    assert len(set(keys)) == len(keys)
    for row in rows:
        product = known[row["product_id"]]
        had = {product for customer, product, _ in bought if customer == row["customer_id"]}
        assert product["is_in_stock"]
        assert not product["is_discontinued"]
        assert (row["product_id"] in had) == (row["list"] == "replenish")
        assert row["score"] >= 0
        if row["list"] == "cross_sell":
            assert product["category"] not in {known[each]["category"] for each in had} | {None}
        if row["list"] == "cross_brand":
            assert product["brand_id"] not in {known[each]["brand_id"] for each in had} | {None}
        if row["list"] == "up_sell":
            group = [
                known[each]["price"]
                for each in had
                if known[each]["brand_id"] == product["brand_id"]
                and known[each]["category"] == product["category"]
            ]
            assert product["price"] > max(price for price in group if price is not None)


def test_the_best_are_those_that_sorting_finds() -> None:
    scores = np.random.default_rng(1).integers(0, 4, (50, 30))
    allowed = np.random.default_rng(2).random((50, 30)) < 0.3
    order = np.random.default_rng(3).permutation(30)
    columns, found = best(ranked(scores, order), order, allowed, 10)
    place = np.argsort(order)
    for row in range(50):
        candidates = np.flatnonzero(allowed[row])
        chosen = candidates[np.lexsort((place[candidates], -scores[row, candidates]))][:10]
        fill = 10 - len(chosen)
        assert columns[row].tolist() == [*chosen, *[-1] * fill]
        assert found[row].tolist() == [*(scores[row, chosen] / 1e6), *[0] * fill]


def test_ease_is_the_closed_form() -> None:
    random = np.random.default_rng(4)
    bought = [
        (f"u{customer:02d}", f"p{product}", 0)
        for customer, product in np.argwhere(random.random((40, 8)) < 0.4)
    ]
    habits = habits_of(read_purchases(purchases(*bought)), TODAY, 90)
    having = np.zeros((40, 8))
    having[habits.customer, habits.product] = 1
    inverse = np.linalg.inv(having.T @ having + 3 * np.eye(8))
    expected = -inverse / np.diagonal(inverse)
    np.fill_diagonal(expected, 0)
    similarity = learn_similarity(habits, strength=3)
    np.testing.assert_allclose(similarity.weights, expected, atol=1e-6)


def test_of_too_many_products_the_most_bought_are_known() -> None:
    bought = purchases(
        ("anna", "a", 0), ("anna", "b", 0), ("berta", "b", 0), ("anna", "c", 0), ("berta", "d", 0)
    )
    habits = habits_of(read_purchases(bought), TODAY, 90)
    similarity = learn_similarity(habits, most_products=3)
    assert similarity.column.tolist() == [0, 1, 2, -1]


# Quality


def test_a_list_is_judged_by_what_was_bought() -> None:
    lists = np.array([[0, 1, 2], [3, -1, -1]])
    quality = judge(lists, np.array([7, 7, 7, 7, 9]), np.array([0, 2, 8, 9, 4]))
    assert quality.customers == 2
    assert quality.recall == pytest.approx((2 / 4 + 0) / 2)
    assert quality.recall_of_ten == pytest.approx((2 / 3 + 0) / 2)
    assert quality.ndcg == pytest.approx((1 + 1 / 2) / (1 + 1 / np.log2(3) + 1 / 2) / 2)
    assert quality.hit == 0.5


def test_the_next_basket_is_the_first_order_after_the_cutoff() -> None:
    bought = purchases(
        *(("anna", "tea", ago) for ago in (30, 40)),
        ("anna", "jam", 30),
        *((f"p{number}", "cup", 35) for number in range(12)),
        ("anna", "tea", 9),
        ("anna", "salt", 5),
        ("new", "tea", 9),
        ("p1", "tea", -100),
    )
    quality = next_basket(read_purchases(bought), TODAY - timedelta(10), 91)
    assert quality["replenish"].customers == 1
    assert quality["replenish"].ndcg == 1
    assert quality["popularity"].ndcg < 1
    larger = next_basket(read_purchases(bought), TODAY - timedelta(10), 91, least_products=2)
    assert larger["replenish"].customers == 0


def test_new_products_are_those_that_were_not_bought_before() -> None:
    bought = purchases(
        *TEA_AND_CUPS,
        *((f"r{number}", "hammer", 20) for number in range(9)),
        ("anna", "tea", 20),
        ("anna", "tea", 5),
        ("anna", "cup", 5),
        ("new", "cup", 5),
    )
    quality = new_products(read_purchases(bought), TODAY - timedelta(10), 91, strength=3)
    assert quality["discover"].customers == 1
    assert quality["discover"].ndcg == 1
    assert quality["popularity"].ndcg < 1


# Real data. What was chosen on which window, and why these report: docs/predictions.md.


def real_purchases(name: str, sql: str) -> Purchases:
    if not (SHARED / name).is_dir():
        pytest.skip(f"no real data in {SHARED / name}; SEGMENT_OF_ONE_SHARED names their folder")
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        return read_purchases(connection.execute(sql.format(folder=SHARED / name)).to_arrow_table())


def test_new_products_of_the_online_retail_shop_are_found() -> None:
    """Lines of goods as the recipe tells them, invoices that are no return."""
    bought = real_purchases(
        "online_retail_ii",
        """
        select
            cast(customer_id as varchar) as customer_id,
            upper(trim(stock_code)) as product_id,
            invoice as order_id,
            cast(min(invoice_ts) over (partition by invoice) as date) as bought_on
        from '{folder}/online_retail_ii.parquet'
        where
            customer_id is not null and not starts_with(invoice, 'C')
            and price > 0 and quantity > 0
            and upper(trim(stock_code)) not in (
                'POST', 'DOT', 'C2', 'C3', '23444', 'AMAZONFEE', 'BANK CHARGES', 'CRUK', 'S',
                '23574', 'ADJUST', 'ADJUST2', 'B', 'D', 'M', 'TEST001', 'TEST002'
            )
        """,
    )
    quality = new_products(bought, date(2011, 9, 9), 91)
    assert quality["discover"].recall_of_ten >= 0.110
    assert quality["popularity"].recall_of_ten <= 0.050


def test_the_next_basket_of_the_grocer_is_found() -> None:
    bought = real_purchases(
        "complete_journey",
        """
        select
            cast(household_id as varchar) as customer_id,
            cast(product_id as varchar) as product_id,
            cast(basket_id as varchar) as order_id,
            cast(
                min(transaction_timestamp) at time zone 'UTC' at time zone 'America/New_York'
                as date
            ) as bought_on
        from '{folder}/transactions.parquet'
        where quantity > 0
        group by all
        """,
    )
    quality = next_basket(bought, date(2017, 12, 3), 28, least_products=3)
    assert quality["replenish"].recall >= 0.130
    assert quality["popularity"].recall <= 0.050
    of_any_size = next_basket(bought, date(2017, 12, 3), 28)
    assert of_any_size["replenish"].recall >= 0.170
