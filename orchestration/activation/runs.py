"""Runs syncs of the folder syncs/ one after another, and tells what became of them."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import duckdb

from orchestration.activation.audience import ErasedAudience, WarehouseAudience
from orchestration.activation.destination import (
    Destination,
    connection_of,
    destination_module,
)
from orchestration.activation.engine import How, RunReport, Surroundings, SyncRunner
from orchestration.activation.shown import write_shown
from orchestration.activation.store import open_store
from orchestration.activation.syncs import Sync, SyncError, needs_package, read_syncs, sync_files
from orchestration.paths import Paths
from orchestration.warehouse.lock import build_lock

HOWS: tuple[How, ...] = ("dry_run", "validate", "live")


@dataclass(frozen=True)
class Asked:
    """What somebody asks for: the syncs by their names (all when empty), and how they run."""

    names: Sequence[str] = ()
    how: How = "dry_run"
    accept: bool = False


def how_of_environment(environment: Mapping[str, str] = os.environ) -> How:
    """How syncs run where nobody says it: SEGMENT_OF_ONE_SYNCS, a dry run when it is not set.

    Raises SyncError for any other word.
    """
    word = environment.get("SEGMENT_OF_ONE_SYNCS") or "dry_run"
    for how in HOWS:
        if word == how:
            return how
    raise SyncError(f"SEGMENT_OF_ONE_SYNCS is {word!r}: it must be one of {', '.join(HOWS)}")


def run_syncs(
    paths: Paths,
    asked: Asked,
    progress: Callable[[str], None],
    environment: Mapping[str, str] = os.environ,
    folder: Path | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> list[RunReport]:
    """Run what is asked for, in the order of the names of the files.

    `folder` keeps what syncs remember, paths.exports when it is not said. A sync that fails does
    not keep the next from running: its report says why. So does one of each sync whose document is
    gone while members of it are still at a destination, where nobody would remove them any more.
    Raises SyncError when a document is wrong, and LockHeld while others run.
    """
    folder = folder or paths.exports
    syncs = read_syncs(asked.names)
    surroundings = Surroundings(folder / "payloads", progress, sleep=sleep, accept=asked.accept)
    reports = []
    with opened_exports(folder, progress) as store:
        for sync in syncs:
            progress(f"== {sync.sync_id}: {sync.destination}, {asked.how.replace('_', ' ')}")
            runner = SyncRunner(
                store,
                sync,
                sync.declared,
                WarehouseAudience(paths, sync, sync.declared),
                partial(open_destination, sync, environment, asked.how != "dry_run"),
                surroundings,
            )
            reports.append(runner.run(asked.how))
        reports += _abandoned(store, asked.how)
    for report in reports:
        if report.reason:
            progress(f"{report.sync_id}: {report.status}: {report.reason}")
    return reports


def _abandoned(store: duckdb.DuckDBPyConnection, how: How) -> list[RunReport]:
    left = store.execute(
        "select sync_id, count(*) from exports.members group by sync_id order by sync_id"
    ).fetchall()
    known = {file.stem for file in sync_files()}
    return [
        RunReport(
            run_id="",
            sync_id=sync_id,
            how=how,
            status="failed",
            reason=f"its document is gone, and {members:,} members are still there: put "
            f"syncs/{sync_id}.yml back with mode: empty, and remove it after a live run",
            plan=None,
            accepted=0,
            rejected=0,
            unknown=0,
            requests=0,
        )
        for sync_id, members in left
        if sync_id not in known
    ]


def forget_customers(
    paths: Paths,
    customer_ids: Sequence[str],
    progress: Callable[[str], None],
    environment: Mapping[str, str] = os.environ,
    sleep: Callable[[float], None] = time.sleep,
) -> list[RunReport]:
    """Tell every destination that may hold erased customers to forget them, and forget what is
    remembered of them here.

    Where a destination does not answer, its members stay as they are: it is owed a removal, which
    the next call, or the next run of the sync, sends. So is one whose document is gone or wrong.
    """
    surroundings = Surroundings(
        paths.exports / "payloads", progress, sleep=sleep, accept=True, erases=True
    )
    reports = []
    with opened_exports(paths.exports, progress) as store:
        holders = store.execute(
            "select sync_id from exports.members where list_contains($ids, customer_id) "
            "group by sync_id order by sync_id",
            {"ids": list(customer_ids)},
        ).fetchall()
        for (sync_id,) in holders:
            try:
                [sync] = read_syncs([sync_id])
            except SyncError as error:
                progress(f"{sync_id}: nobody was told: {error}")
                continue
            runner = SyncRunner(
                store,
                sync,
                sync.declared,
                ErasedAudience(sync.sync_id, customer_ids),
                partial(open_destination, sync, environment, True),
                surroundings,
            )
            reports.append(runner.run("live"))
        for table in ("results", "dead_letters"):
            store.execute(
                f"delete from exports.{table} where list_contains($ids, customer_id)",
                {"ids": list(customer_ids)},
            )
    return reports


@contextmanager
def opened_exports(
    folder: Path, progress: Callable[[str], None]
) -> Iterator[duckdb.DuckDBPyConnection]:
    """The store in a folder, for one process at a time; what it holds afterwards is what the next
    build shows to readers.
    """
    with (
        build_lock(folder / ".lock", "the exports", 600, progress),
        open_store(folder / "store.duckdb") as store,
    ):
        try:
            yield store
        finally:
            write_shown(store, folder / "tables")


def open_destination(
    sync: Sync, environment: Mapping[str, str], needs_secrets: bool
) -> Destination:
    """The destination of a sync. Raises DeniedError, naming the secrets that are missing, and
    SyncError when a package is.
    """
    name = sync.credentials or sync.destination
    connection = connection_of(name, sync.declared, environment, needs_secrets)
    try:
        return destination_module(sync.destination).connect(sync.parsed_options(), connection)
    except ModuleNotFoundError as error:
        raise SyncError(needs_package(error)) from None


def report_table(reports: Sequence[RunReport]) -> str:
    """The reports as a table of text, a line each, with the reasons below."""
    heads = ("sync", "how", "status", "members", "desired", "add", "remove", "taken", "refused")
    lines = [heads, *(_line(report) for report in reports)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(heads))]
    table = [
        "  ".join(
            cell.ljust(width) if place < 3 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    return "\n".join([*table, *(told for report in reports for told in _told(report))])


def _told(report: RunReport) -> Iterator[str]:
    if report.plan and report.plan.refused:
        gates = ", ".join(f"{gate} {count:,}" for gate, count in report.plan.refused.items())
        yield f"{report.sync_id}: kept back by gates: {gates}"
    if report.reason:
        yield f"{report.sync_id}: {report.reason}"


def _line(report: RunReport) -> tuple[str, ...]:
    plan = report.plan
    planned = (plan.segment_members, plan.desired, plan.adds, plan.removals) if plan else (0,) * 4
    numbers = (*planned, report.accepted, report.rejected)
    words = (report.sync_id, report.how.replace("_", " "), report.status)
    return (*words, *(f"{number:,}" for number in numbers))
