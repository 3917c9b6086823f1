"""On which channel to write to a customer: what lots have shown, and no more than that.

Who is written to by SMS differs from who is not, so that purchases after messages say who buys
rather than what a channel does. Only lots between channels tell them apart. A choice of the
customer's own is made where it would have sold more than the best channel of all on customers whom
lots had given a channel; everybody else gets that best one, of those that are open.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import beta

from orchestration.predictions.estimators import Estimate, snips, snips_difference
from orchestration.predictions.evaluation import Numbers
from orchestration.predictions.purchases import Codes, Flags

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

    customers: int
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
            f"of {self.customers:,} customers a choice by customer {self.personal.value:.4f}, the "
            f"best channel alone {self.single.value:.4f}, difference {self.difference.low:.4f} to "
            f"{self.difference.high:.4f}"
        )


@dataclass(frozen=True)
class _Response:
    """How often messages of a channel are followed by a purchase, and as how many it weighs."""

    rate: float
    strength: float


@dataclass(frozen=True)
class _Known:
    """What is known of customers (rows) and channels (columns): messages sent, and the beta
    distribution of the chance of a purchase after one, as purchases among so many messages.
    """

    sent: Numbers
    did: Numbers
    count: Numbers

    @property
    def response(self) -> Numbers:
        """The mean of the chance. Rounded, lest the order of rows should break ties."""
        rounded: Numbers = np.round(self.did / self.count, 12)
        return rounded


def choose_channels(
    contacts: pd.DataFrame, explored: pd.DataFrame, open_channels: pd.DataFrame
) -> tuple[pd.DataFrame, Judgement]:
    """The channel of each customer who has an open one, with how it is known and why.

    `contacts` are rows of features.channel_contacts, `explored` of features.channel_explorations,
    `open_channels` of features.open_channels. The counts of before in `contacts` must end where
    the first lots begin: what judges a choice must not have made it. The propensity of `explored`
    must be the chance of the channel, of all its arms: two arms of half of it each would count its
    customers twice. A row per customer, by customer_id, with columns of
    predictions.channel_choices but as_of.
    """
    lots = _comparable(explored)
    shown = _shown_rates(lots)
    judgement = _judge(contacts, lots, shown)
    written = set(contacts.loc[contacts["sent_count"] > 0, "channel"].unique())
    # Where nobody may be written to, one channel still: there is no first of none.
    wanted = {*open_channels["channel"].unique()} or {_USUAL_ORDER[0]}
    responses = _responses(contacts, "sent_count", "bought_count", wanted)
    channels = _ranking(responses, shown, written)
    customers = pd.Index(open_channels["customer_id"].unique()).sort_values()
    is_shown, is_written = np.isin(channels, list(shown)), np.isin(channels, list(written))
    [opened] = _matrices(open_channels.assign(is_open=1), ["is_open"], customers, channels)
    is_open = opened > 0
    known = _known(contacts, "sent_count", "bought_count", customers, channels, responses)
    single = is_open.argmax(axis=1)
    chosen = single
    if judgement.is_proven:
        chosen = _own_choice(known, is_open & is_shown, otherwise=single)
    return _told(
        customers, channels, is_open, known, single, chosen, is_shown, is_written
    ), judgement


def _own_choice(known: _Known, allowed: Flags, otherwise: Codes) -> Codes:
    """Of each customer the allowed channel with the highest chance, the first of equal ones.

    Who was never written to on an allowed channel has shown nothing, and gets `otherwise`.
    """
    likeliest = np.where(allowed, known.response, -1.0).argmax(axis=1)
    return np.where(((known.sent > 0) & allowed).any(axis=1), likeliest, otherwise)


def _comparable(explored: pd.DataFrame) -> pd.DataFrame:
    """Rows of the experiments that drew between the same channels, the group with most customers
    on channels that enough of them got; no rows where no group has two such channels.

    A rate of Christmas and one of summer are no lot between what was sent then and now.
    """
    drawn = explored[explored["channel"].notna()]
    between = drawn.groupby("experiment_id")["channel"].agg(lambda each: ",".join(sorted({*each})))
    drawn = drawn.assign(between=drawn["experiment_id"].map(between))
    customers = drawn.groupby(["between", "channel"])["customer_id"].nunique()
    sizes = customers[customers >= LEAST_EXPLORED].reset_index()
    sizes = sizes[sizes.groupby("between")["channel"].transform("size") > 1]
    if sizes.empty:
        return drawn.iloc[:0]
    totals = sizes.groupby("between")["customer_id"].sum().sort_index()
    largest = sizes[sizes["between"] == totals.idxmax()]
    return drawn.merge(largest[["between", "channel"]], on=["between", "channel"])


def _shown_rates(lots: pd.DataFrame) -> dict[str, float]:
    """The share of buyers by channel. Rounded, lest the order of rows should break ties."""
    return {
        str(channel): round(
            float(np.average(rows["has_bought"].astype(float), weights=1 / rows["propensity"])), 12
        )
        for channel, rows in lots.groupby("channel")
    }


def _judge(contacts: pd.DataFrame, lots: pd.DataFrame, shown: dict[str, float]) -> Judgement:
    """Compare the two ways of choosing on the customers to whom lots gave a channel.

    The choice by customer knows only what was sent before. Whoever was drawn could get any of
    these channels, whether or not it is open by now: that may be what a message did.
    """
    if not shown:
        return Judgement(0, None, None, None)
    names = ("sent_before_count", "bought_before_count")
    responses = _responses(contacts, *names, set(shown))
    channels = _ranking(responses, shown, set(shown))
    code, ids = pd.factorize(lots["customer_id"])
    known = _known(contacts, *names, pd.Index(ids), channels, responses)
    everywhere, best = np.ones_like(known.sent, dtype=bool), np.zeros(len(ids), dtype=np.int64)
    given = (
        lots["channel"].map({channel: place for place, channel in enumerate(channels)}).to_numpy()
    )
    outcome, propensity = lots["has_bought"].to_numpy(float), lots["propensity"].to_numpy(float)
    by_customer, by_best = given == _own_choice(known, everywhere, best)[code], given == 0
    return Judgement(
        len(ids),
        snips(outcome, propensity, by_customer, code),
        snips(outcome, propensity, by_best, code),
        snips_difference(outcome, propensity, by_customer, by_best, code),
    )


def _responses(
    contacts: pd.DataFrame, sent: str, bought: str, channels: set[str]
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
    return {channel: known.get(channel, unknown) for channel in sorted(channels)}


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


def _known(
    contacts: pd.DataFrame,
    sent: str,
    bought: str,
    customers: pd.Index,
    channels: list[str],
    responses: dict[str, _Response],
) -> _Known:
    """A customer's own messages, and those of everybody that the rate of the channel weighs."""
    rate = np.array([responses[channel].rate for channel in channels])
    strength = np.array([responses[channel].strength for channel in channels])
    messages, purchases = _matrices(contacts, [sent, bought], customers, channels)
    return _Known(messages, purchases + rate * strength, messages + strength)


def _matrices(
    rows: pd.DataFrame, values: list[str], customers: pd.Index, channels: list[str]
) -> list[Numbers]:
    """Columns of rows by customer_id and channel as customers by channels, 0 where none is."""
    row = customers.get_indexer(pd.Index(rows["customer_id"]))
    column = rows["channel"].map({channel: place for place, channel in enumerate(channels)})
    wanted = (row >= 0) & column.notna().to_numpy()
    at = row[wanted], column.to_numpy(float)[wanted].astype(np.int64)
    results = [np.zeros((len(customers), len(channels))) for _ in values]
    for result, value in zip(results, values, strict=True):
        result[at] = rows[value].to_numpy(float)[wanted]
    return results


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


def _told(
    customers: pd.Index,
    channels: list[str],
    is_open: Flags,
    known: _Known,
    single: Codes,
    chosen: Codes,
    is_shown: Flags,
    is_written: Flags,
) -> pd.DataFrame:
    """The choices with the lower bound of their chance and a reason that holds for the customer."""
    each = np.arange(len(customers))
    did, count = known.did[each, chosen], known.count[each, chosen]
    is_personal = chosen != single
    by_lot, by_messages = is_shown[chosen], is_written[chosen]
    reason = np.select(
        [is_personal, is_open.sum(axis=1) == 1, by_lot, by_messages],
        [
            "likeliest by what followed the messages to this customer; lots have shown it pays",
            "the only channel that is open",
            "of the open channels that lots have tried it sells most",
            "of the open channels purchases follow it most, which may have other reasons",
        ],
        "nobody was written to on an open channel yet",
    )
    return pd.DataFrame(
        {
            "customer_id": customers,
            "best_channel": np.array(channels, dtype=object)[chosen],
            "channel_evidence": np.select(
                [by_lot, by_messages], [RANDOMISED, OBSERVATIONAL], PRIOR
            ),
            "is_personal": is_personal,
            "expected_response": known.response[each, chosen],
            "lower_bound": beta.ppf(1 - _CERTAINTY, did, count - did),
            "reason": reason,
        }
    )
