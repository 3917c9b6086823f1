"""What a rule may ask of the facts of a customer: how often, how much, when last.

Each measure is an aggregate over one source, computed once for all rules that ask for it. What it
filters by is written like any condition: times_bought(category = 'Tools', days = 90) >= 2.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType

from sqlglot import exp

from orchestration.segments import helpers
from orchestration.segments.expressions import Measure, Scope, ValueHelper
from orchestration.segments.language import (
    RuleError,
    as_written,
    did_you_mean,
    helper_name,
    quoted,
)
from orchestration.segments.values import Kind, Value, kind_of, text_sql

_PRODUCT = {
    "product_id": "VARCHAR",
    "category": "VARCHAR",
    "product_brand": "VARCHAR",
    "price_shelf": "VARCHAR",
    "colour": "VARCHAR",
    "is_premium": "BOOLEAN",
    "is_gift": "BOOLEAN",
}
_ORDER = {
    "brand_id": "VARCHAR",
    "channel": "VARCHAR",
    "store_id": "VARCHAR",
    "coupon_code": "VARCHAR",
}
# What a measure may filter by: the columns of each source with their types.
SOURCES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "orders": _ORDER,
        "order_lines": _ORDER | _PRODUCT,
        "messages": {
            "brand_id": "VARCHAR",
            "channel": "VARCHAR",
            "department": "VARCHAR",
            "campaign_id": "VARCHAR",
            "campaign": "VARCHAR",
        },
        "web_sessions": {
            "brand_id": "VARCHAR",
            "site": "VARCHAR",
            "entry_url": "VARCHAR",
            "referrer": "VARCHAR",
            "utm_source": "VARCHAR",
            "utm_medium": "VARCHAR",
            "utm_campaign": "VARCHAR",
            "device_type": "VARCHAR",
            "country": "VARCHAR",
            "is_logged_in": "BOOLEAN",
            "page_view_count": "BIGINT",
        },
        "product_interest": _PRODUCT,
        "recommendations": {"kind": "VARCHAR", "place": "INTEGER"} | _PRODUCT,
        "lookalikes": {},
        "interactions": {"brand_id": "VARCHAR"},
        "timeline": {
            "brand_id": "VARCHAR",
            "department": "VARCHAR",
            "channel": "VARCHAR",
            "subject_id": "VARCHAR",
            "detail": "VARCHAR",
            "amount": "DECIMAL(18,4)",
        },
    }
)
# What their aggregates read besides.
READ: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "orders": {
            "customer_id": "VARCHAR",
            "ordered_on": "DATE",
            "order_number": "BIGINT",
            "net_amount": "DECIMAL(18,4)",
            "item_count": "DECIMAL(18,4)",
        },
        "order_lines": {
            "customer_id": "VARCHAR",
            "order_id": "VARCHAR",
            "ordered_at": "TIMESTAMP",
            "ordered_on": "DATE",
            "line_kind": "VARCHAR",
            "quantity": "DECIMAL(18,4)",
            "revenue_amount": "DECIMAL(18,4)",
        },
        "messages": {
            "customer_id": "VARCHAR",
            "sent_at": "TIMESTAMP",
            "first_opened_at": "TIMESTAMP",
            "first_clicked_at": "TIMESTAMP",
            "bounced_at": "TIMESTAMP",
            "complained_at": "TIMESTAMP",
            "unsubscribed_at": "TIMESTAMP",
            "replied_at": "TIMESTAMP",
            "first_redeemed_at": "TIMESTAMP",
        },
        "web_sessions": {"customer_id": "VARCHAR", "started_at": "TIMESTAMP"},
        "product_interest": {
            "customer_id": "VARCHAR",
            "seen_on": "DATE",
            "view_count": "BIGINT",
            "cart_add_count": "BIGINT",
            "wishlist_add_count": "BIGINT",
        },
        "recommendations": {"customer_id": "VARCHAR"},
        "lookalikes": {"customer_id": "VARCHAR", "segment_id": "VARCHAR", "place": "INTEGER"},
        "interactions": {
            "customer_id": "VARCHAR",
            "interaction": "VARCHAR",
            "happened_at": "TIMESTAMP",
            "interaction_count": "BIGINT",
        },
        "timeline": {
            "customer_id": "VARCHAR",
            "interaction": "VARCHAR",
            "happened_at": "TIMESTAMP",
        },
    }
)


@dataclass(frozen=True)
class Interaction:
    """Where an interaction is counted: source, its time, how much a row counts, which rows do."""

    source: str
    at: str
    count: str = "1"
    where: str = ""


def _interactions() -> dict[str, Interaction]:
    kinds = {
        f"message_{outcome}": Interaction("messages", at, where=f"{at} is not null")
        for outcome, at in (
            ("sent", "sent_at"),
            ("opened", "first_opened_at"),
            ("clicked", "first_clicked_at"),
            ("bounced", "bounced_at"),
            ("complained", "complained_at"),
            ("unsubscribed", "unsubscribed_at"),
            ("replied", "replied_at"),
        )
    }
    redeemed = "first_redeemed_at"
    kinds["coupon_redeemed"] = Interaction("messages", redeemed, where=f"{redeemed} is not null")
    kinds["session"] = Interaction("web_sessions", "started_at")
    for kind, count in (
        ("product_view", "view_count"),
        ("cart_add", "cart_add_count"),
        ("wishlist_add", "wishlist_add_count"),
    ):
        kinds[kind] = Interaction("product_interest", "seen_on", count, f"{count} > 0")
    for kind in ("search", "blog_read", "download", "form", "checkout_step"):
        kinds[kind] = Interaction(
            "interactions", "happened_at", "interaction_count", f"interaction = '{kind}'"
        )
    for kind in (
        "account_opened",
        "answer",
        "card_issued",
        "cart_left",
        "case_closed",
        "case_opened",
        "consent_granted",
        "consent_withdrawn",
        "contact_made",
        "note",
        "order",
        "payment_failed",
        "payment_paid",
        "payment_refunded",
        "receipt",
        "referral",
        "registration",
        "return",
        "review",
        "social_post",
    ):
        kinds[kind] = Interaction("timeline", "happened_at", where=f"interaction = '{kind}'")
    return kinds


# The interactions that times_done, first_done and last_done know.
INTERACTIONS: Mapping[str, Interaction] = MappingProxyType(_interactions())

_WINDOW = {"days", "ago", "since", "until"}
_MOST_DAYS = 36_500
_IS_BOUGHT = "line_kind = 'merchandise'"


def _bought(scope: Scope, node: exp.Anonymous) -> Value:
    """A measure of purchases: of orders, or of their lines where it filters by products."""
    given = list(node.expressions)
    window = _window(scope, node, given, "ordered_on")
    name, (condition, used) = helper_name(node), _filter(scope, node, given, "order_lines")
    if used & _PRODUCT.keys():
        return _bought_lines(scope, node, _all(window, condition))
    where = _where(_all(window, condition))
    aggregates = {
        "times_bought": (f"count(*){where}", "BIGINT", "0"),
        "items_bought": (f"cast(sum(item_count){where} as double)", "DOUBLE", "0"),
        "amount_spent": (f"cast(sum(net_amount){where} as double)", "DOUBLE", "0"),
        "smallest_purchase": (f"cast(min(net_amount){where} as double)", "DOUBLE", None),
        "largest_purchase": (f"cast(max(net_amount){where} as double)", "DOUBLE", None),
        "average_purchase": (f"cast(avg(net_amount){where} as double)", "DOUBLE", None),
        "last_purchase": (
            f"cast(arg_max(net_amount, order_number){where} as double)",
            "DOUBLE",
            None,
        ),
        "first_bought": (f"min(ordered_on){where}", "DATE", None),
        "last_bought": (f"max(ordered_on){where}", "DATE", None),
    }
    aggregate, duckdb_type, default = aggregates[name]
    return _measure(scope, node, "orders", None, aggregate, duckdb_type, default)


def _bought_lines(scope: Scope, node: exp.Anonymous, condition: str) -> Value:
    is_bought = f"coalesce(bool_or({_all(_IS_BOUGHT, condition)}), false)"
    items = f"sum(quantity){_where(_all(_IS_BOUGHT, condition))}"
    amount = f"sum(revenue_amount){_where(condition)}"
    last = "arg_max({0}, {'at': ordered_at, 'order_id': order_id}) filter (where {0} is not null)"
    steps = {
        "times_bought": (is_bought, "count(*) filter (where {0})", "BIGINT", "0"),
        "items_bought": (items, "cast(sum({0}) as double)", "DOUBLE", "0"),
        "amount_spent": (amount, "cast(sum({0}) as double)", "DOUBLE", "0"),
        "smallest_purchase": (amount, "cast(min({0}) as double)", "DOUBLE", None),
        "largest_purchase": (amount, "cast(max({0}) as double)", "DOUBLE", None),
        "average_purchase": (amount, "cast(avg({0}) as double)", "DOUBLE", None),
        "last_purchase": (amount, f"cast({last} as double)", "DOUBLE", None),
        "first_bought": (is_bought, "min(ordered_on) filter (where {0})", "DATE", None),
        "last_bought": (is_bought, "max(ordered_on) filter (where {0})", "DATE", None),
    }
    step, aggregate, duckdb_type, default = steps[helper_name(node)]
    return _measure(scope, node, "order_lines", step, aggregate, duckdb_type, default)


def _done(scope: Scope, node: exp.Anonymous) -> Value:
    """A measure of interactions: how often one was done, when first or last."""
    name, given = helper_name(node), list(node.expressions)
    if not given:
        raise RuleError(f"{name}(...) takes the kind of an interaction first, like 'search'")
    kind = scope.literal_text(given.pop(0), name)
    if kind not in INTERACTIONS:
        raise RuleError(f"there is no interaction {quoted(kind)}{did_you_mean(kind, INTERACTIONS)}")
    done = INTERACTIONS[kind]
    window = _window(scope, node, given, done.at)
    condition, _ = _filter(scope, node, given, done.source)
    where = _where(_all(done.where, window, condition))
    if name == "times_done":
        counted = "count(*)" if done.count == "1" else f"sum({done.count})"
        aggregate, duckdb_type, default = f"cast({counted}{where} as bigint)", "BIGINT", "0"
    else:
        function = "max" if name == "last_done" else "min"
        duckdb_type, default = "DATE" if done.at == "seen_on" else "TIMESTAMP", None
        aggregate = f"{function}({done.at}){where}"
    return _measure(scope, node, done.source, None, aggregate, duckdb_type, default)


def _recommended(scope: Scope, node: exp.Anonymous) -> Value:
    """How many products are recommended, of those that are asked for."""
    condition, _ = _filter(scope, node, list(node.expressions), "recommendations")
    aggregate = f"count(*){_where(condition)}"
    return _measure(scope, node, "recommendations", None, aggregate, "BIGINT", "0")


def lookalike_place(scope: Scope, node: exp.Anonymous, segment_id: str) -> Value:
    """The place among those who are like the members of a segment; not known beyond the last."""
    scope.used.lookalikes[segment_id] = None
    aggregate = f"min(place) filter (where segment_id = {text_sql(segment_id)})"
    return _measure(scope, node, "lookalikes", None, aggregate, "INTEGER", None)


def _measure(
    scope: Scope,
    node: exp.Anonymous,
    source: str,
    step: str | None,
    aggregate: str,
    duckdb_type: str,
    default: str | None,
) -> Value:
    """Note that the rule asks for a measure; equal ones have equal names, whoever asks."""
    told = "\n".join((source, step or "", aggregate))
    name = f"m_{hashlib.sha256(told.encode()).hexdigest()[:12]}"
    label = as_written(node)
    if step is not None:
        aggregate = aggregate.replace("{0}", name)
    measure = Measure(name, source, step, aggregate, duckdb_type, label, default)
    scope.used.measures[name] = measure
    kind = kind_of(duckdb_type)
    assert kind is not None
    return Value(name, kind, label, duckdb_type)


def _window(scope: Scope, node: exp.Anonymous, given: list[exp.Expr], at: str) -> str:
    """Take days, ago, since and until from the arguments: the days whose rows count."""
    said: dict[str, exp.Expr] = {}
    for argument in list(given):
        if isinstance(argument, exp.EQ) and isinstance(argument.this, exp.Column):
            word = str(argument.this.name)
            if word in _WINDOW:
                if word in said:
                    raise RuleError(f"{helper_name(node)}(...) has {word} twice")
                said[word] = argument.expression
                given.remove(argument)
    name = helper_name(node)
    days = (
        scope.literal_integer(said["days"], f"{name} days", 1, _MOST_DAYS) if "days" in said else 0
    )
    ago = scope.literal_integer(said["ago"], f"{name} ago", 0, _MOST_DAYS) if "ago" in said else 0
    parts = []
    if days:
        parts.append(f"{at} >= date '{scope.as_of - timedelta(ago + days - 1)}'")
    if ago:
        parts.append(f"{at} < date '{scope.as_of - timedelta(ago - 1)}'")
    if "since" in said:
        parts.append(f"{at} >= date '{_day(scope, said['since'], name)}'")
    if "until" in said:
        parts.append(f"{at} < date '{_day(scope, said['until'], name) + timedelta(1)}'")
    return _all(*parts)


def _day(scope: Scope, node: exp.Expr, name: str) -> date:
    value = scope.value(node)
    try:
        day = value.literal if value.kind == Kind.DAY else date.fromisoformat(str(value.literal))
    except ValueError:
        day = None
    if not isinstance(day, date) or day.year == date.max.year:
        raise RuleError(f"{name} takes a day like '2026-06-30'; {value.word} is none")
    return day


def _filter(
    scope: Scope, node: exp.Anonymous, given: list[exp.Expr], source: str
) -> tuple[str, set[str]]:
    """The conditions among the arguments, over the columns of the source, and what they use."""
    inner = Scope(
        as_of=scope.as_of,
        columns=SOURCES[source],
        condition_helpers=helpers.CONDITIONS,
        value_helpers=helpers.VALUES,
    )
    name = helper_name(node)
    try:
        condition = _all(*(inner.condition(argument) for argument in given))
    except RuleError as error:
        raise RuleError(f"in {name}(...): {error}") from None
    return condition, set(inner.used.columns)


def _all(*conditions: str) -> str:
    return " and ".join(condition for condition in conditions if condition)


def _where(condition: str) -> str:
    return f" filter (where {condition})" if condition else ""


VALUES: dict[str, ValueHelper] = {
    "times_bought": _bought,
    "items_bought": _bought,
    "amount_spent": _bought,
    "smallest_purchase": _bought,
    "largest_purchase": _bought,
    "average_purchase": _bought,
    "last_purchase": _bought,
    "first_bought": _bought,
    "last_bought": _bought,
    "times_done": _done,
    "first_done": _done,
    "last_done": _done,
    "times_recommended": _recommended,
}
