"""Sends the operations of a plan in requests, as patiently as the destination asks."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import tenacity

from orchestration.activation.audience import Audience, sent_column
from orchestration.activation.destination import (
    Action,
    Answer,
    Batch,
    Declared,
    DeniedError,
    Destination,
    RefusedError,
    Request,
    Row,
    ThrottledError,
    UnavailableError,
    WorksLater,
)
from orchestration.activation.ledger import Ledger, Outcome
from orchestration.activation.syncs import Sync

_ATTEMPTS = 6
_FIRST_WAIT = 2.0
_LONGEST_WAIT = 300.0
# A request that is refused as a whole is halved until the bad rows stand alone, but not for ever:
# where a destination refuses everything, what is left is rejected as it is.
_MOST_BISECTIONS = 200
_CONFIRMATIONS = 12
_CONFIRM_SECONDS = 5.0
# Rows that are marked together, whatever the size of a request: writing down costs a look at all
# members each time.
ROWS_AT_ONCE = 20_000

# Who shares an identifier with somebody whose removal is worked off later, perhaps after the add.
_SHARED_WITH_UNFINISHED = """
action = 'add' and customer_id in (
    select customer_id
    from (select customer_id, unnest(identifiers) as value from operations where action = 'add')
    where value <> '' and value in (
        select unnest(identifiers)
        from exports.members
        where
            sync_id = $sync_id
            and status = 'removing'
            and receipt is not null
            and requested_at > $overdue_before
    )
)
"""
_STILL_THERE = """
action = 'add' and customer_id in (
    select wanted.customer_id
    from operations as wanted
    inner join exports.members as members on wanted.customer_id = members.customer_id
    where
        members.sync_id = $sync_id
        and wanted.action = 'add'
        and wanted.cause = 'changed'
        and wanted.identifiers <> members.identifiers
)
"""

_Result = TypeVar("_Result")
_Placed = Sequence[tuple[int, Row]]


class OvertakenError(Exception):
    """Who may be sent has changed since the plan was made: make another."""


class StoppedError(Exception):
    """The destination takes nothing more now; the rest waits for the next run."""


@dataclass
class Delivery:
    """The requests of one run. `sleep` takes seconds; `clears` are attributes that the destination
    has to empty where nothing is known.
    """

    ledger: Ledger
    declared: Declared
    destination: Destination
    audience: Audience
    sleep: Callable[[float], None]
    progress: Callable[[str], None]
    clears: Collection[str] = ()
    rows_at_once: int = ROWS_AT_ONCE
    requests: int = 0
    unnamed: int = 0
    _bisections: int = 0

    def open(self, sync: Sync) -> None:
        """The audience at the destination, made once. Raises StoppedError."""
        known = self.ledger.audience()
        audience_id = self._or_stop(
            partial(self.destination.open, sync.audience, known[1] if known else None)
        )
        if known is None:
            self.ledger.remember_audience(sync.destination, audience_id)

    def deliver(self, planned_on: str, removal: Action = "remove") -> None:
        """Send all operations, made when the audience had the version `planned_on`. What was
        answered stands when it raises OvertakenError, StoppedError or DeniedError.
        """
        self.ledger.settle_shared()
        self._deliver_all(removal, planned_on)
        self.confirm()
        known = {"sync_id": self.ledger.sync_id}
        self.ledger.put_off(_STILL_THERE, "old_identifiers_are_still_there", known)
        self.ledger.put_off(
            _SHARED_WITH_UNFINISHED,
            "shared_with_one_who_leaves",
            {**known, "overdue_before": self.ledger.overdue_before()},
        )
        self._deliver_all("add", planned_on)
        self.confirm()

    def prepared(self) -> Iterator[Request]:
        """The requests that would be sent, of the size that they would have."""
        actions: tuple[Action, ...] = ("remove", "add")
        for action in actions:
            for first, last in self._stretches(action):
                for rows in self._batches(self._rows(action, first, last)):
                    for _, request in self._fitting(action, rows):
                        yield request

    def validate(self, request: Request) -> Answer:
        """Let the destination look at a request. Raises RefusedError, StoppedError, DeniedError."""
        return self._or_stop(partial(self.destination.validate, request))

    def confirm(self) -> None:
        """Ask for a while what came of requests that are worked off later; so does the next run."""
        for attempt in range(_CONFIRMATIONS):
            receipts = self.ledger.open_receipts()
            if not receipts or not all(map(self._ask, receipts)):
                return
            if attempt + 1 < _CONFIRMATIONS and self.ledger.open_receipts():
                self.sleep(_CONFIRM_SECONDS)

    def _ask(self, receipt: str) -> bool:
        """Ask once; False when the destination does not tell anything now."""
        if not isinstance(self.destination, WorksLater):
            return False
        try:
            answer = self._patiently(partial(self.destination.confirm, receipt))
        except RefusedError as error:
            self.ledger.close_receipt(receipt, {}, ("rejected", str(error)))
        except (ThrottledError, UnavailableError, DeniedError):
            return False
        else:
            if answer is not None:
                self.unnamed += answer.unnamed
                some = "some_of_the_request_were_not_taken" if answer.unnamed else None
                self.ledger.close_receipt(receipt, answer.rejected, ("accepted", some))
        return True

    # --- Requests -----------------------------------------------------------------------------

    def _deliver_all(self, action: Action, planned_on: str) -> None:
        for first, last in self._stretches(action):
            rows = self._rows(action, first, last)
            if not rows:
                continue
            self.ledger.mark(action, first, last)
            outcomes: dict[int, Outcome] = {}
            try:
                for batch in self._batches(rows):
                    if self.audience.version() != planned_on:
                        raise OvertakenError
                    self._send_batch(action, batch, outcomes)
            except Exception:
                self._write_down(action, rows, outcomes)
                raise
            self._write_down(action, rows, outcomes)

    def _write_down(self, action: Action, rows: _Placed, outcomes: dict[int, Outcome]) -> None:
        """Write down what came of rows that were marked, also of those that no request reached."""
        unsent = Outcome("unknown", "not_sent")
        self.ledger.write_down(action, {place: outcomes.get(place, unsent) for place, _ in rows})

    def _send_batch(self, action: Action, rows: _Placed, outcomes: dict[int, Outcome]) -> None:
        # Nobody is added whose erasure has begun; they stay in doubt, and are removed with it.
        stopped = self.audience.stopped() if action == "add" else frozenset[str]()
        for place, row in rows:
            if row.customer_id in stopped:
                outcomes[place] = Outcome("unknown", "being_erased")
        wanted = [each for each in rows if each[1].customer_id not in stopped]
        for part, request in self._fitting(action, wanted):
            if request.size > self.declared.batch_bytes:
                outcomes[part[0][0]] = Outcome("rejected", "too_large")
            else:
                self._send(part, request, outcomes)

    def _fitting(self, action: Action, rows: _Placed) -> Iterator[tuple[_Placed, Request]]:
        """Rows with their requests, of half as many rows where one is too large."""
        if not rows:
            return
        request = self._prepare(action, rows)
        if request.size > self.declared.batch_bytes and len(rows) > 1:
            middle = len(rows) // 2
            yield from self._fitting(action, rows[:middle])
            yield from self._fitting(action, rows[middle:])
        else:
            self.requests += 1
            yield rows, request

    def _prepare(self, action: Action, rows: _Placed) -> Request:
        batch = Batch(self.ledger.run_id, self.requests + 1)
        return self.destination.prepare(action, [row for _, row in rows], batch)

    def _send(
        self,
        rows: _Placed,
        request: Request,
        outcomes: dict[int, Outcome],
        in_doubt: bool = False,
    ) -> None:
        """Send a request; halves of it where it is refused. What is known stands in `outcomes`."""
        number, lost = self.requests, in_doubt

        def once() -> Answer:
            nonlocal lost
            try:
                return self.destination.send(request)
            except UnavailableError:
                lost = True
                raise

        try:
            answer = self._or_stop(once)
            reason = "not_taken" if answer.unnamed and answer.receipt is None else None
        except RefusedError as error:
            reason = str(error)
        except (StoppedError, DeniedError):
            outcomes |= dict.fromkeys(_places(rows), Outcome("unknown", "no_answer", number))
            raise
        if reason is None:
            outcomes |= _outcomes(answer, _places(rows), number, lost)
            return
        self._bisections += 1
        if len(rows) == 1 or self._bisections > _MOST_BISECTIONS:
            outcomes |= dict.fromkeys(_places(rows), Outcome("rejected", reason, number, lost))
            return
        middle = len(rows) // 2
        for half in (rows[:middle], rows[middle:]):
            smaller = self._prepare(request.action, half)
            self.requests += 1
            self._send(half, smaller, outcomes, lost)

    def _or_stop(self, call: Callable[[], _Result]) -> _Result:
        """Call patiently. Raises StoppedError when there is no answer in the end."""
        try:
            return self._patiently(call)
        except ThrottledError:
            raise StoppedError("the destination takes no more requests for now") from None
        except UnavailableError:
            raise StoppedError("the destination does not answer") from None

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

    def _stretches(self, action: Action) -> Iterator[tuple[int, int]]:
        """First and last place of the rows that are marked together."""
        planned = "add" if action == "add" else "remove"
        [(first, last)] = self.ledger.store.execute(
            "select min(place), max(place) from operations where action = $action",
            {"action": planned},
        ).fetchall()
        if first is None:
            return
        size = max(1, self.rows_at_once // self.declared.batch_rows) * self.declared.batch_rows
        for start in range(first, last + 1, size):
            end = min(start + size - 1, last)
            yield start, end
            self.progress(f"{action}: {end - first + 1:,} of {last - first + 1:,} rows")

    def _batches(self, rows: _Placed) -> Iterator[_Placed]:
        for start in range(0, len(rows), self.declared.batch_rows):
            yield rows[start : start + self.declared.batch_rows]

    def _rows(self, action: Action, first: int, last: int) -> _Placed:
        """Rows with their places; removals carry identifiers alone."""
        if action == "add":
            names: Sequence[str] = self.audience.fields
            columns = ", ".join(map(sent_column, names))
        else:
            names = self.declared.identifiers
            columns = ", ".join(f"nullif(identifiers[{n + 1}], '')" for n in range(len(names)))
        found = self.ledger.store.execute(
            f"select place, customer_id, {columns} from operations "
            "where place between $first and $last order by place",
            {"first": first, "last": last},
        ).fetchall()
        return [
            (place, Row(customer, self._given(names, values))) for place, customer, *values in found
        ]

    def _given(self, names: Sequence[str], values: Sequence[Any]) -> Mapping[str, Any]:
        """What is known; None where the destination has to empty an attribute."""
        known = dict(zip(names, values, strict=True))
        if None not in values:
            return known
        return {
            name: value for name, value in known.items() if value is not None or name in self.clears
        }


def _places(rows: _Placed) -> list[int]:
    return [place for place, _ in rows]


def _outcomes(
    answer: Answer, places: Sequence[int], request: int, in_doubt: bool
) -> dict[int, Outcome]:
    """What an answer says of each row of a request, by its place in the plan."""
    if answer.receipt is None:
        outcomes = dict.fromkeys(places, Outcome("accepted", None, request))
    else:
        outcomes = {
            place: Outcome("pending", None, request, in_doubt, answer.receipt, number)
            for number, place in enumerate(places)
        }
    for number, reason in answer.rejected.items():
        outcomes[places[number]] = Outcome("rejected", reason, request, in_doubt)
    return outcomes


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, ThrottledError) and error.after is not None:
        return min(error.after, _LONGEST_WAIT)
    return float(min(_FIRST_WAIT * 2 ** (state.attempt_number - 1), _LONGEST_WAIT))
