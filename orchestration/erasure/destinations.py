"""Lets every destination that may hold an erased customer forget it."""

import time
from collections.abc import Callable, Collection, Mapping

from orchestration.activation.runs import forget_customers, opened_exports
from orchestration.erasure.compaction import rewrite
from orchestration.paths import Paths
from orchestration.warehouse.lock import build_lock


def holders(
    paths: Paths, customer_ids: Collection[str], progress: Callable[[str], None]
) -> dict[str, set[str]]:
    """The customers whom a destination may still hold, by sync; it is owed their removal."""
    if not (paths.exports / "store.duckdb").exists():
        return {}
    with opened_exports(paths.exports, progress) as store:
        rows = store.execute(
            "select sync_id, customer_id from exports.members "
            "where list_contains($ids, customer_id)",
            {"ids": sorted(customer_ids)},
        ).fetchall()
    held: dict[str, set[str]] = {}
    for sync_id, customer_id in sorted(rows):
        held.setdefault(sync_id, set()).add(customer_id)
    return held


def forget(
    paths: Paths,
    customer_ids: Collection[str],
    progress: Callable[[str], None],
    environment: Mapping[str, str],
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Ask all destinations that hold the customers to forget them, and forget what is remembered of
    them here. Who does not answer is told again by the next call, or the next run of the sync.
    """
    store = paths.exports / "store.duckdb"
    if not store.exists():
        return
    for report in forget_customers(paths, sorted(customer_ids), progress, environment, sleep):
        progress(f"{report.sync_id}: {report.status}, {report.accepted:,} removed")
    with build_lock(paths.exports / ".lock", "the exports", 600, progress):
        rewrite(store, ("exports",))
