"""Sends the operations of a plan in batches, and writes down what came of every row.

Before a request leaves, its rows are marked as begun; after the answer, as held or gone. A process
that ends in between leaves the mark, and the next run knows that these rows are in doubt.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import duckdb
import pyarrow as pa
import tenacity

from orchestration.activation.audience import Audience
from orchestration.activation.destination import (
    Action,
    Answer,
    Batch,
    Declared,
    Destination,
    RefusedError,
    Request,
    Row,
    ThrottledError,
    UnavailableError,
)
from orchestration.ingest.sql import quote_name

_ATTEMPTS = 6
_FIRST_WAIT = 2.0
_LONGEST_WAIT = 300.0
# A request that is refused as a whole is halved until the bad rows stand alone, but not for ever:
# where a destination refuses everything, what is left is rejected as it is.
_MOST_BISECTIONS = 200
_FIRST_RETRY_OF_ROW = timedelta(hours=1)
_LAST_RETRY_OF_ROW = timedelta(days=7)
# Whoever was added has no letter left; whoever was removed may still wait to be added.
_OF_REMOVALS = "action = 'remove'"
_CONFIRMATIONS = 12
_CONFIRM_SECONDS = 5.0


_Result = TypeVar("_Result")


class OvertakenError(Exception):
    """Who may be sent has changed since the plan was made: make another."""


class StoppedError(Exception):
    """The destination takes nothing more now; the rest waits for the next run."""


@dataclass(frozen=True)
class _Outcome:
    result: str
    reason: str | None = None
    receipt: str | None = None
    receipt_place: int | None = None


@dataclass
class Delivery:
    """The requests of one run. `clock` gives UTC without saying so, `sleep` takes seconds."""

    store: duckdb.DuckDBPyConnection
    sync_id: str
    run_id: str
    declared: Declared
    destination: Destination
    audience: Audience
    clock: Callable[[], datetime]
    sleep: Callable[[float], None]
    progress: Callable[[str], None]
    requests: int = 0
    unnamed: int = 0
    _bisections: int = 0
    _in_doubt: bool = False
    _outcomes: dict[int, _Outcome] = field(default_factory=dict)

    def deliver(self) -> None:
        """Send all operations. Raises OvertakenError and StoppedError; what was answered until
        then stands.
        """
        planned_on = self.audience.version()
        self._settle_shared()
        for action in ("remove", "add"):
            if action == "add":
                self._confirm_all()
                self._put_off_unfinished()
            for first, last in self._batches(action):
                if self.audience.version() != planned_on:
                    raise OvertakenError
                if action == "add":
                    self._leave_out(self.audience.stopped(), first, last)
                self._deliver_batch(action, first, last)
        self._confirm_all()

    def forget(self) -> None:
        """Send the operations, all removals, as those of erased persons."""
        self._settle_shared()
        for first, last in self._batches("remove"):
            self._deliver_batch("forget", first, last)
        self._confirm_all()

    def prepared(self) -> Iterator[Request]:
        """The requests that would be sent, of the size that they would have."""
        actions: tuple[Action, ...] = ("remove", "add")
        for action in actions:
            for first, last in self._batches(action):
                yield from self._prepared(
                    action, [row for _, row in self._rows(action, first, last)]
                )

    def _prepared(self, action: Action, rows: Sequence[Row]) -> Iterator[Request]:
        if not rows:
            return
        self.requests += 1
        request = self.destination.prepare(action, rows, Batch(self.run_id, self.requests))
        if request.size > self.declared.batch_bytes and len(rows) > 1:
            yield from self._prepared(action, rows[: len(rows) // 2])
            yield from self._prepared(action, rows[len(rows) // 2 :])
        else:
            yield request

    def confirm(self) -> None:
        """Ask once what came of requests that the destination works off later."""
        receipts = self.store.execute(
            "select receipt from exports.members "
            "where sync_id = $sync_id and receipt is not null group by receipt order by receipt",
            {"sync_id": self.sync_id},
        ).fetchall()
        for (receipt,) in receipts:
            try:
                answer = self._patiently(partial(self.destination.confirm, receipt))
            except RefusedError as error:
                self._close_receipt(receipt, None, str(error))
            except (ThrottledError, UnavailableError):
                return
            else:
                if answer is not None:
                    self.unnamed += answer.unnamed
                    self._close_receipt(receipt, answer.rejected, None)

    # --- Batches ------------------------------------------------------------------------------

    def _batches(self, action: str) -> Iterator[tuple[int, int]]:
        [(first, last)] = self.store.execute(
            "select min(place), max(place) from operations where action = $action",
            {"action": action},
        ).fetchall()
        if first is None:
            return
        for start in range(first, last + 1, self.declared.batch_rows):
            end = min(start + self.declared.batch_rows - 1, last)
            yield start, end
            self.progress(f"{action}: {end - first + 1:,} of {last - first + 1:,} rows")

    def _deliver_batch(self, action: Action, first: int, last: int) -> None:
        rows = self._rows(action, first, last)
        if not rows:
            return
        self._mark(action, first, last)
        self._outcomes, self._in_doubt = {}, False
        try:
            self._send(action, rows)
        except (ThrottledError, UnavailableError) as error:
            raise StoppedError(_told(error)) from None
        finally:
            self._write_down(action, first, [place for place, _ in rows])

    def _send(self, action: Action, rows: Sequence[tuple[int, Row]]) -> None:
        """Send rows with their places; smaller requests where one is too big or refused."""
        self.requests += 1
        batch = Batch(self.run_id, self.requests)
        request = self.destination.prepare(action, [row for _, row in rows], batch)
        if request.size > self.declared.batch_bytes:
            self._halve(action, rows, "too_large")
            return
        try:
            answer = self._patiently(partial(self._once, request))
        except RefusedError as error:
            self._halve(action, rows, str(error))
            return
        if answer.unnamed and answer.receipt is None:
            self._halve(action, rows, "not_taken")
            return
        self._take(rows, answer)

    def _once(self, request: Request) -> Answer:
        try:
            return self.destination.send(request)
        except UnavailableError:
            self._in_doubt = True
            raise

    def _halve(self, action: Action, rows: Sequence[tuple[int, Row]], reason: str) -> None:
        self._bisections += 1
        if len(rows) == 1 or self._bisections > _MOST_BISECTIONS:
            for place, _ in rows:
                self._outcomes[place] = _Outcome("rejected", reason)
            return
        middle = len(rows) // 2
        self._send(action, rows[:middle])
        self._send(action, rows[middle:])

    def _take(self, rows: Sequence[tuple[int, Row]], answer: Answer) -> None:
        taken = "accepted" if answer.receipt is None else "pending"
        for number, (place, _) in enumerate(rows):
            if number in answer.rejected:
                self._outcomes[place] = _Outcome("rejected", answer.rejected[number])
            elif answer.receipt is None:
                self._outcomes[place] = _Outcome(taken)
            else:
                self._outcomes[place] = _Outcome(taken, None, answer.receipt, number)

    def _patiently(self, call: Callable[[], _Result]) -> _Result:
        """Call until it is answered, waiting as long as the destination asks, or longer and longer.

        Raises what the last of the attempts raised.
        """
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(_ATTEMPTS),
            wait=_wait,
            sleep=self.sleep,
            retry=tenacity.retry_if_exception_type((ThrottledError, UnavailableError)),
            reraise=True,
        )
        return retrying(call)

    # --- Rows ---------------------------------------------------------------------------------

    def _rows(self, action: Action, first: int, last: int) -> list[tuple[int, Row]]:
        """The rows of a batch with their places; removals carry identifiers alone."""
        names = self.audience.fields if action == "add" else self.declared.identifiers
        columns = (
            ", ".join(map(quote_name, names))
            if action == "add"
            else ", ".join(f"nullif(identifiers[{n + 1}], '')" for n in range(len(names)))
        )
        found = self.store.execute(
            f"select place, customer_id, {columns} from operations "
            "where place between $first and $last order by place",
            {"first": first, "last": last},
        ).fetchall()
        return [
            (place, Row(customer, _given(names, values, self.declared)))
            for place, customer, *values in found
        ]

    def _mark(self, action: Action, first: int, last: int) -> None:
        """Say that a request was begun. A member that was known stays known until the answer."""
        status = "adding" if action == "add" else "removing"
        self._in_transaction(
            (
                "delete from exports.members where sync_id = $sync_id and customer_id in "
                "(select customer_id from operations where place between $first and $last)",
                {"first": first, "last": last},
            ),
            (
                "insert into exports.members by name select $sync_id as sync_id, customer_id, "
                f"'{status}' as status, identifiers, content_hash, consented_at, "
                "$run_id as run_id, place, $now as requested_at "
                "from operations where place between $first and $last",
                {"first": first, "last": last, "run_id": self.run_id, "now": self.clock()},
            ),
        )

    def _write_down(self, action: Action, first: int, places: Sequence[int]) -> None:
        """Write what came of each row of a batch to the log, the members and the dead letters."""
        told = [self._outcomes.get(place, _Outcome("unknown")) for place in places]
        outcomes = pa.table(
            {
                "place": pa.array(places, pa.int64()),
                "result": pa.array([each.result for each in told], pa.string()),
                "reason": pa.array([each.reason for each in told], pa.string()),
                "receipt": pa.array([each.receipt for each in told], pa.string()),
                "receipt_place": pa.array([each.receipt_place for each in told], pa.int64()),
            }
        )
        self.store.register("arrived", outcomes)
        self.store.execute(
            "create or replace temp table outcomes as "
            "select arrived.*, operations.* exclude (place) from arrived "
            "inner join operations using (place)"
        )
        self.store.unregister("arrived")
        days = self.declared.expires_after_days
        now = self.clock()
        bounds = {"run_id": self.run_id, "now": now}
        steps: list[tuple[str, dict[str, object]]] = [
            (
                "insert into exports.results by name select $run_id as run_id, place, customer_id, "
                f"'{action}' as action, cause, {first} as batch, result, reason, "
                "$now as told_at from outcomes",
                bounds,
            ),
            (
                "delete from exports.dead_letters where sync_id = $sync_id and "
                f"{'true' if action == 'add' else _OF_REMOVALS} and customer_id in "
                "(select customer_id from outcomes where result = 'accepted')",
                {},
            ),
        ]
        if action == "add":
            steps += [
                (
                    "update exports.members set status = 'held', acknowledged_at = $now, "
                    "expires_at = $expires where sync_id = $sync_id and customer_id in "
                    "(select customer_id from outcomes where result = 'accepted')",
                    {"now": now, "expires": None if days is None else now + timedelta(days=days)},
                ),
                # One that was there before, or may have arrived with an earlier attempt, stays in
                # doubt: forgetting it would leave the person there for ever.
                (
                    "delete from exports.members where sync_id = $sync_id and customer_id in "
                    "(select customer_id from outcomes where result = 'rejected' "
                    "and not was_known and not $in_doubt)",
                    {"in_doubt": self._in_doubt},
                ),
            ]
        else:
            steps.append(
                (
                    "delete from exports.members where sync_id = $sync_id and customer_id in "
                    "(select customer_id from outcomes where result = 'accepted')",
                    {},
                )
            )
        if any(each.receipt for each in told):
            steps.append(
                (
                    "update exports.members as members set receipt = outcomes.receipt, "
                    "receipt_place = outcomes.receipt_place from outcomes where "
                    "members.sync_id = $sync_id and members.customer_id = outcomes.customer_id "
                    "and outcomes.result = 'pending'",
                    {},
                )
            )
        if any(each.result == "rejected" for each in told):
            steps += _dead_letters("add" if action == "add" else "remove", now)
        self._in_transaction(*steps)

    def _close_receipt(
        self, receipt: str, rejected: Mapping[int, str] | None, refused: str | None
    ) -> None:
        """Write down what came of a request that was worked off later."""
        now = self.clock()
        names = sorted((rejected or {}).items())
        self.store.register(
            "arrived",
            pa.table(
                {
                    "receipt_place": pa.array([place for place, _ in names], pa.int64()),
                    "reason": pa.array([reason for _, reason in names], pa.string()),
                }
            ),
        )
        self.store.execute(
            "create or replace temp table outcomes as "
            "select members.customer_id, members.run_id, members.place, members.status, "
            "members.content_hash, coalesce(arrived.reason, $refused) as reason, "
            "case when coalesce(arrived.reason, $refused) is null then 'accepted' "
            "else 'rejected' end as result "
            "from exports.members as members left join arrived using (receipt_place) "
            "where members.sync_id = $sync_id and members.receipt = $receipt",
            {"sync_id": self.sync_id, "receipt": receipt, "refused": refused},
        )
        self.store.unregister("arrived")
        days = self.declared.expires_after_days
        expires = None if days is None else now + timedelta(days=days)
        steps: list[tuple[str, dict[str, object]]] = [
            (
                "update exports.results as results set result = outcomes.result, "
                "reason = outcomes.reason, told_at = $now from outcomes "
                "where results.run_id = outcomes.run_id and results.place = outcomes.place",
                {"now": now},
            ),
            (
                "delete from exports.members where sync_id = $sync_id and customer_id in (select "
                "customer_id from outcomes where result = 'accepted' and status = 'removing')",
                {},
            ),
            (
                "update exports.members set status = 'held', acknowledged_at = $now, "
                "expires_at = $expires where sync_id = $sync_id and customer_id in (select "
                "customer_id from outcomes where result = 'accepted' and status = 'adding')",
                {"now": now, "expires": expires},
            ),
            (
                "update exports.members set receipt = null, receipt_place = null "
                "where sync_id = $sync_id and receipt = $receipt",
                {"receipt": receipt},
            ),
            *_closed_letters(),
            *_dead_letters("add", now, "and status = 'adding'"),
            *_dead_letters("remove", now, "and status = 'removing'"),
        ]
        self._in_transaction(*steps)

    # --- Before and after ---------------------------------------------------------------------

    def _settle_shared(self) -> None:
        """Members whose every identifier another one has: there is nothing to remove."""
        shared = "action = 'remove' and list_aggregate(identifiers, 'max') = ''"
        self._in_transaction(
            (
                "insert into exports.results by name select $run_id as run_id, place, customer_id, "
                "action, cause, 0 as batch, 'accepted' as result, 'shared' as reason, "
                f"$now as told_at from operations where {shared}",
                {"run_id": self.run_id, "now": self.clock()},
            ),
            (
                "delete from exports.members where sync_id = $sync_id and customer_id in "
                f"(select customer_id from operations where {shared})",
                {},
            ),
        )
        self.store.execute(f"delete from operations where {shared}")

    def _put_off_unfinished(self) -> None:
        """Whoever could not be removed by old identifiers yet is not added by new ones."""
        self._put_off(
            "action = 'add' and cause = 'changed' and customer_id in "
            "(select customer_id from exports.members where sync_id = $sync_id "
            "and members.identifiers <> operations.identifiers)",
            "old_identifiers_are_still_there",
            {"sync_id": self.sync_id},
        )

    def _leave_out(self, stopped: frozenset[str], first: int, last: int) -> None:
        if stopped:
            self._put_off(
                "place between $first and $last and list_contains($stopped, customer_id)",
                "being_erased",
                {"first": first, "last": last, "stopped": sorted(stopped)},
            )

    def _put_off(self, which: str, reason: str, parameters: Mapping[str, object]) -> None:
        """Take rows out of this run, and say so in the log."""
        self._in_transaction(
            (
                "insert into exports.results by name select $run_id as run_id, place, customer_id, "
                "action, cause, 0 as batch, 'unknown' as result, $reason as reason, "
                f"$now as told_at from operations where {which}",
                {"run_id": self.run_id, "reason": reason, "now": self.clock(), **parameters},
            ),
            (f"delete from operations where {which}", parameters),
        )

    def _confirm_all(self) -> None:
        """Wait a while for what the destination works off later; the next run asks again."""
        for _ in range(_CONFIRMATIONS):
            self.confirm()
            [(waiting,)] = self.store.execute(
                "select count(*) from exports.members where sync_id = $sync_id "
                "and run_id = $run_id and receipt is not null",
                {"sync_id": self.sync_id, "run_id": self.run_id},
            ).fetchall()
            if not waiting:
                return
            self.sleep(_CONFIRM_SECONDS)

    def _in_transaction(self, *steps: tuple[str, Mapping[str, Any]]) -> None:
        """Carry out all steps or none; each may name the sync."""
        self.store.execute("begin")
        try:
            for sql, parameters in steps:
                named = {"sync_id": self.sync_id} if "$sync_id" in sql else {}
                self.store.execute(sql, {**named, **parameters})
            self.store.execute("commit")
        except BaseException:
            self.store.execute("rollback")
            raise


def _given(names: Sequence[str], values: Sequence[Any], declared: Declared) -> dict[str, Any]:
    """What is known; an attribute that is not is None, for the destination to clear it."""
    return {
        name: value
        for name, value in zip(names, values, strict=True)
        if value is not None or name not in declared.fields
    }


def _dead_letters(
    action: str, now: datetime, which: str = ""
) -> list[tuple[str, dict[str, object]]]:
    """Keep rejected rows with their next try: after an hour, then twice as long each time."""
    return [
        (
            "create or replace temp table letters as select outcomes.customer_id, "
            "outcomes.content_hash, outcomes.reason, coalesce(old.attempts, 0) + 1 as attempts, "
            "coalesce(old.first_failed_at, $now) as first_failed_at from outcomes "
            "left join exports.dead_letters as old on old.sync_id = $sync_id "
            f"and old.action = '{action}' and old.customer_id = outcomes.customer_id "
            f"where outcomes.result = 'rejected' {which}",
            {"now": now},
        ),
        (
            f"delete from exports.dead_letters where sync_id = $sync_id and action = '{action}' "
            "and customer_id in (select customer_id from letters)",
            {},
        ),
        (
            "insert into exports.dead_letters by name select $sync_id as sync_id, customer_id, "
            f"'{action}' as action, content_hash, reason, attempts, first_failed_at, "
            "$now + least($first * power(2, attempts - 1)::bigint, $last) as next_try_at "
            "from letters",
            {"now": now, "first": _FIRST_RETRY_OF_ROW, "last": _LAST_RETRY_OF_ROW},
        ),
    ]


def _closed_letters() -> list[tuple[str, dict[str, object]]]:
    return [
        (
            f"delete from exports.dead_letters where sync_id = $sync_id and {letters} "
            "and customer_id in (select customer_id from outcomes "
            f"where result = 'accepted' and status = '{status}')",
            {},
        )
        for letters, status in (("true", "adding"), (_OF_REMOVALS, "removing"))
    ]


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, ThrottledError) and error.after is not None:
        return min(error.after, _LONGEST_WAIT)
    return float(min(_FIRST_WAIT * 2 ** (state.attempt_number - 1), _LONGEST_WAIT))


def _told(error: ThrottledError | UnavailableError) -> str:
    if isinstance(error, ThrottledError):
        return "the destination takes no more requests for now"
    return "the destination does not answer"
