"""Who is like the members of a segment: on made-up shops, in general, and at the real grocer."""

from datetime import date
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from orchestration.predictions import lookalikes
from orchestration.predictions.lookalikes import (
    Likeness,
    SeedError,
    find_lookalikes,
    judge_lookalikes,
    measure_likeness,
)
from orchestration.predictions.purchases import Purchases, read_purchases
from orchestration.predictions.snapshots import FEATURES
from tests.python.test_recipes import SHARED

COLUMNS = ["customer_id", "place", "score", "reason"]
SCHEMA = pa.schema(
    [
        ("customer_id", pa.string()),
        ("product_id", pa.string()),
        ("order_id", pa.string()),
        ("bought_on", pa.date32()),
    ]
)


def ids(count: int, letter: str = "c") -> list[str]:
    return [f"{letter}{number:05d}" for number in range(count)]


def shop(count: int, **columns: Any) -> pd.DataFrame:
    """So many buyers of whom nothing tells anything of another, but for what is given."""
    random = np.random.default_rng(1)
    drawn = {name: random.gamma(1.0, 30.0, count) for name in FEATURES}
    return pd.DataFrame({"customer_id": ids(count)} | drawn | columns)


def table(*bought: tuple[str, str]) -> pa.Table:
    """Purchases of customers and products, each an order of its own."""
    rows = [
        {
            "customer_id": customer,
            "product_id": product,
            "order_id": f"o{number}",
            "bought_on": date(2026, 6, 30),
        }
        for number, (customer, product) in enumerate(bought)
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def purchases(*bought: tuple[str, str]) -> Purchases:
    return read_purchases(table(*bought))


NOTHING_BOUGHT = purchases()


def tea_and_tools(count: int) -> list[tuple[str, str]]:
    """Every third customer buys of teas, the others of tools."""
    random = np.random.default_rng(2)
    return [
        (customer, f"{'tea' if number % 3 == 0 else 'tool'} {product}")
        for number, customer in enumerate(ids(count))
        for product in random.integers(0, 20, 4)
    ]


# Who is found


def test_who_buys_like_the_members_comes_first() -> None:
    """Half of the 300 frequent buyers are members; the others are found, each before anybody."""
    frequent = np.arange(1500) < 300
    buyers = shop(1500, purchase_days_365d=np.where(frequent, 60, 5))
    found = find_lookalikes(buyers, NOTHING_BOUGHT, ids(300)[::2], 150)
    assert list(found.columns) == COLUMNS
    assert set(found["customer_id"]) == set(ids(300)[1::2])
    assert found["place"].tolist() == [*range(1, 151)]
    assert found["score"].is_monotonic_decreasing
    assert found["score"].between(0.5, 1).all()
    reason = "bought on more days in the last year than most, like most members"
    assert set(found["reason"]) == {reason}


def test_who_buys_what_the_members_buy_comes_first() -> None:
    teas = ids(900)[::3]
    found = find_lookalikes(shop(900), purchases(*tea_and_tools(900)), teas[::2], 150)
    assert set(found["customer_id"]) == set(teas[1::2])
    assert set(found["reason"]) == {
        "buys the same kind of products more than most, like most members"
    }


def test_members_are_not_their_own_lookalikes() -> None:
    members = ids(400)[:100]
    found = find_lookalikes(shop(400), NOTHING_BOUGHT, members, 1000)
    assert sorted(found["customer_id"]) == ids(400)[100:]


def test_nobody_is_scored_by_what_was_learnt_of_them() -> None:
    """Where nothing tells members from others, a model that knew them by heart would."""
    buyers = shop(2000)
    members = np.random.default_rng(3).choice(ids(2000), 60, replace=False)
    random = np.random.default_rng(4)
    bought = [(each, f"p{random.integers(0, 300)}") for each in ids(2000) for _ in range(5)]
    likeness = measure_likeness(buyers, purchases(*bought), members)
    assert judge_lookalikes(likeness)["lookalikes"].auc < 0.6


def test_half_is_as_much_like_the_members_as_like_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few members are, and however few of all are learnt from."""
    buyers = shop(4000)
    for members in (ids(4000)[::40], ids(4000)[::4]):
        scores = measure_likeness(buyers, NOTHING_BOUGHT, members).score
        assert np.median(scores) == pytest.approx(0.5, abs=0.05)
    monkeypatch.setattr(lookalikes, "_MOST_OTHERS", 1000)
    scores = measure_likeness(buyers, NOTHING_BOUGHT, ids(4000)[::40]).score
    assert np.median(scores) == pytest.approx(0.5, abs=0.05)


def test_a_sample_tells_nearly_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    buyers = shop(3000)
    members = buyers["customer_id"][
        buyers["amount_91d"] + np.random.default_rng(5).gamma(1, 30, 3000) > 90
    ]
    bought = purchases(*tea_and_tools(3000))
    of_all = measure_likeness(buyers, bought, members)
    monkeypatch.setattr(lookalikes, "_MOST_MEMBERS", 200)
    monkeypatch.setattr(lookalikes, "_MOST_OTHERS", 800)
    of_some = measure_likeness(buyers, bought, members)
    assert of_some.score.shape == of_all.score.shape
    assert spearmanr(of_all.score, of_some.score).statistic > 0.9


# Who may be found


def test_only_targets_get_places_and_all_are_learnt_from() -> None:
    buyers = shop(600)
    members = ids(600)[::4]
    everybody = find_lookalikes(buyers, NOTHING_BOUGHT, members, 600)
    targets = [*ids(600)[:200], "nobody"]
    found = find_lookalikes(buyers, NOTHING_BOUGHT, members, 600, targets)
    expected = everybody[everybody["customer_id"].isin(targets)].reset_index(drop=True)
    pd.testing.assert_frame_equal(
        found.drop(columns="place"), expected.drop(columns="place"), check_exact=True
    )
    assert found["place"].tolist() == [*range(1, 151)]
    nobody = find_lookalikes(buyers, NOTHING_BOUGHT, members, 600, [])
    assert list(nobody.columns) == COLUMNS
    assert nobody.empty


def test_strangers_purchases_are_not_looked_at() -> None:
    """Who has no snapshot may not be used, neither as a member nor for what they bought."""
    known = tea_and_tools(300)
    strangers = [(each, f"{kind} {each}") for each in ids(200, "x") for kind in ("tea", "new")]
    members = ids(300)[::3][::2]
    alone = find_lookalikes(shop(300), purchases(*known), members, 300)
    beside = find_lookalikes(
        shop(300), purchases(*known, *strangers), [*members, *ids(200, "x")], 300
    )
    pd.testing.assert_frame_equal(alone, beside, check_exact=True)


# What is refused


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([], "0 members have bought, and 50 are needed"),
        ([*ids(49), *ids(49), *ids(500, "x")], "49 members have bought, and 50 are needed"),
        (ids(120), "120 members have bought and 0 others: 50 others are needed to compare with"),
        (ids(71), "71 members have bought and 49 others: 50 others are needed to compare with"),
    ],
)
def test_a_seed_that_tells_nothing_is_refused(members: list[str], message: str) -> None:
    with pytest.raises(SeedError) as refused:
        find_lookalikes(shop(120), NOTHING_BOUGHT, members, 10)
    assert str(refused.value) == message


def test_a_shop_without_buyers_refuses_every_seed() -> None:
    with pytest.raises(SeedError, match="0 members have bought"):
        find_lookalikes(shop(0), NOTHING_BOUGHT, ids(100), 10)


def test_the_smallest_seed_is_enough() -> None:
    assert len(find_lookalikes(shop(100), NOTHING_BOUGHT, ids(50), 100)) == 50


# What must not matter


def test_the_order_of_rows_does_not_matter() -> None:
    """Also where many customers are alike and have equal scores."""
    random = np.random.default_rng(6)
    alike = dict.fromkeys(FEATURES, 1.0) | {
        "mean_amount": np.arange(400) % 4,
        "mean_gap_days": np.where(np.arange(400) % 3, np.nan, 7.0),
    }
    buyers = shop(400, **alike)
    bought = table(*((customer, product[-1]) for customer, product in tea_and_tools(400)[::9]))
    members = ids(400)[::5]
    expected = find_lookalikes(buyers, read_purchases(bought), members, 400)
    shuffled = pa.concat_tables([bought, bought]).take(random.permutation(2 * len(bought)))
    found = find_lookalikes(
        buyers.iloc[random.permutation(400)],
        read_purchases(shuffled),
        [*random.permutation(members), *members],
        400,
    )
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_equal_scores_go_by_customer_id() -> None:
    count = 30
    alike = Likeness(
        customer_id=np.array(ids(count), dtype=object),
        is_member=np.arange(count) % 10 == 0,
        score=np.repeat([0.2, 0.9, 0.2], 10),
        amount=np.zeros(count),
        reason=np.full(count, "the same", dtype=object),
    )
    found = alike.lookalikes(12)["customer_id"].tolist()
    assert found == [*ids(count)[11:20], *ids(count)[1:4]]
    assert alike.lookalikes(0).empty


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize(
    "bought",
    [
        [],
        [("a stranger", "tea")],
        [("c00001", "tea")],
        [(customer, "tea") for customer in ids(1000)],
        [(customer, "tea") for customer in ids(999)],
        [(customer, f"only of {customer}") for customer in ids(1000)],
    ],
    ids=["none", "a stranger's", "one", "all the same", "nearly all the same", "all their own"],
)
def test_little_that_is_known_is_enough(bought: list[tuple[str, str]]) -> None:
    unknown = {name: np.full(1000, np.nan) for name in ("mean_gap_days", "gap_deviation_days")}
    equal = {"store_share": 0.1, "discount_share": 1 / 3, "returned_share": 0}
    frequent = np.where(np.arange(1000) < 200, 60, 5)
    buyers = shop(1000, purchase_days_365d=frequent, **unknown, **equal)
    found = find_lookalikes(buyers, purchases(*bought), ids(100), 100)
    assert found["customer_id"].isin(ids(200)[100:]).mean() >= 0.95
    assert found["score"].between(0, 1).all()


def test_buyers_who_are_all_the_same_have_no_reason() -> None:
    found = find_lookalikes(shop(200, **dict.fromkeys(FEATURES, 1.0)), NOTHING_BOUGHT, ids(60), 140)
    np.testing.assert_allclose(found["score"], 0.5, atol=0.001)
    assert set(found["reason"]) == {"nothing that stands out"}


numbers = st.sampled_from([np.nan, -5.0, 0.0, 0.0, 1.0, 2.5, 1e9])


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_lookalikes_keep_their_promises(data: st.DataObject) -> None:
    count = data.draw(st.integers(110, 160))
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    odd = {
        name: random.choice(data.draw(st.lists(numbers, min_size=1, max_size=4)), count)
        for name in data.draw(st.lists(st.sampled_from(FEATURES), unique=True))
    }
    products = data.draw(st.integers(1, 40))
    bought = [
        (random.choice(ids(count)), f"p{random.integers(0, products)}")
        for _ in range(data.draw(st.integers(0, 200)))
    ]
    buyers = shop(count, **odd)
    members = set(random.choice(ids(count), 55, replace=False))
    places = data.draw(st.integers(0, 200))
    found = find_lookalikes(buyers, purchases(*bought), members, places)
    assert found["place"].tolist() == [*range(1, min(places, count - 55) + 1)]
    assert found["customer_id"].is_unique
    assert not members & set(found["customer_id"])
    assert found["score"].between(0, 1).all()
    order = found.sort_values(["score", "customer_id"], ascending=[False, True])
    assert order.index.tolist() == found.index.tolist()
    assert found["reason"].notna().all()


# Why


def test_each_feature_is_told_of_once() -> None:
    told = [name for topic in lookalikes._TOPICS for name in (topic.by, *topic.also)]
    assert sorted(told) == sorted(FEATURES)


def test_a_reason_is_true_of_the_customer_and_of_most_members() -> None:
    """Also where much is missing or equal, and where another feature of its topic weighs more."""
    random = np.random.default_rng(7)
    count = 1500
    liking = random.random(count)
    buyers = shop(
        count,
        recency_days=random.gamma(2, 60 * (1.2 - liking)),
        discount_share=random.beta(1 + 3 * liking, 4),
        returned_share=np.where(random.random(count) < 0.3 + 0.4 * liking, 0.2, 0.0),
        mean_gap_days=np.where(
            random.random(count) < 0.4, np.nan, random.gamma(2, 60 - 40 * liking)
        ),
        mean_amount=random.gamma(4 + 4 * liking, 10),
        largest_amount=100 * liking,
        mean_items=random.poisson(1 + 2 * liking).astype(float),
    )
    members = np.array(ids(count))[liking + random.normal(0, 0.2, count) > 0.9]
    found = find_lookalikes(buyers, NOTHING_BOUGHT, members, count).merge(buyers, on="customer_id")
    is_member = buyers["customer_id"].isin(members)
    seen = set()
    for topic in lookalikes._TOPICS:
        middle = buyers[topic.by].median()
        for words, side in ((topic.above, 1), (topic.below, -1)):
            told = found[found["reason"] == f"{words}, like most members"]
            if told.empty:
                continue
            seen.add(words)
            assert ((told[topic.by] - middle) * side > 0).all()
            assert ((buyers[topic.by][is_member] - middle) * side > 0).mean() >= 0.6
    assert {"bought more lately than most", "buys at a discount more than most"} <= seen
    assert "bought longer ago than most" not in seen


# How good it is


def judged(joined: Any, score: Any, amount: Any = None) -> dict[str, lookalikes.AudienceQuality]:
    """The quality of scores of customers who were no members."""
    count = len(joined)
    likeness = Likeness(
        customer_id=np.array(ids(count), dtype=object),
        is_member=np.zeros(count, dtype=np.bool_),
        score=np.asarray(score, float),
        amount=np.zeros(count) if amount is None else np.asarray(amount, float),
        reason=np.full(count, "", dtype=object),
    )
    return judge_lookalikes(likeness, np.array(ids(count))[np.asarray(joined, bool)])


def test_the_best_order_is_the_best_and_one_without_knowledge_is_none() -> None:
    joined = np.arange(100) < 10
    quality = judged(joined, -np.arange(100))
    best, none = quality["lookalikes"], quality["spend"]
    assert (best.customers, best.joiners) == (100, 10)
    assert [best.auc, best.average_precision] == pytest.approx([1, 1])
    assert best.lift == pytest.approx(10)
    assert [none.auc, none.average_precision] == pytest.approx([0.5, 0.1])


def test_a_lift_is_the_share_of_the_first_tenth_over_that_of_all() -> None:
    joined = np.zeros(40, dtype=bool)
    joined[[0, 1, 2, 10, 20]] = True
    assert judged(joined, -np.arange(40))["lookalikes"].lift == pytest.approx((3 / 4) / (5 / 40))


def test_the_error_of_a_lift_is_how_far_it_varies() -> None:
    random = np.random.default_rng(8)
    score = np.sort(random.random(2000))[::-1]
    chance = np.where(np.arange(2000) < 200, 0.3, 0.06)
    drawn = [judged(random.random(2000) < chance, score)["lookalikes"] for _ in range(300)]
    varies = np.std([each.lift for each in drawn])
    assert np.mean([each.lift_error for each in drawn]) == pytest.approx(varies, rel=0.1)


def test_when_nobody_joined_nothing_is_known() -> None:
    nobody = judged(np.zeros(20), np.arange(20))["lookalikes"]
    assert (nobody.customers, nobody.joiners) == (20, 0)
    assert np.isnan([nobody.auc, nobody.average_precision, nobody.lift, nobody.lift_error]).all()


def test_members_are_found_among_all_as_long_as_nobody_joined_later() -> None:
    frequent = np.where(np.arange(600) < 150, 60, 5)
    buyers = shop(600, purchase_days_365d=frequent, amount=np.full(600, np.nan))
    quality = judge_lookalikes(measure_likeness(buyers, NOTHING_BOUGHT, ids(100)))
    assert (quality["lookalikes"].customers, quality["lookalikes"].joiners) == (600, 100)
    assert quality["lookalikes"].auc > 0.9
    assert quality["spend"].auc == 0.5


def test_members_who_join_again_are_not_counted() -> None:
    likeness = measure_likeness(shop(300), NOTHING_BOUGHT, ids(60))
    quality = judge_lookalikes(likeness, [*ids(100), "a stranger"])["lookalikes"]
    assert (quality.customers, quality.joiners) == (240, 40)


# Real data. The weights of products, the number of their components and the looseness of the
# regression were chosen by the mean figures of three earlier days: members by 2017-03-31 and by
# 2017-04-30, who joined by 2017-06-30, and members by 2017-05-31, who joined in June. The day
# below was looked at once, after that.

CUTOFF = date(2017, 6, 30)
# No store_share, returned_share and purchases of a year ago: this grocer has stores only, takes
# nothing back, and is known for half a year. Pieces are lines: petrol counts in thousandths.
BUYERS = """
with days as (
    select
        customer_id, bought_on, sum(amount) as amount, sum(discount) as discount,
        count(*) as items,
        bought_on - lag(bought_on) over (partition by customer_id order by bought_on) as gap
    from lines
    group by customer_id, bought_on
)

select
    customer_id,
    count(*) - 1 as repeat_days,
    max(bought_on) - min(bought_on) as active_days,
    $cutoff - min(bought_on) as tenure_days,
    $cutoff - max(bought_on) as recency_days,
    avg(gap) as mean_gap_days,
    case when count(*) > 2 then stddev_pop(gap) end as gap_deviation_days,
    avg(amount) as mean_amount,
    max(amount) as largest_amount,
    arg_max(amount, bought_on) as last_amount,
    sum(amount) as amount,
    coalesce(sum(amount) filter (bought_on > $cutoff - 91), 0) as amount_91d,
    sum(amount) as amount_365d,
    count(*) filter (bought_on > $cutoff - 30) as purchase_days_30d,
    count(*) filter (bought_on > $cutoff - 91) as purchase_days_91d,
    count(*) filter (bought_on > $cutoff - 182) as purchase_days_182d,
    count(*) as purchase_days_365d,
    0 as purchase_days_year_ago,
    avg(items) as mean_items,
    1 as store_share,
    sum(discount) / nullif(sum(amount) + sum(discount), 0) as discount_share,
    0 as returned_share
from days
group by customer_id
"""


def test_who_will_redeem_a_coupon_is_found_at_the_grocer() -> None:
    """Households that redeemed one by the end of June 2017, and those that first did later."""
    folder = SHARED / "complete_journey"
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}; SEGMENT_OF_ONE_SHARED names their folder")
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(
            f"""
            create temp table lines as
            select
                cast(household_id as varchar) as customer_id,
                cast(product_id as varchar) as product_id,
                cast(basket_id as varchar) as order_id,
                cast(
                    min(transaction_timestamp) over (partition by basket_id)
                    at time zone 'UTC' at time zone 'America/New_York' as date
                ) as bought_on,
                quantity,
                sales_value as amount,
                retail_disc + coupon_disc + coupon_match_disc as discount
            from '{folder}/transactions.parquet'
            qualify bought_on <= '{CUTOFF}'
            """
        )
        buyers = connection.execute(BUYERS, {"cutoff": CUTOFF}).df()
        bought = read_purchases(
            connection.execute(
                "select customer_id, product_id, order_id, bought_on from lines where quantity > 0"
            ).to_arrow_table()
        )
        redeemers = connection.execute(
            f"""
            select
                cast(household_id as varchar) as customer_id,
                min(cast(redemption_date as date)) <= '{CUTOFF}' as is_member
            from '{folder}/coupon_redemptions.parquet'
            group by household_id
            """
        ).df()
    members = redeemers["customer_id"][redeemers["is_member"]]
    joiners = redeemers["customer_id"][~redeemers["is_member"]]
    likeness = measure_likeness(buyers, bought, members)
    quality = judge_lookalikes(likeness, joiners)
    found, spend = quality["lookalikes"], quality["spend"]
    assert (found.customers, found.joiners) == (2187, 204)
    assert found.auc >= 0.824 > spend.auc
    assert found.average_precision >= 0.292 > spend.average_precision
    assert found.lift > spend.lift + found.lift_error
    hidden = judge_lookalikes(likeness)
    assert hidden["lookalikes"].auc > hidden["spend"].auc
