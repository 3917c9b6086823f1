"""What a run writes down: whom a request may have reached, what came of every row, and the run.

Before a request leaves, its rows are marked as begun; after the answer, as held or gone. A process
that ends in between leaves the mark, and the next run knows that these rows are in doubt.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from orchestration.activation.destination import Action
from orchestration.activation.plan import OVERDUE, Plan

_FIRST_RETRY_OF_ROW = timedelta(hours=1)
_LAST_RETRY_OF_ROW = timedelta(days=7)
_LOG_KEPT = timedelta(days=400)

_Step = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Outcome:
    """What came of a row: result and reason as in exports.results.

    `in_doubt` says that an earlier attempt may have arrived. `receipt` and the place in its
    request are those of a request that is worked off later; `request` is its number, 0 for none.
    """

    result: str
    reason: str | None = None
    request: int = 0
    in_doubt: bool = False
    receipt: str | None = None
    receipt_place: int | None = None


@dataclass(frozen=True)
class Ledger:
    """The tables of the store, as one run of a sync writes them. `clock` is UTC without a zone."""

    store: duckdb.DuckDBPyConnection
    sync_id: str
    run_id: str
    expires_after_days: int | None
    clock: Callable[[], datetime]

    # --- The run ------------------------------------------------------------------------------

    def begin(self, destination: str, how: str) -> None:
        """Say that the run has begun; runs that ended without saying so are closed before."""
        for (run_id,) in self.store.execute(
            "select run_id from exports.runs where sync_id = $sync_id and finished_at is null",
            {"sync_id": self.sync_id},
        ).fetchall():
            self._close_interrupted(run_id)
        self.store.execute(
            "delete from exports.results where told_at < $oldest",
            {"oldest": self.clock() - _LOG_KEPT},
        )
        self.store.execute(
            "insert into exports.runs by name select $run_id as run_id, $sync_id as sync_id, "
            "$destination as destination, $how as how, 'running' as status, $now as started_at",
            {
                "run_id": self.run_id,
                "sync_id": self.sync_id,
                "destination": destination,
                "how": how,
                "now": self.clock(),
            },
        )

    def planned(self, plan: Plan) -> None:
        """Write down what the run will do."""
        self.store.execute(
            "update exports.runs set segment_members = $members, desired_members = $desired, "
            "refused = map($gates, $counts), planned_adds = $adds, planned_removals = $removals, "
            "held_back = $held, in_flight = $in_flight where run_id = $run_id",
            {
                "members": plan.segment_members,
                "desired": plan.desired,
                "gates": list(plan.refused),
                "counts": list(plan.refused.values()),
                "adds": plan.adds,
                "removals": plan.removals,
                "held": plan.held_back,
                "in_flight": plan.in_flight,
                "run_id": self.run_id,
            },
        )

    def finish(
        self, status: str, reason: str | None, requests: int, unnamed: int
    ) -> tuple[int, int, int]:
        """End the run; how many rows were accepted, were rejected, and are not known of."""
        return self._end(self.run_id, status, reason, requests, unnamed)

    def _close_interrupted(self, run_id: str) -> None:
        self.store.execute(
            "insert into exports.results by name select run_id, place, customer_id, "
            "case status when 'adding' then 'add' else 'remove' end as action, "
            "'interrupted' as cause, 0 as request, 'unknown' as result, $now as told_at "
            "from exports.members where sync_id = $sync_id and run_id = $run_id "
            "and status <> 'held' and place not in "
            "(select place from exports.results where run_id = $run_id)",
            {"sync_id": self.sync_id, "run_id": run_id, "now": self.clock()},
        )
        self._end(run_id, "interrupted", "the process ended", None, None)

    def _end(
        self,
        run_id: str,
        status: str,
        reason: str | None,
        requests: int | None,
        unnamed: int | None,
    ) -> tuple[int, int, int]:
        [(accepted, rejected, unknown)] = self.store.execute(
            "select count(*) filter (result = 'accepted'), count(*) filter (result = 'rejected'), "
            "count(*) filter (result in ('unknown', 'pending')) "
            "from exports.results where run_id = $run_id",
            {"run_id": run_id},
        ).fetchall()
        self.store.execute(
            "update exports.runs set status = $status, reason = $reason, finished_at = $now, "
            "accepted = $accepted, rejected = $rejected, unknown = $unknown, "
            "requests = $requests, unnamed = $unnamed where run_id = $run_id",
            {
                "status": status,
                "reason": reason,
                "now": self.clock(),
                "accepted": accepted,
                "rejected": rejected,
                "unknown": unknown,
                "requests": requests,
                "unnamed": unnamed,
                "run_id": run_id,
            },
        )
        return accepted, rejected, unknown

    def audience(self) -> tuple[str | None, str] | None:
        """Destination and id of the audience that the sync fills; None before it was made. The
        destination is None when a version has made it that did not keep it.
        """
        known = self.store.execute(
            "select destination, audience_id from exports.audiences where sync_id = $sync_id",
            {"sync_id": self.sync_id},
        ).fetchall()
        return known[0] if known else None

    def remember_audience(self, destination: str, audience_id: str) -> None:
        """Keep where an audience was made, and its id there."""
        self.store.execute(
            "insert into exports.audiences values ($sync_id, $audience_id, $now, $destination)",
            {
                "sync_id": self.sync_id,
                "destination": destination,
                "audience_id": audience_id,
                "now": self.clock(),
            },
        )

    # --- Rows of the plan ---------------------------------------------------------------------

    def mark(self, action: str, first: int, last: int) -> None:
        """Say that requests for these places are begun. Who was known stays so until the answer."""
        status = "adding" if action == "add" else "removing"
        bounds = {"first": first, "last": last}
        self._in_transaction(
            (
                "delete from exports.members where sync_id = $sync_id and customer_id in "
                "(select customer_id from operations where place between $first and $last)",
                {"sync_id": self.sync_id, **bounds},
            ),
            (
                "insert into exports.members by name select $sync_id as sync_id, customer_id, "
                f"'{status}' as status, identifiers, content_hash, consented_at, "
                "$run_id as run_id, place, $now as requested_at "
                "from operations where place between $first and $last",
                {
                    "sync_id": self.sync_id,
                    "run_id": self.run_id,
                    "now": self.clock(),
                    **bounds,
                },
            ),
        )

    def write_down(self, action: Action, outcomes: Mapping[int, Outcome]) -> None:
        """Write what came of rows, by their places: to the log, the members, the dead letters."""
        self._arrive(
            pa.table(
                {
                    "place": pa.array(list(outcomes), pa.int64()),
                    "result": [each.result for each in outcomes.values()],
                    "reason": pa.array([each.reason for each in outcomes.values()], pa.string()),
                    "request": [each.request for each in outcomes.values()],
                    "in_doubt": [each.in_doubt for each in outcomes.values()],
                    "receipt": pa.array([each.receipt for each in outcomes.values()], pa.string()),
                    "receipt_place": pa.array(
                        [each.receipt_place for each in outcomes.values()], pa.int64()
                    ),
                }
            ),
            "select arrived.*, operations.customer_id, operations.cause, "
            "operations.content_hash, operations.was_known, "
            f"'{'adding' if action == 'add' else 'removing'}' as status "
            "from arrived inner join operations using (place)",
            {},
        )
        self._in_transaction(
            (
                "insert into exports.results by name select $run_id as run_id, place, customer_id, "
                f"'{action}' as action, cause, request, result, reason, $now as told_at "
                "from outcomes",
                {"run_id": self.run_id, "now": self.clock()},
            ),
            # One that was there before, or may have arrived with an earlier attempt, stays in
            # doubt: forgetting it would leave the person there for ever.
            (
                "delete from exports.members where sync_id = $sync_id and customer_id in "
                "(select customer_id from outcomes where status = 'adding' "
                "and result = 'rejected' and not was_known and not in_doubt)",
                {"sync_id": self.sync_id},
            ),
            (
                "update exports.members as members set receipt = outcomes.receipt, "
                "receipt_place = outcomes.receipt_place from outcomes where "
                "members.sync_id = $sync_id and members.customer_id = outcomes.customer_id "
                "and outcomes.result = 'pending'",
                {"sync_id": self.sync_id},
            ),
            *self._settled(),
        )

    def put_off(self, which: str, reason: str, parameters: Mapping[str, object]) -> None:
        """Take operations out of this run, and say so in the log."""
        self._set_aside(which, "unknown", reason, parameters)

    def settle_shared(self) -> None:
        """Members whose every identifier another one has: there is nothing to remove."""
        which = "action = 'remove' and list_aggregate(identifiers, 'max') = ''"
        self._set_aside(
            which,
            "accepted",
            "shared",
            {},
            (
                "delete from exports.members where sync_id = $sync_id and customer_id in "
                f"(select customer_id from operations where {which})",
                {"sync_id": self.sync_id},
            ),
        )

    def _set_aside(
        self, which: str, result: str, reason: str, parameters: Mapping[str, object], *steps: _Step
    ) -> None:
        self._in_transaction(
            (
                "insert into exports.results by name select $run_id as run_id, place, customer_id, "
                "action, cause, 0 as request, $result as result, $reason as reason, "
                f"$now as told_at from operations where {which}",
                {
                    "run_id": self.run_id,
                    "result": result,
                    "reason": reason,
                    "now": self.clock(),
                    **parameters,
                },
            ),
            *steps,
            (f"delete from operations where {which}", parameters),
        )

    # --- Requests that are worked off later ---------------------------------------------------

    def overdue_before(self) -> datetime:
        """What was requested before, and not confirmed yet, is not waited for any more."""
        return self.clock() - OVERDUE

    def open_receipts(self) -> list[str]:
        """Receipts whose result is still waited for, in their order."""
        return [
            receipt
            for (receipt,) in self.store.execute(
                "select receipt from exports.members where sync_id = $sync_id "
                "and receipt is not null and requested_at > $overdue_before "
                "group by receipt order by receipt",
                {"sync_id": self.sync_id, "overdue_before": self.overdue_before()},
            ).fetchall()
        ]

    def close_receipt(
        self, receipt: str, rejected: Mapping[int, str], default: tuple[str, str | None]
    ) -> None:
        """Write down what came of a request: the reasons of rejected rows by their places, and
        result and reason of all the others.
        """
        places = sorted(rejected)
        result, reason = default
        self._arrive(
            pa.table(
                {
                    "receipt_place": pa.array(places, pa.int64()),
                    "told": pa.array([rejected[place] for place in places], pa.string()),
                }
            ),
            "select members.customer_id, members.run_id, members.place, members.status, "
            "members.content_hash, coalesce(arrived.told, $reason) as reason, "
            "case when arrived.told is null then $result else 'rejected' end as result "
            "from exports.members as members left join arrived using (receipt_place) "
            "where members.sync_id = $sync_id and members.receipt = $receipt",
            {"sync_id": self.sync_id, "receipt": receipt, "result": result, "reason": reason},
        )
        self._in_transaction(
            (
                "update exports.results as results set result = outcomes.result, "
                "reason = outcomes.reason, told_at = $now from outcomes "
                "where results.run_id = outcomes.run_id and results.place = outcomes.place",
                {"now": self.clock()},
            ),
            (
                "update exports.members set receipt = null, receipt_place = null "
                "where sync_id = $sync_id and receipt = $receipt",
                {"sync_id": self.sync_id, "receipt": receipt},
            ),
            *self._settled(),
        )

    # --- What answers mean --------------------------------------------------------------------

    def _settled(self) -> list[_Step]:
        """What `outcomes` mean for members and dead letters, whenever they are told."""
        now, days = self.clock(), self.expires_after_days
        sync = {"sync_id": self.sync_id}
        return [
            (
                "update exports.members set status = 'held', acknowledged_at = $now, "
                "expires_at = $expires where sync_id = $sync_id and customer_id in (select "
                "customer_id from outcomes where result = 'accepted' and status = 'adding')",
                {**sync, "now": now, "expires": now + timedelta(days=days) if days else None},
            ),
            (
                "delete from exports.members where sync_id = $sync_id and customer_id in (select "
                "customer_id from outcomes where result = 'accepted' and status = 'removing')",
                sync,
            ),
            # Whoever was added has no letter left; whoever was removed may wait to be added.
            (
                "delete from exports.dead_letters as letters using outcomes "
                "where letters.sync_id = $sync_id and letters.customer_id = outcomes.customer_id "
                "and outcomes.result = 'accepted' "
                "and (letters.action = 'remove' or outcomes.status = 'adding')",
                sync,
            ),
            # The next try is after an hour, then after twice as long each time.
            (
                "create or replace temp table letters as select outcomes.customer_id, "
                "case outcomes.status when 'adding' then 'add' else 'remove' end as action, "
                "outcomes.content_hash, outcomes.reason, "
                "coalesce(old.attempts, 0) + 1 as attempts, coalesce(old.first_failed_at, $now) "
                "as first_failed_at from outcomes "
                "left join exports.dead_letters as old on old.sync_id = $sync_id "
                "and old.customer_id = outcomes.customer_id and old.action = "
                "case outcomes.status when 'adding' then 'add' else 'remove' end "
                "where outcomes.result = 'rejected'",
                {**sync, "now": now},
            ),
            (
                "delete from exports.dead_letters as old using letters "
                "where old.sync_id = $sync_id and old.action = letters.action "
                "and old.customer_id = letters.customer_id",
                sync,
            ),
            (
                "insert into exports.dead_letters by name select $sync_id as sync_id, "
                "customer_id, action, content_hash, reason, attempts, first_failed_at, $now "
                "+ least($first * power(2, least(attempts, 20) - 1)::bigint, $last) as next_try_at "
                "from letters",
                {**sync, "now": now, "first": _FIRST_RETRY_OF_ROW, "last": _LAST_RETRY_OF_ROW},
            ),
        ]

    def _arrive(self, arrived: pa.Table, sql: str, parameters: Mapping[str, object]) -> None:
        """Make the temporary table `outcomes` by a query of what arrived."""
        self.store.register("arrived", arrived)
        self.store.execute(f"create or replace temp table outcomes as {sql}", dict(parameters))
        self.store.unregister("arrived")

    def _in_transaction(self, *steps: _Step) -> None:
        """Carry out all steps or none."""
        self.store.execute("begin")
        try:
            for sql, parameters in steps:
                self.store.execute(sql, dict(parameters))
            self.store.execute("commit")
        except BaseException:
            self.store.execute("rollback")
            raise
