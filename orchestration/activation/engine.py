"""Runs a sync: what the destination holds becomes what the audience is, and nothing else."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import duckdb

from orchestration.activation.audience import Audience
from orchestration.activation.delivery import Delivery, OvertakenError, StoppedError
from orchestration.activation.destination import Declared, DeniedError, Destination
from orchestration.activation.plan import Plan, add_fields, make_plan
from orchestration.activation.syncs import Sync

# dry_run writes the payloads as files, validate lets the destination look at them, live sends.
How = Literal["dry_run", "validate", "live"]

_MOST_PLANS = 5


@dataclass(frozen=True)
class RunReport:
    """What came of a run. status is succeeded, held (a breaker kept rows), stopped or denied."""

    run_id: str
    sync_id: str
    status: str
    reason: str | None
    plan: Plan
    accepted: int
    rejected: int
    unknown: int
    requests: int


@dataclass(frozen=True)
class Surroundings:
    """What a run takes from outside. `payloads` is the folder of dry runs; the clock is in UTC."""

    payloads: Path
    progress: Callable[[str], None]
    clock: Callable[[], datetime] = lambda: datetime.now(UTC).replace(tzinfo=None)
    sleep: Callable[[float], None] = time.sleep
    accept: bool = False


def run_sync(
    store: duckdb.DuckDBPyConnection,
    sync: Sync,
    declared: Declared,
    audience: Audience,
    connect: Callable[[], Destination],
    how: How,
    surroundings: Surroundings,
) -> RunReport:
    """Run one sync. `connect` opens the destination; a dry run opens nothing but to prepare.

    Raises SyncError when there is nothing to send from. What fails at the destination is in the
    report, and in the tables of the store.
    """
    close_interrupted(store, sync.sync_id, surroundings.clock())
    for _ in range(_MOST_PLANS):
        try:
            return _run_plan(store, sync, declared, audience, connect, how, surroundings)
        except OvertakenError:
            surroundings.progress(f"{sync.sync_id}: a build was published: planning anew")
    raise StoppedError(f"{sync.sync_id}: builds are published faster than it can send")


def _run_plan(
    store: duckdb.DuckDBPyConnection,
    sync: Sync,
    declared: Declared,
    audience: Audience,
    connect: Callable[[], Destination],
    how: How,
    surroundings: Surroundings,
) -> RunReport:
    run_id = uuid.uuid4().hex
    now = surroundings.clock()
    destination = connect()
    delivery = Delivery(
        store,
        sync.sync_id,
        run_id,
        declared,
        destination,
        audience,
        surroundings.clock,
        surroundings.sleep,
        surroundings.progress,
    )
    if how == "live":
        delivery.confirm()
    audience.read(store)
    plan = make_plan(store, sync, declared, now, surroundings.accept)
    add_fields(store, audience.fields)
    _begin(store, run_id, sync, how, now, plan)
    status, reason = ("held" if plan.reason else "succeeded"), plan.reason
    try:
        if how == "live":
            if plan.adds or plan.removals:
                _open_audience(store, sync, destination, now)
                delivery.deliver()
        else:
            _show(delivery, how, surroundings.payloads / sync.sync_id / run_id)
    except StoppedError as error:
        status, reason = "stopped", str(error)
    except DeniedError as error:
        status, reason = "denied", str(error)
    except OvertakenError:
        _finish(store, run_id, delivery, "overtaken", None, surroundings.clock())
        raise
    return _report(
        _finish(store, run_id, delivery, status, reason, surroundings.clock()),
        run_id,
        sync.sync_id,
        status,
        reason,
        plan,
    )


def _open_audience(
    store: duckdb.DuckDBPyConnection, sync: Sync, destination: Destination, now: datetime
) -> None:
    """The audience at the destination, made once."""
    known = store.execute(
        "select audience_id from exports.audiences where sync_id = $sync_id",
        {"sync_id": sync.sync_id},
    ).fetchall()
    audience_id = destination.open(sync.audience, known[0][0] if known else None)
    if not known:
        store.execute(
            "insert into exports.audiences values ($sync_id, $audience_id, $now)",
            {"sync_id": sync.sync_id, "audience_id": audience_id, "now": now},
        )


def _show(delivery: Delivery, how: How, folder: Path) -> None:
    """Write every payload, or let the destination look at it; nothing changes anywhere."""
    for request in delivery.prepared():
        if how == "validate":
            delivery.destination.validate(request)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / f"{delivery.requests:05d}-{request.action}.json"
            file.write_text(request.text())


def close_interrupted(store: duckdb.DuckDBPyConnection, sync_id: str, now: datetime) -> None:
    """Write down what is known of runs that ended without saying so."""
    running = store.execute(
        "select run_id from exports.runs where sync_id = $sync_id and finished_at is null",
        {"sync_id": sync_id},
    ).fetchall()
    for (run_id,) in running:
        store.execute(
            "insert into exports.results by name select run_id, place, customer_id, "
            "case status when 'adding' then 'add' else 'remove' end as action, "
            "'interrupted' as cause, 0 as batch, 'unknown' as result, $now as told_at "
            "from exports.members where sync_id = $sync_id and run_id = $run_id "
            "and status <> 'held' and place not in "
            "(select place from exports.results where run_id = $run_id)",
            {"sync_id": sync_id, "run_id": run_id, "now": now},
        )
        _count(store, run_id, "interrupted", "the process ended", now)


def _begin(
    store: duckdb.DuckDBPyConnection, run_id: str, sync: Sync, how: How, now: datetime, plan: Plan
) -> None:
    store.execute(
        "insert into exports.runs by name select $run_id as run_id, $sync_id as sync_id, "
        "$destination as destination, $how as how, 'running' as status, $now as started_at, "
        "$members as segment_members, $desired as desired_members, "
        "map($gates, $counts) as refused, $adds as planned_adds, $removals as planned_removals, "
        "$held as held_back",
        {
            "run_id": run_id,
            "sync_id": sync.sync_id,
            "destination": sync.destination,
            "how": how,
            "now": now,
            "members": plan.segment_members,
            "desired": plan.desired,
            "gates": list(plan.refused),
            "counts": list(plan.refused.values()),
            "adds": plan.adds,
            "removals": plan.removals,
            "held": plan.held_back,
        },
    )


def _finish(
    store: duckdb.DuckDBPyConnection,
    run_id: str,
    delivery: Delivery,
    status: str,
    reason: str | None,
    now: datetime,
) -> tuple[int, int, int, int]:
    store.execute(
        "update exports.runs set unnamed = $unnamed, requests = $requests where run_id = $run_id",
        {"unnamed": delivery.unnamed, "requests": delivery.requests, "run_id": run_id},
    )
    return (*_count(store, run_id, status, reason, now), delivery.requests)


def _count(
    store: duckdb.DuckDBPyConnection, run_id: str, status: str, reason: str | None, now: datetime
) -> tuple[int, int, int]:
    """End a run with the counts of its results: accepted, rejected, unknown or pending."""
    [(accepted, rejected, unknown)] = store.execute(
        "select count(*) filter (result = 'accepted'), count(*) filter (result = 'rejected'), "
        "count(*) filter (result in ('unknown', 'pending')) "
        "from exports.results where run_id = $run_id",
        {"run_id": run_id},
    ).fetchall()
    store.execute(
        "update exports.runs set status = $status, reason = $reason, finished_at = $now, "
        "accepted = $accepted, rejected = $rejected, unknown = $unknown where run_id = $run_id",
        {
            "status": status,
            "reason": reason,
            "now": now,
            "accepted": accepted,
            "rejected": rejected,
            "unknown": unknown,
            "run_id": run_id,
        },
    )
    return accepted, rejected, unknown


def _report(
    counts: tuple[int, int, int, int],
    run_id: str,
    sync_id: str,
    status: str,
    reason: str | None,
    plan: Plan,
) -> RunReport:
    accepted, rejected, unknown, requests = counts
    return RunReport(run_id, sync_id, status, reason, plan, accepted, rejected, unknown, requests)
