"""The page of text that a build ends with, read from what was published."""

from collections.abc import Mapping
from pathlib import Path

import duckdb

_TOTALS = """
select
    (select count(*) from marts.customers) as customers,
    (select count(*) from marts.customer_links) as linked,
    (select count(*) from marts.orders where is_counted) as orders,
    (select count(*) from marts.orders where is_counted and customer_id is null) as anonymous
"""

_REVENUE = """
select currency, sum(revenue_amount)
from marts.order_lines
group by currency
order by currency
"""

_SIZES = """
select segment_id, customer_count, previous_count, largest_daily_change, is_unusual
from segments.sizes
where as_of = (select max(as_of) from segments.sizes) and (customer_count > 0 or is_unusual)
order by segment_id
"""

_REFUSED_RULES = "select count(*) from segments.rules where status = 'refused'"

_OWN_CURRENCIES = """
select string_agg(distinct original_currency, ', ' order by original_currency)
from marts.orders
where currency = original_currency and currency <> $reporting_currency
"""

_UNKNOWN_ANSWERS = """
with unknown as (select unnest(unknown_questions) as question from marts.preference_centre),
counted as (select question, count(*) as answers from unknown group by question)
select string_agg(question || ' (' || answers || ')', ', ' order by question) from counted
"""


def summary(serving: Path, seconds: Mapping[str, float], reporting_currency: str) -> str:
    """Customers, orders, revenue, people per stage, RFM segment and segment view, unusual sizes,
    step times.
    """
    with duckdb.connect(str(serving), read_only=True) as published:
        [(customers, linked, orders, anonymous)] = published.execute(_TOTALS).fetchall()
        revenue = published.execute(_REVENUE).fetchall()
        segments = published.execute(_SIZES).fetchall()
        [(refused_rules,)] = published.execute(_REFUSED_RULES).fetchall()
        [(own_currencies,)] = published.execute(
            _OWN_CURRENCIES, {"reporting_currency": reporting_currency}
        ).fetchall()
        [(unknown_answers,)] = published.execute(_UNKNOWN_ANSWERS).fetchall()
        [(as_of,)] = published.execute(
            "select value from meta.published where key = 'as_of'"
        ).fetchall()
    sizes = {name: count for name, count, *_ in segments}
    stages = {name: count for name, count in sizes.items() if name.startswith("lifecycle_")}
    rfm = {name: count for name, count in sizes.items() if name.startswith("rfm_")}
    others = {name: n for name, n in sizes.items() if name not in stages and name not in rfm}
    lines = [
        f"As of {as_of}",
        "",
        *_row("customers", customers),
        *(_row("  linked to others", linked) if linked else ()),
        *_row("orders", orders),
        *_row("  of nobody known", anonymous),
        *(f"  {f'revenue, {currency}':<30}{amount:>18,.2f}" for currency, amount in revenue),
    ]
    if own_currencies:
        lines.append(
            f"  No exchange rate for {own_currencies}: these amounts stay in their own currency "
            "(seeds/exchange_rates.csv)."
        )
    if unknown_answers:
        lines.append(
            f"  Answers that nobody understands: {unknown_answers} (seeds/preference_answers.csv)."
        )
    for title, block in (
        ("Lifecycle stages", stages),
        ("RFM segments", rfm),
        ("Segments", others),
    ):
        lines += ["", title, *(row for item in block.items() for row in _row(*item))]
    lines += [
        f"  {name} had {previous:,} members before: it moved by more than {limit:.0%} a day."
        for name, count, previous, limit, is_unusual in segments
        if is_unusual
    ]
    if refused_rules:
        lines.append(
            f"  {refused_rules:,} rules of seeds/segments/segment_rules.csv are refused; "
            "segments.rules and make rules tell why."
        )
    lines += ["", "Steps", *(f"  {name:<30}{took:>16.1f} s" for name, took in seconds.items())]
    return "\n".join(lines)


def _row(name: str, count: int) -> list[str]:
    return [f"  {name:<30}{count:>18,}"]
