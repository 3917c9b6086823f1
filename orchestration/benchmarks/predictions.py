"""What the jobs of predictions cost, of so many buyers, made up: training, scores by the project's
own views of features, products, lookalikes and channels. Each part is a process of its own.
"""

import json
import os
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from orchestration.measured import run_part
from orchestration.paths import PROJECT, Paths

DEFAULT_SIZE = 1_000_000
AS_OF = date(2026, 6, 30)
_THIS = "orchestration.benchmarks.predictions"
# The parts of the job predict, and the table that each of them fills.
_TABLES_OF = {
    "score": "customer_predictions",
    "recommend": "product_recommendations",
    "lookalikes": "lookalikes",
    "channels": "channel_choices",
}
_GOALS = {"score": " (goal of 1,000,000: 60 s)"}

# Buyers come over two years at all rates, and some leave early; what a number is follows from a
# hash, so that every run makes the same.
_TABLES = """
create schema if not exists raw;
create schema if not exists entities;
create schema if not exists identity;
create schema if not exists marts;
create schema if not exists meta;

create table meta.builds as
select timestamp '2026-07-01' as finished_at, date '2026-06-30' as as_of;

create table drawn as
select
    customer,
    (hash(customer) % 100000 + 0.5) / 100000 as chance,
    (hash(customer, 'gap') % 100000 + 0.5) / 100000 as gap_chance,
    cast(hash(customer, 'first') % 730 as integer) as first_day
from range($customers) as customers (customer);

create table marts.orders as
select
    'shop:orders:' || customer || '-' || turn as order_id,
    'customer-' || customer as customer_id,
    case when hash(customer, turn, 'brand') % 3 = 0 then 'b' else 'a' end as brand_id,
    date '2026-06-30' - 730 + first_day
    + cast(turn * (5 - 60 * ln(gap_chance)) as integer) as ordered_on,
    false as is_test,
    false as is_void,
    'online' as channel,
    cast(5 + hash(customer, turn, 'amount') % 100 as decimal(18, 4)) as merchandise_amount,
    cast(hash(customer, turn, 'discount') % 5 as decimal(18, 4)) as discount_amount,
    cast(1 + hash(customer, turn, 'items') % 4 as decimal(18, 4)) as item_count
from drawn, range(cast(1 - 5 * ln(chance) as integer)) as turns (turn)
where first_day + cast(turn * (5 - 60 * ln(gap_chance)) as integer) <= 730;

create table entities.sales_documents as
select
    order_id as document_key,
    'shop:accounts:' || customer_id as record_key,
    timestamp '2026-06-30' as version_at
from marts.orders;

create table raw.orders as
select
    'shop' as source_system,
    split_part(order_id, ':', 3) as order_id,
    cast(null as date) as _delivered_on
from marts.orders;

create table raw.receipts (source_system varchar, receipt_id varchar, _delivered_on date);

create table identity.edges as
select
    'shop:accounts:customer-' || customer as record_key,
    customer as node,
    customer as hub_node
from drawn;

create table identity.history as
select
    customer as node,
    cast(null as bigint) as other_node,
    date '2026-06-30' as as_of,
    1 as build_number,
    'customer-' || customer as to_customer_id
from drawn;

create schema if not exists features;
create schema if not exists segments;

create table features.product_purchases as
select
    customer_id,
    'product-' || cast(power(hash(order_id, item) % 1000 / 1000, 2) * 3000 as integer)
        as product_id,
    order_id,
    ordered_on as bought_on
from marts.orders, range(cast(item_count as integer)) as items (item);

create table features.product_offers as
select
    'product-' || product as product_id,
    case when product % 3 = 0 then 'b' else 'a' end as brand_id,
    'Product ' || product as name,
    'Category ' || product % 40 as category,
    cast(5 + product % 200 as decimal(18, 4)) as price,
    product % 4 as shelf_position,
    product % 50 > 0 as is_in_stock,
    product % 60 = 0 as is_discontinued,
    cast(null as varchar) as replacement_product_id,
    0 as rebuy_after_days
from range(3001) as products (product);

create table marts.profiled_customers as
select 'customer-' || customer as customer_id from drawn;

create table segments.rules as select ['best'] as asked_lookalikes;

create table segments.memberships as
select 'best' as segment_id, 'customer-' || customer as customer_id from drawn where chance < 0.05;

create table features.open_channels as
select 'customer-' || customer as customer_id, channel
from drawn, unnest(['email', 'sms', 'phone']) as channels (channel);

create table features.channel_contacts as
select
    *,
    20 as sent_count,
    cast(hash(customer_id, channel) % 5 as integer) as bought_count,
    15 as sent_before_count,
    cast(hash(customer_id, channel) % 4 as integer) as bought_before_count
from features.open_channels;

create table features.channel_explorations as
select
    'lots' as experiment_id,
    customer_id,
    channel,
    0.5 as propensity,
    hash(customer_id) % 10 = 0 as has_bought
from features.open_channels
where (channel = 'email') = (hash(customer_id, 'lot') % 2 = 0) and channel <> 'phone';

create table marts.returns (
    order_id varchar, returned_on date, is_counted boolean, net_amount decimal(18, 4)
);

create table marts.customer_id_history as
select
    'customer-' || customer as customer_id,
    'customer-' || customer as current_customer_id
from drawn;
"""


def run(size: int | None, progress: Callable[[str], None]) -> dict[str, str]:
    """Run both jobs on so many buyers; seconds and memory by name."""
    customers = size or DEFAULT_SIZE
    folder = Paths.from_environment().data / "bench" / f"predictions-{customers}"
    folder.mkdir(parents=True, exist_ok=True)
    progress(f"== make up {customers:,} buyers")
    made = run_part(_THIS, "tables", folder, customers)
    done = {}
    for part in ("train", *_TABLES_OF):
        progress(f"== {part}")
        done[part] = run_part(_THIS, part, folder, customers)
    return {
        "buyers": f"{customers:,}, {made.told['orders']:,} orders",
        **{
            f"{part}{_GOALS.get(part, '')}": (
                f"{each.seconds:.1f} s, {each.megabytes:,.0f} MB"
                + (f", {each.told['rows']:,} rows" if "rows" in each.told else "")
            )
            for part, each in done.items()
        },
        "all (goal of 100,000: 180 s, 4,000 MB)": (
            f"{sum(each.seconds for each in done.values()):.1f} s, "
            f"{max(each.megabytes for each in done.values()):,.0f} MB"
        ),
    }


def _run_part(part: str, folder: Path, customers: int) -> dict[str, Any]:
    from orchestration.predictions import registry
    from orchestration.predictions.preparation import PREPARATIONS
    from orchestration.predictions.publication import publish
    from orchestration.predictions.training import train_challenger

    if part == "tables":
        return _make_tables(folder, customers)
    with duckdb.connect(str(folder / "warehouse.duckdb"), config={"threads": 2}) as warehouse:
        if part == "train":
            trained = train_challenger(warehouse, folder / "models")
            # What is made up need not pass its gates; it scores all the same.
            registry.save(trained.version, folder / "models")
            registry.set_status(warehouse, trained.version.model.version, "champion", None)
            return {}
        table = _TABLES_OF[part]
        PREPARATIONS[table](warehouse, folder / "models")
        return {"rows": publish(warehouse, table)}


def _make_tables(folder: Path, customers: int) -> dict[str, Any]:
    from dbt.cli.main import dbtRunner

    file = folder / "warehouse.duckdb"
    file.unlink(missing_ok=True)
    with duckdb.connect(str(file)) as warehouse:
        for statement in _TABLES.split(";")[:-1]:
            warehouse.execute(statement.replace("$customers", str(customers)))
        [(orders,)] = warehouse.execute("select count(*) from marts.orders").fetchall()
    os.environ["SEGMENT_OF_ONE_WAREHOUSE"] = str(file)
    views = ("purchases", "record_history", "snapshots", "labels")
    result = dbtRunner().invoke(
        [
            *("run", "--select", " ".join(f"features_{view}" for view in views)),
            *("--vars", json.dumps({"as_of": AS_OF.isoformat(), "load_id": 1})),
            *("--quiet", "--log-level", "none"),
            *("--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)),
            *("--target-path", str(folder / "dbt"), "--log-path", str(folder / "logs")),
        ]
    )
    if not result.success:
        nodes: Any = result.result or []
        raise RuntimeError(str(result.exception or [node.message for node in nodes]))
    return {"orders": orders}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_run_part(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))) + "\n")
