"""A mirror of a million members at Meta and at Google, a small change of it, and no change.

The members are made; identifiers are hashes of their numbers, as `pii.match_keys` has them. The
services are stand-ins in a process of their own, which tells how long its processor worked. What is
left of the time of a run is the engine's own. Each run is a process, so that its memory is its own.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from orchestration.activation.audience import WarehouseAudience
from orchestration.activation.engine import Surroundings, SyncRunner
from orchestration.activation.runs import open_destination, opened_exports
from orchestration.activation.stand_in import google, meta
from orchestration.activation.stand_in.server import Api, stand_in
from orchestration.activation.syncs import Sync
from orchestration.measured import Part, run_part
from orchestration.paths import PROJECT, Paths

_THIS = "orchestration.benchmarks.exports"
DEFAULT_SIZE = 1_000_000
GOAL_SECONDS = 60
GOAL_MEGABYTES = 1000
GOAL_SECONDS_OF_A_CHANGE = 5

_OPTIONS: Mapping[str, Mapping[str, str]] = {
    "meta": {"ad_account_id": "1"},
    "google": {"account_id": "1"},
}
# Nobody is in doubt or throttled here: the services answer at once.
_HASHED = (
    *("meta_email", "meta_phone", "meta_first_name", "meta_last_name", "meta_city"),
    *("meta_postal_code", "meta_country", "meta_gender", "meta_birth_year", "meta_birth_month"),
    *("meta_birth_day", "google_email", "google_phone", "google_given_name", "google_family_name"),
)
_CUSTOMERS = f"""
create schema pii;
create schema segments;
create schema audiences;
create schema marts;
create schema meta;
create schema reference;
create table marts.customer_360 as
select 'c' || lpad(n::varchar, 9, '0') as customer_id from range(getvariable('customers')) as t (n);
create table pii.match_keys as
select
    customer_id,
    {", ".join(f"sha256('{name}' || customer_id) as {name}" for name in _HASHED)},
    '00-950' as google_postal_code,
    'PL' as google_region_code
from marts.customer_360;
create table segments.memberships as select 'everyone' as segment_id, customer_id
from marts.customer_360;
create table audiences.customer_gates as
select customer_id, 'domowo' as brand_id, 'ad_audiences' as purpose, 'social' as channel,
    timestamp '2026-01-01' as decided_at, cast(null as varchar) as refused_by
from marts.customer_360;
create table segments.catalog as select 'everyone' as segment_id;
create table reference.brands as select 'domowo' as brand_id;
create table meta.builds as select now()::timestamp as started_at, now()::timestamp as finished_at;
"""
# Of a thousand one changes: half of them have another address, the others leave or have withdrawn.
_CHANGE = """
update pii.match_keys set meta_email = sha256('new' || customer_id),
    google_email = sha256('new' || customer_id)
where right(customer_id, 4) in ('0000', '0001', '0002', '0003', '0004');
delete from segments.memberships where right(customer_id, 4) in ('5000', '5001', '5002');
update audiences.customer_gates set refused_by = 'consent'
where right(customer_id, 4) in ('5003', '5004');
"""


def run(size: int | None, progress: Callable[[str], None]) -> dict[str, str]:
    """Seconds, memory and requests of a full mirror, of a small change, and of no change."""
    size = size or DEFAULT_SIZE
    figures = {"members": f"{size:,}"}
    folder = Paths.from_environment().data / "bench" / "exports"
    for destination in _OPTIONS:
        paths = Paths(folder / destination)
        run_part(_THIS, "make", paths.data, size)
        with _served() as ask:
            for name in ("mirror", "change", "nothing"):
                if name == "change":
                    run_part(_THIS, "change", paths.data)
                before = ask()
                progress(f"{destination}: {name}")
                part = run_part(_THIS, "sync", destination, before["url"], paths.data)
                figures |= _figures(f"{destination}, {name}", part, before, ask())
    return figures


def _figures(
    name: str, part: Part, before: Mapping[str, Any], after: Mapping[str, Any]
) -> dict[str, str]:
    told = part.told
    service = after["cpu"] - before["cpu"]
    own = told["seconds"] - told["reading"] - service
    figures = {
        f"{name}: rows": f"{told['rows']:,} in {told['requests']:,} requests, {told['status']}",
        f"{name}: reading the audience": f"{told['reading']:.1f} s",
        f"{name}: the service": f"{service:.1f} s",
        f"{name}: engine": f"{own:.1f} s",
        f"{name}: memory": f"{part.megabytes:,.0f} MB",
        f"{name}: held": f"{after['held']:,}",
    }
    if name.endswith("mirror"):
        figures[f"{name}: engine, of the goal"] = f"{own / GOAL_SECONDS:.2f}"
        figures[f"{name}: memory, of the goal"] = f"{part.megabytes / GOAL_MEGABYTES:.2f}"
    if name.endswith("change"):
        figures[f"{name}: engine, of the goal"] = f"{own / GOAL_SECONDS_OF_A_CHANGE:.2f}"
    return figures


def _make_warehouse(data: str, size: str) -> int:
    paths = Paths(Path(data))
    for file in (paths.warehouse, paths.exports / "store.duckdb"):
        file.unlink(missing_ok=True)
    paths.versions.mkdir(parents=True, exist_ok=True)
    paths.serving.unlink(missing_ok=True)
    paths.serving.symlink_to(paths.versions / "made")
    with duckdb.connect(str(paths.warehouse)) as warehouse:
        warehouse.execute("set variable customers = $size", {"size": int(size)})
        warehouse.execute(_CUSTOMERS)
    return int(size)


def _change(data: str) -> None:
    with duckdb.connect(str(Paths(Path(data)).warehouse)) as warehouse:
        warehouse.execute(_CHANGE)


# --- The services -----------------------------------------------------------------------------


@contextmanager
def _served() -> Iterator[Callable[[], dict[str, Any]]]:
    """Stand-ins in a process of their own; asks it for its address, work and members."""
    process = subprocess.Popen(
        [sys.executable, "-m", _THIS, "serve"],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    asked, told = process.stdin, process.stdout

    def ask() -> dict[str, Any]:
        asked.write("?\n")
        asked.flush()
        answer: dict[str, Any] = json.loads(told.readline())
        return answer

    try:
        yield ask
    finally:
        asked.close()
        process.wait(timeout=60)


def _serve() -> None:
    apis: dict[str, Api] = {"meta": meta.Meta(), "google": google.Google()}
    with stand_in(apis) as running:
        for _ in sys.stdin:
            held = sum(len(rows) for api in apis.values() for rows in api.audiences().values())
            told = {"url": running.url, "cpu": time.process_time(), "held": held}
            sys.stdout.write(f"{json.dumps(told)}\n")
            sys.stdout.flush()


# --- One run ----------------------------------------------------------------------------------


class _TimedAudience(WarehouseAudience):
    seconds = 0.0

    @contextmanager
    def reading(self, store: duckdb.DuckDBPyConnection) -> Iterator[None]:
        began = time.perf_counter()
        with super().reading(store):
            self.seconds += time.perf_counter() - began
            yield


def _sync(destination: str, url: str, data: str) -> dict[str, object]:
    paths = Paths(Path(data))
    sync = Sync(
        sync_id="everyone",
        destination=destination,
        audience="Everyone",
        segment="everyone",
        brand="domowo",
        options=dict(_OPTIONS[destination]),
    )
    environment = {
        f"{destination.upper()}_URL": f"{url}/{destination}",
        f"{destination.upper()}_ACCESS_TOKEN": meta.TOKEN,
    }
    audience = _TimedAudience(paths, sync, sync.declared)
    began = time.perf_counter()
    with opened_exports(paths.exports, _silent) as store:
        report = SyncRunner(
            store,
            sync,
            sync.declared,
            audience,
            partial(open_destination, sync, environment, True),
            Surroundings(paths.exports / "payloads", _silent),
        ).run("live")
    return {
        "seconds": time.perf_counter() - began,
        "reading": audience.seconds,
        "rows": report.accepted,
        "requests": report.requests,
        "status": report.status,
    }


def _silent(_line: str) -> None:
    """Say nothing: a benchmark prints figures."""


if __name__ == "__main__":
    os.environ["DO_NOT_TRACK"] = "1"
    _, what, *arguments = sys.argv
    if what == "serve":
        _serve()
    else:
        parts: Mapping[str, Callable[..., object]] = {
            "make": _make_warehouse,
            "change": _change,
            "sync": _sync,
        }
        sys.stdout.write(f"{json.dumps(parts[what](*arguments))}\n")
