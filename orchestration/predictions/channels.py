"""On which channel to write to a customer: what lots have shown, and no more than that.

Who is written to by SMS differs from who is not, so that purchases after messages say who buys
rather than what a channel does. Only lots between channels tell them apart. A choice of the
customer's own is made where it would have sold more than the best channel of all on customers whom
lots had given a channel; everybody else gets that best one, of those that are open.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import beta

from orchestration.predictions.estimators import Estimate, snips, snips_difference
from orchestration.predictions.evaluation import Numbers

RANDOMISED, OBSERVATIONAL, PRIOR = "randomised", "observational", "prior only"
# Lots have to give a channel to so many customers before it counts as shown.
LEAST_EXPLORED = 500
# Where nothing else tells: from what costs least to what disturbs most.
_USUAL_ORDER = (
    *("email", "app_push", "web_push", "social", "direct_mail", "sms", "phone", "voice"),
)
# As much as so many messages at the rate of all, where messages are too few to tell how much
# customers differ; and the bounds of what they can tell.
_USUAL_STRENGTH, _LEAST_STRENGTH, _MOST_STRENGTH = 20.0, 1.0, 1_000.0
# A rate of no message at all: one purchase in so many.
_USUAL_MESSAGES = 100.0
_CERTAINTY = 0.95


@dataclass(frozen=True)
class Judgement:
    """What choosing by customer would have sold where lots chose, and the best channel alone.

    The values are shares of customers who bought; None without lots between enough customers.
    """

    personal: Estimate | None
    single: Estimate | None
    difference: Estimate | None

    @property
    def is_proven(self) -> bool:
        """Whether the choice by customer sells more for sure."""
        return self.difference is not None and self.difference.low > 0

    @property
    def told(self) -> str:
        """The judgement in words."""
        if self.personal is None or self.single is None or self.difference is None:
            return f"no two channels were drawn by lot for {LEAST_EXPLORED} customers each"
        return (
            f"a choice by customer {self.personal.value:.4f}, the best channel alone "
            f"{self.single.value:.4f}, difference {self.difference.low:.4f} to "
            f"{self.difference.high:.4f}"
        )


@dataclass(frozen=True)
class _Response:
    """How often messages of a channel are followed by a purchase, and as how many it weighs."""

    rate: float
    strength: float


def choose_channels(
    contacts: pd.DataFrame, explored: pd.DataFrame, open_channels: pd.DataFrame
) -> tuple[pd.DataFrame, Judgement]:
    """The channel of each customer who has an open one, with how it is known and why.

    `contacts` are rows of features.channel_contacts, `explored` of features.channel_explorations,
    `open_channels` of features.open_channels. A row per customer, by customer_id, with
    columns of predictions.channel_choices but as_of.
    """
    shown = _shown_rates(explored)
    judgement = _judge(contacts, explored, shown)
    pairs = open_channels.merge(contacts, on=["customer_id", "channel"], how="left")
    responses = _responses(contacts, "sent_count", "bought_count", pairs["channel"])
    pairs = _with_response(pairs, responses, "sent_count", "bought_count")
    written = set(contacts["channel"])
    order = {channel: place for place, channel in enumerate(_ranking(responses, shown, written))}
    pairs["place"] = pairs["channel"].map(order)
    pairs["is_shown"] = pairs["channel"].isin(list(shown))
    single = pairs.sort_values(["customer_id", "place"]).drop_duplicates("customer_id")
    chosen = single.assign(is_personal=False)
    if judgement.is_proven:
        own = (
            pairs[pairs["is_shown"] & pairs["sent_count"].notna()]
            .sort_values(["customer_id", "response", "place"], ascending=[True, False, True])
            .drop_duplicates("customer_id")
        )
        best = own.merge(
            single[["customer_id", "place"]], on="customer_id", suffixes=("", "_single")
        )
        own = best[best["place"] != best["place_single"]].assign(is_personal=True)
        chosen = pd.concat([own, chosen]).drop_duplicates("customer_id")
    chosen = chosen.sort_values("customer_id").reset_index(drop=True)
    return _told(chosen, written), judgement


def _judge(contacts: pd.DataFrame, explored: pd.DataFrame, shown: dict[str, float]) -> Judgement:
    """Compare the two ways of choosing on the customers to whom lots gave a channel.

    The choice by customer knows only what was sent before.
    """
    if len(shown) < 2:
        return Judgement(None, None, None)
    drawn = explored[explored["channel"].isin(list(shown))].reset_index(drop=True)
    before = contacts[["customer_id", "channel", "sent_before_count", "bought_before_count"]]
    names = ("sent_before_count", "bought_before_count")
    channels = sorted(shown, key=lambda channel: (-shown[channel], channel))
    responses = _responses(before, *names, pd.Series(channels))
    expected = np.column_stack(
        [
            _with_response(
                drawn[["customer_id"]]
                .assign(channel=channel)
                .merge(before, on=["customer_id", "channel"], how="left"),
                responses,
                *names,
            )["response"].to_numpy(float)
            for channel in channels
        ]
    )
    personal = np.array(channels, dtype=object)[expected.argmax(axis=1)]
    outcome = drawn["has_bought"].to_numpy(float)
    propensity = drawn["propensity"].to_numpy(float)
    given = drawn["channel"].to_numpy(object)
    by_customer, by_best = given == personal, given == channels[0]
    return Judgement(
        snips(outcome, propensity, by_customer),
        snips(outcome, propensity, by_best),
        snips_difference(outcome, propensity, by_customer, by_best),
    )


def _shown_rates(explored: pd.DataFrame) -> dict[str, float]:
    """The share of buyers by channel, of those that lots gave to enough customers."""
    drawn = explored[explored["channel"].notna()]
    rates = {
        str(channel): float(
            np.average(rows["has_bought"].astype(float), weights=1 / rows["propensity"])
        )
        for channel, rows in drawn.groupby("channel")
        if len(rows) >= LEAST_EXPLORED
    }
    return rates if len(rates) > 1 else {}


def _responses(
    contacts: pd.DataFrame, sent: str, bought: str, channels: pd.Series
) -> dict[str, _Response]:
    """What is known of every channel; of one on which nothing was sent the rate of all."""
    rows = contacts[contacts[sent] > 0]
    all_sent, all_bought = float(rows[sent].sum()), float(rows[bought].sum())
    overall = (all_bought + 1) / (all_sent + _USUAL_MESSAGES)
    known = {
        str(channel): _fitted(part[sent].to_numpy(float), part[bought].to_numpy(float))
        for channel, part in rows.groupby("channel")
    }
    unknown = _Response(overall, _USUAL_STRENGTH)
    return {str(channel): known.get(str(channel), unknown) for channel in sorted(set(channels))}


def _fitted(sent: Numbers, bought: Numbers) -> _Response:
    """A beta-binomial distribution by moments (Kleinman 1973): the rate of all, and how many
    messages that rate weighs beside a customer's own. The more customers differ, the fewer.
    """
    rate = float((bought.sum() + 1) / (sent.sum() + _USUAL_MESSAGES))
    noise = rate * (1 - rate)
    room = float((sent * (sent - 1)).sum()) * noise
    if room <= 0:
        return _Response(rate, _USUAL_STRENGTH)
    alike = float(((bought - sent * rate) ** 2 - sent * noise).sum()) / room
    strength = (1 - alike) / alike if alike > 0 else _MOST_STRENGTH
    return _Response(rate, float(np.clip(strength, _LEAST_STRENGTH, _MOST_STRENGTH)))


def _with_response(
    pairs: pd.DataFrame, responses: dict[str, _Response], sent: str, bought: str
) -> pd.DataFrame:
    """The chance of a purchase after a message on the channel of each pair, and its lower bound."""
    rate = pairs["channel"].map({name: each.rate for name, each in responses.items()})
    strength = pairs["channel"].map({name: each.strength for name, each in responses.items()})
    did = pairs[bought].fillna(0).to_numpy(float) + rate.to_numpy(float) * strength.to_numpy(float)
    count = pairs[sent].fillna(0).to_numpy(float) + strength.to_numpy(float)
    return pairs.assign(response=did / count, did=did, count=count)


def _ranking(
    responses: dict[str, _Response], shown: dict[str, float], written: set[str]
) -> list[str]:
    """Channels from the best down: by what lots have shown, by what was seen, by usage."""

    def key(channel: str) -> tuple[int, float, int, str]:
        usual = (*_USUAL_ORDER, channel).index(channel)
        if channel in shown:
            return 0, -shown[channel], usual, channel
        if channel in written:
            return 1, -responses[channel].rate, usual, channel
        return 2, 0.0, usual, channel

    return sorted(responses, key=key)


def _told(chosen: pd.DataFrame, written: set[str]) -> pd.DataFrame:
    channel = chosen["channel"]
    is_shown: NDArray[np.bool_] = chosen["is_shown"].to_numpy(bool)
    is_written: NDArray[np.bool_] = channel.isin(list(written)).to_numpy(bool)
    is_personal = chosen["is_personal"].to_numpy(bool)
    did, count = chosen["did"].to_numpy(float), chosen["count"].to_numpy(float)
    reason = np.select(
        [is_personal, is_shown, is_written],
        [
            "buys after messages on it more than others do, and lots have shown that it pays",
            "lots have shown that it sells most of the channels that are open",
            "purchases follow it most of the channels that are open, which may have other reasons",
        ],
        "nobody was written to on an open channel yet",
    )
    return pd.DataFrame(
        {
            "customer_id": chosen["customer_id"],
            "best_channel": channel,
            "channel_evidence": np.select(
                [is_shown, is_written], [RANDOMISED, OBSERVATIONAL], PRIOR
            ),
            "is_personal": is_personal,
            "expected_response": chosen["response"],
            "lower_bound": beta.ppf(1 - _CERTAINTY, did, count - did),
            "reason": reason,
        }
    )
