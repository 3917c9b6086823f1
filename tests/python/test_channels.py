"""On which channel to write: what lots have shown, and nothing that they have not."""

from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.predictions.channels import Judgement, choose_channels
from tests.python.test_recipes import SHARED

CONTACTS = [
    *("customer_id", "channel", "sent_count", "bought_count"),
    *("sent_before_count", "bought_before_count"),
]
EXPLORED = ["experiment_id", "customer_id", "channel", "propensity", "has_bought"]
NOT_EXPLORED = pd.DataFrame(columns=EXPLORED)


def contacts(*rows: tuple[str, str, int, int]) -> pd.DataFrame:
    """Customer, channel, messages and purchases after them, all of them before any lots."""
    return pd.DataFrame([(*row, *row[2:]) for row in rows], columns=CONTACTS)


def opened(*rows: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["customer_id", "channel"])


def chosen(*given: pd.DataFrame) -> dict[str, dict[str, Any]]:
    choices, _ = choose_channels(*given)
    rows: list[dict[Any, Any]] = choices.to_dict("records")
    return {row["customer_id"]: row for row in rows}


def test_without_lots_nobody_has_a_choice_of_their_own() -> None:
    """Anna buys after each SMS and after no mail; but that may be why she is written to there."""
    sent = contacts(("anna", "sms", 50, 50), ("anna", "email", 50, 0), ("berta", "email", 400, 100))
    found = chosen(sent, NOT_EXPLORED, opened(("anna", "sms"), ("anna", "email"), ("berta", "sms")))
    assert found["anna"]["channel_evidence"] == "observational"
    assert not found["anna"]["is_personal"]
    # SMS has the higher rate of all: 50 of 50, 100 of 450.
    assert found["anna"]["best_channel"] == found["berta"]["best_channel"] == "sms"


def test_a_channel_that_is_closed_gives_way_to_the_next() -> None:
    sent = contacts(("x", "sms", 900, 90), ("x", "email", 900, 45), ("x", "phone", 900, 9))
    found = chosen(
        sent, NOT_EXPLORED, opened(("anna", "phone"), ("anna", "email"), ("berta", "phone"))
    )
    assert found["anna"]["best_channel"] == "email"
    assert found["berta"]["best_channel"] == "phone"
    assert "x" not in found


def test_where_nobody_was_written_to_the_one_that_disturbs_least_comes_first() -> None:
    found = chosen(
        contacts(), NOT_EXPLORED, opened(("anna", "phone"), ("anna", "email"), ("berta", "smoke"))
    )
    assert found["anna"]["best_channel"] == "email"
    assert found["anna"]["channel_evidence"] == "prior only"
    assert found["berta"]["best_channel"] == "smoke"


def test_channels_that_are_equally_good_stand_in_the_usual_order() -> None:
    sent = contacts(*((f"c{i}", name, 10, i % 3) for i in range(90) for name in ("sms", "email")))
    lots = explored({"sms": 150, "email": 150}, 600)
    anywhere = opened(("anna", "sms"), ("anna", "email"))
    for known in (NOT_EXPLORED, lots, lots.iloc[::-1]):
        assert chosen(sent, known, anywhere)["anna"]["best_channel"] == "email"


def test_who_has_one_open_channel_gets_it_and_is_told_no_more_than_that() -> None:
    sent = contacts(*((f"c{i}", "sms", 10, 1) for i in range(50)))
    lots = explored({"sms": 10, "email": 90}, 600)
    [anna] = chosen(sent, lots, opened(("anna", "sms"))).values()
    assert (anna["best_channel"], anna["reason"]) == ("sms", "the only channel that is open")
    assert not anna["is_personal"]


def test_without_an_open_channel_there_is_no_row() -> None:
    choices, _ = choose_channels(contacts(("anna", "email", 9, 3)), NOT_EXPLORED, opened())
    assert choices.empty


def test_one_purchase_after_one_message_is_no_certainty() -> None:
    sent = contacts(("anna", "email", 1, 1), *((f"c{i}", "email", 10, i % 6) for i in range(200)))
    [anna] = chosen(sent, NOT_EXPLORED, opened(("anna", "email"))).values()
    assert 0.25 < anna["expected_response"] < 0.5
    assert 0 < anna["lower_bound"] < anna["expected_response"]


def test_what_lots_have_shown_counts_more_than_what_was_seen() -> None:
    sent = contacts(*((f"c{i}", "email", 10, 5) for i in range(100)))
    lots = explored(buyers={"email": 100, "sms": 160}, customers=1_000)
    anywhere = opened(("anna", "email"), ("anna", "sms"))
    [anna] = chosen(sent, lots, anywhere).values()
    assert (anna["best_channel"], anna["channel_evidence"]) == ("sms", "randomised")
    few = explored(buyers={"email": 40, "sms": 90}, customers=499)
    [anna] = chosen(sent, few, anywhere).values()
    assert (anna["best_channel"], anna["channel_evidence"]) == ("email", "observational")


def test_a_choice_of_their_own_is_made_where_lots_have_shown_that_it_sells_more() -> None:
    sent, lots, channels, own = drawn(seed=1, differ=True)
    choices, judgement = choose_channels(sent, lots, channels)
    assert judgement.is_proven
    assert judgement.personal is not None
    assert judgement.single is not None
    assert judgement.personal.value > judgement.single.value
    assert choices["is_personal"].any()
    found = choices.set_index("customer_id")["best_channel"]
    known = found[list(own)] == pd.Series(own)
    assert known.mean() > 0.75


def test_chance_is_hardly_ever_taken_for_a_choice() -> None:
    """Where customers do not differ, one of forty by design, and fewer since the best is given."""
    judged = [choose_channels(*drawn(seed, differ=False)[:3])[1] for seed in range(20)]
    assert sum(each.is_proven for each in judged) <= 1


def test_a_message_without_a_purchase_speaks_for_no_channel() -> None:
    """Zoe got one SMS and bought nothing: that lots prove choices of their own is no reason."""
    sent, lots, channels, _ = drawn(seed=1, differ=True)
    both = opened(("zoe", "sms"), ("zoe", "email"), ("never_written_to", "sms"))
    sent = pd.concat([sent, contacts(("zoe", "sms", 1, 0))])
    choices, judgement = choose_channels(sent, lots, pd.concat([channels, both]))
    assert judgement.is_proven
    assert judgement.customers == 6_000
    [zoe] = choices[choices["customer_id"] == "zoe"].to_dict("records")
    assert (zoe["best_channel"], zoe["is_personal"]) == ("email", False)
    own = choices[choices["is_personal"]]
    assert set(own["reason"]) == {
        "likeliest by what followed the messages to this customer; lots have shown it pays"
    }
    assert "never_written_to" not in set(own["customer_id"])


def test_lots_of_another_season_are_no_lots_between_channels() -> None:
    """At Christmas all buy more: phone and letter beat the mails of summer, and prove nothing."""
    summer = explored({"email": 50, "sms": 80}, 1_000, experiment="summer")
    christmas = explored({"phone": 200, "direct_mail": 250}, 900, experiment="christmas")
    choices, judgement = choose_channels(
        contacts(),
        pd.concat([christmas, summer]),
        opened(*(("anna", each) for each in ("email", "sms", "phone", "direct_mail"))),
    )
    [anna] = choices.to_dict("records")
    assert (anna["best_channel"], anna["channel_evidence"]) == ("sms", "randomised")
    assert judgement.customers == 2_000
    assert judgement.single is not None
    assert judgement.single.value == pytest.approx(0.08)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 9)), max_size=30),
    st.sets(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=20),
    st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_everybody_has_one_open_channel_whatever_the_order_of_rows(
    sent: list[tuple[int, int, int]], open_pairs: set[tuple[int, int]], with_lots: bool
) -> None:
    names = ("email", "sms", "phone", "letter")
    counts: dict[tuple[str, str], int] = {}
    for customer, channel, count in sent:
        key = (f"c{customer}", names[channel])
        counts[key] = counts.get(key, 0) + count
    told = contacts(*((*key, count, count // 2) for key, count in counts.items()))
    lots = explored({"email": 300, "sms": 200}, 500) if with_lots else NOT_EXPLORED
    pairs = [(f"c{customer}", names[channel]) for customer, channel in sorted(open_pairs)]
    choices, _ = choose_channels(told, lots, opened(*pairs))
    assert set(choices["customer_id"]) == {customer for customer, _ in pairs}
    assert choices["customer_id"].is_unique
    assert set(zip(choices["customer_id"], choices["best_channel"], strict=True)) <= set(pairs)
    assert (choices["lower_bound"] <= choices["expected_response"]).all()
    turned, _ = choose_channels(told.iloc[::-1], lots.iloc[::-1], opened(*pairs[::-1]))
    pd.testing.assert_frame_equal(choices, turned)


def test_men_and_womens_mails_as_lots_show_no_choice_of_their_own() -> None:
    """Hillstrom: who bought women's things only answers no better to the women's mail for sure."""
    file = SHARED / "hillstrom" / "hillstrom.parquet"
    if not file.exists():
        pytest.skip(f"{file} is not there; SEGMENT_OF_ONE_SHARED names its folder")
    with duckdb.connect() as connection:
        people = connection.execute(
            f"""
            select
                'mails' as experiment_id,
                'c' || row_number() over () as customer_id,
                nullif(replace(segment, ' E-Mail', ''), 'No') as channel,
                1 / 3 as propensity,
                visit = 1 as has_bought,
                mens,
                womens
            from read_parquet('{file}')
            """
        ).df()
    # What was bought before stands for the answers to mails of each kind.
    before = [
        people[["customer_id"]].assign(channel=channel, sent_count=1, bought_count=people[kind])
        for channel, kind in (("Mens", "mens"), ("Womens", "womens"))
    ]
    sent = pd.concat(before).assign(
        sent_before_count=lambda rows: rows["sent_count"],
        bought_before_count=lambda rows: rows["bought_count"],
    )
    choices, judgement = choose_channels(sent, people[EXPLORED], sent[["customer_id", "channel"]])
    assert judgement.single is not None
    assert judgement.single.value == pytest.approx(0.1828, abs=5e-5)
    assert not judgement.is_proven
    assert set(choices["best_channel"]) == {"Mens"}
    assert set(choices["channel_evidence"]) == {"randomised"}


def explored(buyers: dict[str, int], customers: int, experiment: str = "lots") -> pd.DataFrame:
    """Lots between channels: so many customers each, of whom so many bought."""
    rows = [
        (experiment, f"{channel}{number}", channel, 0.5, number < count)
        for channel, count in buyers.items()
        for number in range(customers)
    ]
    return pd.DataFrame(rows, columns=EXPLORED)


def drawn(
    seed: int, differ: bool
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, str]]:
    """Customers who answer to one of two channels, or to both alike: what was sent, and lots."""
    generator = np.random.default_rng(seed)
    size, names = 6_000, np.array(["email", "sms"])
    ids = np.array([f"c{number}" for number in range(size)])
    likes = generator.integers(0, 2, size)
    rates = np.full((size, 2), 0.2)
    if differ:
        rates[np.arange(size), likes] = 0.35
        rates[np.arange(size), 1 - likes] = 0.05
    sent = [
        contacts(*zip(ids, [name] * size, [20] * size, generator.binomial(20, rate), strict=True))
        for name, rate in zip(names, rates.T, strict=True)
    ]
    lot = generator.integers(0, 2, size)
    lots = pd.DataFrame(
        {
            "experiment_id": "lots",
            "customer_id": ids,
            "channel": names[lot],
            "propensity": 0.5,
            "has_bought": generator.random(size) < rates[np.arange(size), lot],
        }
    )
    channels = opened(*((customer, name) for customer in ids for name in names))
    return pd.concat(sent), lots, channels, dict(zip(ids, names[likes], strict=True))


def test_a_judgement_without_lots_says_so() -> None:
    assert "no two channels" in Judgement(0, None, None, None).told
