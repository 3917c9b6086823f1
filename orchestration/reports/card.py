"""The contact card: all that readers may know of one customer, with reasons, before a contact.

It reads what is published, so it holds no personal data; pii.customers of the warehouse has names
and addresses.
"""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

LAST_INTERACTIONS = 15

# Columns of marts.customer_360 by the question that they answer; what is NULL is left out.
SECTIONS = {
    "Who": (
        "first_seen_at",
        "gender",
        "home_city",
        "home_city_size",
        "time_zone",
        "main_brand_id",
        "brand_activity_group",
        "is_subscribed",
        "has_email_consent",
    ),
    "Stage": (
        "lifecycle_stage",
        "stage_since",
        "stage_reason",
        "next_stage",
        "next_stage_on",
        "expected_next_order_on",
    ),
    "Worth": (
        "order_count",
        "net_revenue",
        "average_order_amount",
        "last_order_at",
        "rfm_segment",
        "rfm_segment_sm",
        "total_score",
        "total_trend",
        "top_reasons",
    ),
    "Likes": (
        "favourite_category",
        "favourite_product_brand",
        "favourite_price_shelf",
        "favourite_colour",
        "discount_share",
        "gift_share",
        "only_occasion",
        "is_price_seeker",
        "is_search_first",
        "is_reader",
        "owned_product_count",
    ),
    "Last time": (
        "last_contact",
        "last_contact_at",
        "last_contact_department",
        "open_case_topic",
        "open_case_since",
        "last_satisfaction",
        "last_abandoned_step",
        "likely_cause_of_abandoning",
        "last_searched_gone_product_id",
        "its_replacement_product_id",
    ),
    "Next time": (
        "best_channel",
        "channels_to_skip",
        "best_weekday",
        "best_hour",
        "next_contact_allowed_on",
        "target_brand_id",
        "target_reason",
        "next_question",
    ),
    "Expected": (
        "predicted_on",
        "purchase_chance_90d",
        "at_risk_on",
        "next_purchase_on",
        "expected_orders_365d",
        "expected_amount_365d",
        "selling_channel",
        "channel_evidence",
    ),
}


class UnknownCustomerError(Exception):
    """No published customer bears the id; the message says where ids are found."""


def card(serving: Path, customer: str) -> str:
    """The card of one customer, by any id that the customer ever had.

    Raises UnknownCustomerError when nobody bears it.
    """
    with duckdb.connect(str(serving), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        return "\n".join(_lines(connection, present_id(connection, customer)))


def present_id(connection: duckdb.DuckDBPyConnection, customer: str) -> str:
    """The id that a customer bears today, by any that it ever had.

    Raises UnknownCustomerError when nobody bears it.
    """
    rows = connection.execute(
        """
        select customer_id from marts.customers where customer_id = $1
        union all
        select current_customer_id from marts.customer_id_history
        where customer_id = $1 and current_customer_id is not null
        """,
        [customer],
    ).fetchall()
    if not rows:
        raise UnknownCustomerError(
            f"nobody bears the id {customer!r}: marts.customers has all ids, and "
            "marts.customer_records says which customer a record belongs to"
        )
    return str(rows[0][0])


def _lines(connection: duckdb.DuckDBPyConnection, customer: str) -> Iterable[str]:
    found = connection.execute("select * from marts.customer_360 where customer_id = ?", [customer])
    names = [column[0] for column in found.description or []]
    [values] = found.fetchall()
    known = dict(zip(names, values, strict=True))
    yield f"Customer {customer}"
    if known["erasure_requested_at"] is not None:
        yield "  asked to be forgotten: do not contact"
    for section, columns in SECTIONS.items():
        told = [name for name in columns if known[name] is not None]
        if told:
            yield section
            yield from (f"  {_words(name)}: {_told(known[name])}" for name in told)
    yield from _expectations(connection, customer)
    yield from _next_message(connection, customer)
    yield from _segments(connection, customer)
    yield from _reasons(connection, customer)
    yield from _conflicts(connection, customer)
    yield from _story(connection, customer)


def _expectations(connection: duckdb.DuckDBPyConnection, customer: str) -> Iterable[str]:
    """Why so much is expected, right after the section that says what; and what to offer."""
    rows = connection.execute(
        "select reason from marts.customer_predictions where customer_id = ? and brand_id is null",
        [customer],
    ).fetchall()
    yield from (f"  because: {reason}" for (reason,) in rows)
    rows = connection.execute(
        """
        select list, product_id, reason from marts.product_recommendations
        where customer_id = ? and place <= 3 and list in ('replenish', 'discover')
        order by list desc, place
        """,
        [customer],
    ).fetchall()
    if rows:
        yield "To offer"
    yield from (f"  {name} {product}: {reason}" for name, product, reason in rows)


def _next_message(connection: duckdb.DuckDBPyConnection, customer: str) -> Iterable[str]:
    rows = connection.execute(
        """
        select
            title, channel, brand_id, send_on, send_hour, text_key,
            coalesce(product_ids, []), coalesce(product_reasons, []), reasons
        from segments.next_messages
        where customer_id = ?
        """,
        [customer],
    ).fetchall()
    for title, channel, brand, send_on, hour, text_key, products, product_reasons, reasons in rows:
        if title is None:
            yield "No message now"
        else:
            yield "Next message"
            at = "" if hour is None else f" at {hour}:00"
            yield f"  {title}: {channel} of {brand} on {send_on}{at}, text {text_key}"
        for product, reason in zip(products, product_reasons, strict=True):
            yield f"  shows {product}: {reason}"
        yield from (f"  because: {reason}" for reason in reasons)


def _segments(connection: duckdb.DuckDBPyConnection, customer: str) -> Iterable[str]:
    rows = connection.execute(
        "select segment_id from segments.memberships where customer_id = ? order by segment_id",
        [customer],
    ).fetchall()
    if rows:
        yield "Segments"
    yield from (f"  {_words(segment)}" for (segment,) in rows)


def _reasons(connection: duckdb.DuckDBPyConnection, customer: str) -> Iterable[str]:
    rows = connection.execute(
        """
        select reason, evidence_count, last_evidence_at, evidence
        from marts.customer_inactivity_reasons
        where customer_id = ?
        order by reason_rank
        """,
        [customer],
    ).fetchall()
    if rows:
        yield "Why it went quiet"
    for reason, count, last_at, evidence in rows:
        parts = [
            "once" if count == 1 else f"{count} times",
            last_at and f"last {last_at:%Y-%m-%d}",
            evidence,
        ]
        yield f"  {_words(reason)}: {', '.join(part for part in parts if part)}"


def _conflicts(connection: duckdb.DuckDBPyConnection, customer: str) -> Iterable[str]:
    rows = connection.execute(
        """
        select field, candidate_count, decided_by
        from marts.customer_provenance
        where customer_id = ? and is_conflict
        order by field
        """,
        [customer],
    ).fetchall()
    if rows:
        yield "Records disagree"
    for field, count, decided_by in rows:
        yield f"  {_words(field)}: {count} values, decided by {decided_by}"


def _story(connection: duckdb.DuckDBPyConnection, customer: str) -> Iterable[str]:
    rows = connection.execute(
        """
        select happened_at, department, channel, interaction, detail, amount
        from marts.timeline
        where customer_id = ?
        order by happened_at desc, interaction_id desc
        limit ?
        """,
        [customer, LAST_INTERACTIONS],
    ).fetchall()
    if rows:
        yield f"The last {len(rows)} interactions"
    for happened_at, department, channel, interaction, detail, amount in rows:
        told = [detail, amount is not None and f"{amount:.2f}"]
        words = ", ".join(str(part) for part in told if part)
        yield (
            f"  {happened_at:%Y-%m-%d %H:%M} {department:<11} {channel:<9} {_words(interaction)}"
            + (f" ({words})" if words else "")
        )


def _words(name: str) -> str:
    return name.replace("_", " ")


def _told(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, list):
        return ", ".join(_words(str(each)) for each in value)
    return str(value)
