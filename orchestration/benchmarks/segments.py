"""Five hundred rule segments over a million customers, beside one statement written by hand.

The customers are made, with columns of customer_360 as they are: most know little, few bought
much. The rules are compiled and kept by the project's own models; the statement asks the same of
the same tables, a query for each segment, and stores the same rows. Each is a process of its own.
"""

import json
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from orchestration.measured import run_part
from orchestration.paths import PROJECT, Paths

_THIS = "orchestration.benchmarks.segments"
DEFAULT_SIZE = 1_000_000
RULES = 500
ORDERS_OF_A_CUSTOMER = 3
INTERACTIONS_OF_A_CUSTOMER = 6
AS_OF = "2026-06-30"
GOAL_SECONDS = 30
GOAL_TIMES = 1.5

_CATEGORIES = ("Home and Garden", "Fashion", "Sport", "Kids", "Books", "Toys", "Beauty")
_STAGES = ("potential", "new", "reactivated", "active", "at_risk", "inactive", "lost")
_INTERACTIONS = ("cart_left", "contact_made", "review", "case_opened", "payment_failed")
_WINDOWS = (7, 14, 30, 60, 90, 180, 365)

# Each customer has a number `n` and, from it, chances that follow no order: half of them never
# bought, and of those who did a few bought very often.
_CUSTOMERS = f"""
create table marts.customer_360 as
with chances as (
    select
        n,
        hash(n, 'buyer') % 100 < 55 as is_buyer,
        hash(n, 'known') % 100 < 60 as is_known,
        (hash(n, 'orders') % 1000000 + 1) / 1000000 as luck,
        (hash(n, 'mail') % 1000000 + 1) / 1000000 as interest,
        cast(hash(n, 'day') % 1500 as integer) as days_ago
    from range(getvariable('customers')) as numbers (n)
)

select
    'c' || left(md5(n::varchar), 19) as customer_id,
    cast(null as timestamp) as erasure_requested_at,
    case when is_known then ['female', 'male'][1 + (hash(n, 'g') % 2)::integer] end as gender,
    case when is_known then ['PL', 'DE', 'CZ'][1 + (hash(n, 'c') % 3)::integer] end as country,
    case when is_known then 'City ' || floor(400 * power(luck, 3))::integer end as home_city,
    case when is_known then floor(2000000 * power(interest, 4))::integer end
        as home_city_population,
    case when is_known then floor(80 * luck)::double end as nearest_store_km,
    hash(n, 's') % 3 = 0 as is_subscribed,
    hash(n, 'e') % 4 = 0 as has_email_consent,
    is_buyer and hash(n, 'store') % 5 = 0 as is_store_only,
    case when is_buyer then least(200, floor(power(luck, -0.7)))::bigint else 0 end as order_count,
    case when is_buyer then (60 * power(luck, -0.8))::decimal(18, 4) else 0 end as net_revenue,
    case when is_buyer then (40 * power(interest, -0.3))::decimal(18, 4) end
        as average_order_amount,
    case when is_buyer and days_ago < 365 then floor(power(luck, -0.5))::bigint else 0 end
        as orders_365d,
    case when is_buyer then timestamp '{AS_OF}' - to_days(days_ago + 900) end as first_order_at,
    case when is_buyer then timestamp '{AS_OF}' - to_days(days_ago) end as last_order_at,
    case when is_buyer then {list(_CATEGORIES)}[1 + floor(7 * power(interest, 2))::integer] end
        as main_category,
    case when is_buyer then {list(_CATEGORIES)}[1 + floor(7 * power(luck, 2))::integer] end
        as favourite_category,
    case
        when is_buyer then {list(_STAGES)}[2 + (hash(n, 'stage') % 6)::integer] else 'potential'
    end as lifecycle_stage,
    case when is_buyer then 1 + (hash(n, 'r') % 5)::integer end as r_score,
    case when is_buyer then 1 + floor(4.99 * power(1 - luck, 3))::integer end as f_score,
    case when is_buyer then (hash(n, 'discount') % 101 / 100)::decimal(5, 4) end as discount_share,
    case when is_buyer then (power(interest, 3))::decimal(5, 4) end as gift_share,
    floor(power(interest, -0.6) - 1)::bigint as opens_30d,
    floor(power(interest, -0.4) - 1)::bigint as sessions_30d,
    floor(power(luck, -0.4) - 1)::bigint as searches_90d,
    floor(2 * power(interest, -0.5) - 2)::bigint as views_90d,
    case when hash(n, 'nps') % 20 = 0 then 1 + (hash(n, 'n') % 5)::integer end
        as last_satisfaction,
    case when hash(n, 'contact') % 30 = 0 then (hash(n, 'k') % 3)::bigint else 0 end
        as complaint_count,
    case when hash(n, 'b') % 3 > 0 then ['email', 'sms', 'push'][1 + (hash(n, 'bc') % 3)::integer]
    end as best_channel,
    case when hash(n, 't') % 4 > 0 then (hash(n, 'bh') % 24)::integer end as best_hour
from chances
"""


# Their orders, most of them of few customers, of two lines each; and what else they did.
_FACTS = f"""
create table marts.orders as
select
    'order ' || n as order_id,
    'c' || left(md5(who::varchar), 19) as customer_id,
    ['domowo', 'modny'][1 + (hash(n, 'brand') % 2)::integer] as brand_id,
    ['web', 'store'][1 + (hash(n, 'channel') % 2)::integer] as channel,
    cast(null as varchar) as store_id,
    cast(null as varchar) as coupon_code,
    timestamp '{AS_OF}' - to_days((hash(n, 'when') % 800)::integer) as ordered_at,
    cast(ordered_at as date) as ordered_on,
    hash(n, 'counted') % 50 > 0 as is_counted,
    (20 + hash(n, 'amount') % 20000 / 100)::decimal(18, 4) as net_amount,
    (1 + hash(n, 'items') % 4)::decimal(18, 4) as item_count,
    n as order_number
from (
    select
        n,
        floor(getvariable('customers') * power((hash(n, 'who') % 1000000) / 1000000, 3))::bigint
            as who
    from range({ORDERS_OF_A_CUSTOMER} * getvariable('customers')) as numbers (n)
);
create table marts.order_lines as
select
    order_id,
    'product ' || (hash(order_id, line_no) % 1000) as product_id,
    'merchandise' as line_kind,
    cast(1 as decimal(18, 4)) as quantity,
    (net_amount / 2)::decimal(18, 4) as revenue_amount
from marts.orders
cross join range(2) as lines (line_no);
create table marts.product_traits as
select
    'product ' || n as product_id,
    {list(_CATEGORIES)}[1 + (n % 7)] as category,
    'Maker ' || n % 50 as product_brand,
    'middle' as price_shelf,
    'white' as colour,
    false as is_premium,
    false as is_gift
from range(1000) as numbers (n);
create table marts.timeline as
select
    'c' || left(md5(
        floor(getvariable('customers') * power((hash(n, 'who') % 1000000) / 1000000, 2))
            ::bigint::varchar
    ), 19) as customer_id,
    timestamp '{AS_OF}' - to_days((hash(n, 'when') % 400)::integer) as happened_at,
    {list(_INTERACTIONS)}[1 + (hash(n, 'kind') % {len(_INTERACTIONS)})::integer] as interaction
from range({INTERACTIONS_OF_A_CUSTOMER} * getvariable('customers')) as numbers (n);
"""

# What the models name besides.
_OTHERS = """
create table marts.customers as
select customer_id, erasure_requested_at, 'prospect' as rfm_segment from marts.customer_360;
create table marts.customer_lifecycle as
select customer_id, lifecycle_stage as stage from marts.customer_360;
create table reference.lifecycle_stages as
select distinct lifecycle_stage as stage from marts.customer_360;
create table reference.rfm_segments (rfm_segment varchar);
create table marts.messages (customer_id varchar, campaign_id varchar);
create table marts.campaigns (campaign_id varchar, name varchar);
create table marts.web_sessions (customer_id varchar);
create table marts.customer_interactions (customer_id varchar);
create table marts.product_interest (customer_id varchar, product_id varchar);
create table reference.segment_rules (
    segment_id varchar, title varchar, rule varchar, valid_from varchar, valid_until varchar,
    owner varchar, channels varchar, suggested_action varchar
);
"""


@dataclass(frozen=True)
class _Measure:
    """A column that the statement counts or sums for a condition."""

    source: str
    aggregate: str
    name: str


@dataclass(frozen=True)
class _Condition:
    """A condition as a marketer writes it in a rule, and as an analyst does in SQL."""

    rule: str
    sql: str
    measure: _Measure | None = None


def run(size: int | None, progress: Callable[[str], None]) -> dict[str, str]:
    """Measure so many customers; figures by name, in print order."""
    customers = size or DEFAULT_SIZE
    folder = Paths.from_environment().data / "bench" / f"segments-{customers}"
    folder.mkdir(parents=True, exist_ok=True)
    run_part(_THIS, "tables", folder, customers)
    progress(f"{customers:,} customers: made")
    by_hand = run_part(_THIS, "by_hand", folder, customers)
    progress(f"one statement by hand: {by_hand.told['seconds']:.1f} s")
    models = run_part(_THIS, "models", folder, customers)
    seconds = models.told["seconds"]
    whole = sum(seconds.values()) - seconds["explanations"]
    progress(f"the models: {whole:.1f} s")
    asked = run_part(_THIS, "questions", folder, customers)
    return {
        "customers": f"{customers:,}",
        "rules": f"{asked.told['rules']}",
        "members": f"{asked.told['members']:,}, {_same(asked.told['differences'])}",
        "rules compiled": f"{seconds['rules']:.2f} s",
        "what they ask for": f"{seconds['rule_inputs']:.2f} s",
        "memberships and a view for each": f"{seconds['rule_memberships']:.2f} s",
        "all of it": f"{whole:.2f} s (goal {GOAL_SECONDS}), {models.megabytes:,.0f} MB",
        "one statement by hand": f"{by_hand.told['seconds']:.2f} s, {by_hand.megabytes:,.0f} MB",
        "all of it, times the statement": (
            f"{whole / by_hand.told['seconds']:.2f} (goal {GOAL_TIMES})"
        ),
        "why one customer is in one segment": f"{asked.told['customer']:.2f} s",
        "why everybody is in one segment": f"{asked.told['segment']:.2f} s",
    }


def _same(differences: int) -> str:
    return f"others of {differences} rules" if differences else "of all rules the same"


def _rules() -> list[list[_Condition]]:
    """So many different rules of two to four conditions, the same in every run."""
    chance = random.Random(1)
    rules: dict[str, list[_Condition]] = {}
    while len(rules) < RULES:
        conditions = [_condition(chance) for _ in range(chance.randint(2, 4))]
        rules[" and ".join(condition.rule for condition in conditions)] = conditions
    return list(rules.values())


def _condition(chance: random.Random) -> _Condition:
    """One condition of a kind that segments are made of."""
    number, days = chance.randint(1, 12), chance.choice(_WINDOWS)
    category, interaction = chance.choice(_CATEGORIES), chance.choice(_INTERACTIONS)
    since = f"date '{AS_OF}' - {days - 1}"
    plain = (
        f"order_count >= {number}",
        f"net_revenue > {number * 50}",
        f"average_order_amount between {number * 5} and {number * 15}",
        f"home_city_population >= {chance.choice((50_000, 100_000, 500_000))}",
        f"nearest_store_km < {number * 5}",
        f"discount_share >= {number / 20}",
        f"gender = '{chance.choice(('female', 'male'))}'",
        f"country in ('PL', '{chance.choice(('DE', 'CZ'))}')",
        f"lifecycle_stage = '{chance.choice(_STAGES)}'",
        f"favourite_category = '{chance.choice(_CATEGORIES)}'",
        f"home_city like '%{number}'",
        f"views_90d > searches_90d * {number}",
        f"r_score + f_score >= {number}",
        f"(last_satisfaction < {number / 2} or complaint_count > 0)",
        f"not is_subscribed and opens_30d >= {number}",
    )
    helped = (
        _Condition(
            f"last_order_at >= days_ago({days})",
            f"last_order_at >= date '{AS_OF}' - {days}",
        ),
        _Condition(
            f"times_bought(days = {days}) >= {number}",
            f"coalesce(bought_{days}d, 0) >= {number}",
            _Measure("orders", f"count(*) filter (where ordered_on >= {since})", f"bought_{days}d"),
        ),
        _Condition(
            f"amount_spent(category = '{category}', days = {days}) > {number * 20}",
            f"coalesce(spent_{_word(category)}_{days}d, 0) > {number * 20}",
            _Measure(
                "lines",
                f"sum(revenue_amount) filter (where category = '{category}' "
                f"and ordered_on >= {since})",
                f"spent_{_word(category)}_{days}d",
            ),
        ),
        _Condition(
            f"times_done('{interaction}', days = {days}) = 0",
            f"coalesce({interaction}_{days}d, 0) = 0",
            _Measure(
                "doings",
                f"count(*) filter (where interaction = '{interaction}' and happened_at >= {since})",
                f"{interaction}_{days}d",
            ),
        ),
    )
    return chance.choice((*(_Condition(text, text) for text in plain), *helped))


def _word(name: str) -> str:
    return name.lower().replace(" ", "_")


def _make_tables(warehouse: Path, customers: int) -> dict[str, Any]:
    """The tables that the models read, with so many customers."""
    warehouse.unlink(missing_ok=True)
    with _connect(warehouse) as connection:
        connection.execute(f"set variable customers = {customers}")
        for schema in ("marts", "reference", "segments", "by_hand"):
            connection.execute(f"create schema {schema}")
        for statement in (_CUSTOMERS, *_FACTS.split(";")[:-1], *_OTHERS.split(";")[:-1]):
            connection.execute(statement)
        connection.executemany(
            "insert into reference.segment_rules (segment_id, title, rule) values (?, ?, ?)",
            [
                (f"rule_{number}", f"Rule {number}", _joined(rule, "rule"))
                for number, rule in enumerate(_rules())
            ],
        )
    return {}


def _run_statement(warehouse: Path) -> dict[str, Any]:
    """Seconds of the statement: what is counted first, then a query for each segment."""
    statement = _statement(_rules())
    with _connect(warehouse) as connection:
        began = time.perf_counter()
        connection.execute(f"create table by_hand.memberships as {statement}")
        return {"seconds": time.perf_counter() - began}


def _statement(rules: Sequence[Sequence[_Condition]]) -> str:
    measures = {
        condition.measure for rule in rules for condition in rule if condition.measure is not None
    }
    relations = {
        "orders": "marts.orders where is_counted",
        "lines": "marts.order_lines inner join marts.orders using (order_id) "
        "left join marts.product_traits using (product_id) where is_counted",
        "doings": "marts.timeline",
    }
    steps = []
    for source, relation in relations.items():
        own = sorted(
            f", {measure.aggregate} as {measure.name}"
            for measure in measures
            if measure.source == source
        )
        steps.append(
            f"{source} as (select customer_id{''.join(own)} from {relation} group by customer_id)"
        )
    queries = " union all ".join(
        f"select 'rule_{number}' as segment_id, customer_id from asked where {_joined(rule, 'sql')}"
        for number, rule in enumerate(rules)
    )
    return f"""
        with {", ".join(steps)},
        asked as (
            select *
            from (from marts.customer_360 where erasure_requested_at is null)
            left join orders using (customer_id)
            left join lines using (customer_id)
            left join doings using (customer_id)
        )
        {queries}
    """


def _joined(rule: Sequence[_Condition], language: str) -> str:
    return " and ".join(getattr(condition, language) for condition in rule)


def _run_models(folder: Path) -> dict[str, Any]:
    """Seconds of each model, as dbt tells them: its compilation and its hooks included."""
    from dbt.cli.main import dbtRunner

    os.environ["SEGMENT_OF_ONE_WAREHOUSE"] = str(folder / "warehouse.duckdb")
    result = dbtRunner().invoke(
        [
            *("run", "--select", "path:models/segments/rules", "--quiet", "--log-level", "none"),
            *("--vars", json.dumps({"as_of": AS_OF, "load_id": 1})),
            *("--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)),
            *("--target-path", str(folder / "dbt"), "--log-path", str(folder / "logs")),
        ]
    )
    nodes: Any = result.result or []
    if not result.success:
        raise RuntimeError(str(result.exception or [node.message for node in nodes]))
    return {
        "seconds": {
            node.node.name: node.execution_time for node in nodes if "." not in node.node.name
        }
    }


def _ask(warehouse: Path) -> dict[str, Any]:
    """What came of the rules, and seconds of the questions why."""
    with _connect(warehouse) as connection:
        [(rules, members)] = connection.execute(
            """
            select
                (select count(*) from segments.rules where status = 'in_force'),
                (select count(*) from segments.rule_memberships)
            """
        ).fetchall()
        [(differences,)] = connection.execute(
            """
            with ours as (
                select segment_id, count(*) as members, bit_xor(hash(customer_id)) as who
                from segments.rule_memberships
                group by segment_id
            ),
            by_hand as (
                select segment_id, count(*) as members, bit_xor(hash(customer_id)) as who
                from by_hand.memberships
                group by segment_id
            )
            select count(*)
            from ((from ours except from by_hand) union all (from by_hand except from ours))
            """
        ).fetchall()
        [(customer,)] = connection.execute(
            "select min(customer_id) from marts.customer_360"
        ).fetchall()
        told = {"rules": rules, "members": members, "differences": differences}
        for name, condition in (
            ("customer", f"segment_id = 'rule_7' and customer_id = '{customer}'"),
            ("segment", "segment_id = 'rule_7'"),
        ):
            began = time.perf_counter()
            connection.execute(
                f"select count(value) from segments.explanations where {condition}"
            ).fetchall()
            told[name] = time.perf_counter() - began
    return told


def _connect(warehouse: Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(warehouse), config={"threads": 2, "preserve_insertion_order": False})


def _run_part(part: str, folder: Path, customers: int) -> dict[str, Any]:
    warehouse = folder / "warehouse.duckdb"
    if part == "tables":
        return _make_tables(warehouse, customers)
    if part == "by_hand":
        return _run_statement(warehouse)
    if part == "models":
        return _run_models(folder)
    return _ask(warehouse)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_run_part(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))) + "\n")
