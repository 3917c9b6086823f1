"""Runs a sync: what the destination holds becomes what the audience is, and nothing else."""

import shutil
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import duckdb

from orchestration.activation.audience import Audience
from orchestration.activation.delivery import (
    ROWS_AT_ONCE,
    Delivery,
    OvertakenError,
    StoppedError,
)
from orchestration.activation.destination import (
    Declared,
    DeniedError,
    Destination,
    RefusedError,
)
from orchestration.activation.ledger import Ledger
from orchestration.activation.plan import Plan, add_fields, make_plan
from orchestration.activation.syncs import Sync, SyncError

# dry_run writes the payloads as files, validate lets the destination look at them, live sends.
How = Literal["dry_run", "validate", "live"]

_MOST_PLANS = 5


@dataclass(frozen=True)
class RunReport:
    """What came of a run. status is succeeded, held (a breaker kept rows), refused (the destination
    would not take some rows, says a validation), stopped (it takes nothing more now), denied,
    failed (there is nothing to send from) or overtaken (builds came faster than requests).

    `plan` is None when it came to none. `unknown` rows are sent again by the next run.
    """

    run_id: str
    sync_id: str
    how: How
    status: str
    reason: str | None
    plan: Plan | None
    accepted: int
    rejected: int
    unknown: int
    requests: int


@dataclass(frozen=True)
class Surroundings:
    """What a run takes from outside. `payloads` is the folder of dry runs; the clock is in UTC.

    `accept` lets through what a breaker would keep. A run that `erases` adds nobody, and tells the
    destination to forget whom it removes.
    """

    payloads: Path
    progress: Callable[[str], None]
    clock: Callable[[], datetime] = lambda: datetime.now(UTC).replace(tzinfo=None)
    sleep: Callable[[float], None] = time.sleep
    accept: bool = False
    erases: bool = False
    rows_at_once: int = ROWS_AT_ONCE


@dataclass(frozen=True)
class SyncRunner:
    """One sync with all that its runs need. `connect` opens the destination; a dry run calls it
    too, to prepare requests.
    """

    store: duckdb.DuckDBPyConnection
    sync: Sync
    declared: Declared
    audience: Audience
    connect: Callable[[], Destination]
    surroundings: Surroundings

    def run(self, how: How) -> RunReport:
        """Run the sync; anew where a build was published meanwhile.

        What fails at the destination is in the report, and in the tables of the store.
        """
        report = self._run_once(how)
        for _ in range(_MOST_PLANS - 1):
            if report.status != "overtaken":
                break
            self.surroundings.progress(f"{self.sync.sync_id}: a build was published: planning anew")
            report = self._run_once(how)
        return report

    def _run_once(self, how: How) -> RunReport:
        run_id = uuid.uuid4().hex
        ledger = Ledger(
            self.store,
            self.sync.sync_id,
            run_id,
            self.declared.expires_after_days,
            self.surroundings.clock,
        )
        ledger.begin(self.sync.destination, how)
        plan, delivery = None, None
        refusals: Counter[str] = Counter()
        try:
            self._require_same_destination(ledger)
            delivery = self._delivery(ledger)
            if how == "live":
                delivery.confirm()
            version = self.audience.version()
            plan = self._plan(ledger)
            if how == "dry_run":
                self._write_payloads(delivery, run_id)
            elif how == "validate":
                refusals = _validate(delivery)
            elif plan.adds or plan.removals:
                delivery.open(self.sync)
                delivery.deliver(version, "forget" if self.surroundings.erases else "remove")
            status, reason = _judge(plan, refusals)
        except SyncError as error:
            status, reason = "failed", str(error)
        except StoppedError as error:
            status, reason = "stopped", str(error)
        except DeniedError as error:
            status, reason = "denied", str(error)
        except OvertakenError:
            status, reason = "overtaken", "a build was published meanwhile"
        requests, unnamed = (delivery.requests, delivery.unnamed) if delivery else (0, 0)
        accepted, rejected, unknown = ledger.finish(status, reason, requests, unnamed)
        return RunReport(
            run_id,
            self.sync.sync_id,
            how,
            status,
            reason,
            plan,
            accepted,
            rejected + refusals.total(),
            unknown,
            requests,
        )

    def _require_same_destination(self, ledger: Ledger) -> None:
        """What is remembered of one service says nothing of another."""
        filled = ledger.audience()
        if filled and filled[0] not in (None, self.sync.destination):
            raise SyncError(
                f"it has filled an audience at {filled[0]}, where its members still are: go back "
                "to that destination, and send elsewhere by a document of another name"
            )

    def _delivery(self, ledger: Ledger) -> Delivery:
        clears = self.sync.attributes if self.sync.empty_attributes == "clear" else ()
        return Delivery(
            ledger,
            self.declared,
            self.connect(),
            self.audience,
            self.surroundings.sleep,
            self.surroundings.progress,
            frozenset(clears),
            self.surroundings.rows_at_once,
        )

    def _plan(self, ledger: Ledger) -> Plan:
        with self.audience.reading(self.store):
            plan = make_plan(
                self.store,
                self.sync,
                self.declared,
                self.surroundings.clock(),
                self.surroundings.accept,
                self.surroundings.erases,
            )
            add_fields(self.store, self.audience.fields)
        ledger.planned(plan)
        return plan

    def _write_payloads(self, delivery: Delivery, run_id: str) -> None:
        """Write every payload to a file. Those of earlier dry runs go: they hold personal data."""
        folder = self.surroundings.payloads / self.sync.sync_id
        shutil.rmtree(folder, ignore_errors=True)
        for request in delivery.prepared():
            (folder / run_id).mkdir(parents=True, exist_ok=True)
            file = folder / run_id / f"{delivery.requests:05d}-{request.action}.json"
            file.write_text(request.text())


def _validate(delivery: Delivery) -> Counter[str]:
    """Let the destination look at every request; how many rows it would not take, by reason."""
    refusals: Counter[str] = Counter()
    for request in delivery.prepared():
        try:
            answer = delivery.validate(request)
        except RefusedError as error:
            refusals[str(error)] += request.rows
        else:
            refusals.update(answer.rejected.values())
            refusals["not_taken"] += answer.unnamed
    return +refusals


def _judge(plan: Plan, refusals: Counter[str]) -> tuple[str, str | None]:
    if refusals:
        told = ", ".join(f"{reason}: {rows:,} rows" for reason, rows in sorted(refusals.items()))
        return "refused", told
    return ("held", plan.reason) if plan.reason else ("succeeded", None)
