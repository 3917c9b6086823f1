"""The next allowed day, against trying one day after the other."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.python.macros import compile_model

AS_OF = date(2028, 2, 29)
HORIZON = 200  # Days after which nothing of the past keeps a message back.
BRANDS = ("domowo", "werkhof")
CHANNELS = ("email", "phone")


class Message(NamedTuple):
    """A message that was sent so many days before the as-of day."""

    brand: str
    channel: str
    days_ago: int
    is_service: bool


class Cap(NamedTuple):
    """At most so many messages in so many days; on all channels when it names none."""

    channel: str | None
    days: int
    most: int
    counts_service: bool


class Wish(NamedTuple):
    """What the customer asked a brand for."""

    days: int | None
    most: int | None
    pause_days: int | None


Consents = set[tuple[str, str]]
Wishes = dict[str, Wish]

_INPUTS = """
create table messages (
    customer_id varchar, brand_id varchar, channel varchar, message_id varchar, sent_at timestamp,
    department varchar
);
create table consents (
    customer_id varchar, brand_id varchar, purpose varchar, channel varchar, is_granted boolean
);
create table preference_centre (
    customer_id varchar, brand_id varchar, cap_days integer, max_contacts integer, pause_until date
);
create table contact_caps (
    cap varchar, channel varchar, cap_days integer, max_contacts integer, counts_service boolean
);
"""


def allowed_by_model(
    sent: Sequence[Message], consents: Consents, wishes: Wishes, caps: Sequence[Cap]
) -> dict[str, date | None]:
    with duckdb.connect() as connection:
        connection.execute(_INPUTS)
        for n, message in enumerate(sent):
            connection.execute(
                "insert into messages values ('anna', ?, ?, ?, ?, ?)",
                [
                    *(message.brand, message.channel, f"M{n:02}"),
                    AS_OF - timedelta(days=message.days_ago),
                    "service" if message.is_service else "marketing",
                ],
            )
        for brand, channel in consents:
            connection.execute(
                "insert into consents values ('anna', ?, 'marketing', ?, true)", [brand, channel]
            )
        for brand, wish in wishes.items():
            pause = None if wish.pause_days is None else AS_OF + timedelta(days=wish.pause_days)
            connection.execute(
                "insert into preference_centre values ('anna', ?, ?, ?, ?)",
                [brand, wish.days, wish.most, pause],
            )
        for n, cap in enumerate(caps):
            connection.execute("insert into contact_caps values (?, ?, ?, ?, ?)", [f"C{n}", *cap])
        model = compile_model("contact_pressure", as_of=AS_OF)
        rows = connection.execute(
            f"select channel, next_allowed_on from ({model}) where channel is not null"
        ).fetchall()
    return dict(rows)


def allowed_by_trial(
    sent: Sequence[Message], consents: Consents, wishes: Wishes, caps: Sequence[Cap]
) -> dict[str, date | None]:
    """The first day on which one more message of a brand with consent breaks nothing."""
    used = {channel for _, channel in consents} | {message.channel for message in sent}
    return {
        channel: next(
            (
                AS_OF + timedelta(days=day)
                for day in range(HORIZON)
                if any(
                    _fits(sent, wishes, caps, brand, channel, day)
                    for brand in BRANDS
                    if (brand, channel) in consents
                )
            ),
            None,
        )
        for channel in used
    }


def _fits(
    sent: Sequence[Message],
    wishes: Wishes,
    caps: Sequence[Cap],
    brand: str,
    channel: str,
    day: int,
) -> bool:
    def count(days: int, of: Sequence[Message]) -> int:
        return sum(message.days_ago + day < days for message in of)

    marketing = [message for message in sent if not message.is_service]
    wish = wishes.get(brand, Wish(None, None, None))
    if wish.pause_days is not None and day <= wish.pause_days:
        return False
    own = [message for message in marketing if message.brand == brand]
    if wish.days is not None and wish.most is not None and count(wish.days, own) >= wish.most:
        return False
    return all(
        count(
            cap.days,
            [
                message
                for message in (sent if cap.counts_service else marketing)
                if cap.channel in (None, message.channel)
            ],
        )
        < cap.most
        for cap in caps
        if cap.channel in (None, channel)
    )


brands = st.sampled_from(BRANDS)
channels = st.sampled_from(CHANNELS)
messages = st.builds(Message, brands, channels, st.integers(0, 89), st.booleans())
pauses = st.none() | st.integers(-1, 3)
wishes = st.builds(Wish, st.none(), st.none(), pauses) | st.builds(
    Wish, st.sampled_from([1, 7, 90]), st.integers(0, 3), pauses
)
limits = st.builds(
    Cap, st.none() | channels, st.sampled_from([1, 2, 7, 30, 90]), st.integers(1, 3), st.booleans()
)


@settings(max_examples=200, deadline=None)
@given(
    sent=st.lists(messages, max_size=8),
    consents=st.sets(st.tuples(brands, channels), min_size=1),
    asked=st.fixed_dictionaries({}, optional=dict.fromkeys(BRANDS, wishes)),
    caps=st.lists(limits, max_size=4),
)
def test_the_next_allowed_day_is_the_first_that_breaks_nothing(
    sent: list[Message], consents: Consents, asked: Wishes, caps: list[Cap]
) -> None:
    by_model = allowed_by_model(sent, consents, asked, caps)
    assert by_model == allowed_by_trial(sent, consents, asked, caps)
