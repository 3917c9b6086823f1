"""What the tests of destinations share: services on a stand-in, their faults, and their answers."""

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import strategies as st

from orchestration.activation.destination import (
    Action,
    Answer,
    Batch,
    DeniedError,
    Destination,
    RefusedError,
    Request,
    Row,
    ThrottledError,
    UnavailableError,
    WorksLater,
    destination_module,
)
from orchestration.activation.stand_in.server import Call, Fault, Reply, StandIn

# One request: what it does, with which persons by number, and what befalls it before it arrives.
Step = tuple[Action, set[int], list[Fault | None]]

each_fault = pytest.mark.parametrize(
    ("fault", "error", "arrives"),
    [
        ("throttled", ThrottledError, False),
        ("error", UnavailableError, False),
        ("lost", UnavailableError, False),
        ("accepted_then_lost", UnavailableError, True),
        ("denied", DeniedError, False),
    ],
)
each_status = pytest.mark.parametrize(
    ("status", "error"),
    [
        (301, DeniedError),
        (400, RefusedError),
        (401, DeniedError),
        (403, DeniedError),
        (404, DeniedError),
        (408, UnavailableError),
        (422, RefusedError),
        (429, ThrottledError),
        (503, UnavailableError),
    ],
)


@dataclass
class Canned:
    """Answers every call that changes members with the same reply, and keeps the calls."""

    reply: Reply
    calls: list[Call] = field(default_factory=list)
    poison: set[str] = field(default_factory=set)

    def handle(self, call: Call) -> Reply:
        self.calls.append(call)
        return self.reply

    def writes(self, call: Call) -> bool:  # noqa: ARG002
        return True

    def fault(self, kind: Fault) -> Reply:  # noqa: ARG002
        return self.reply

    def audiences(self) -> Mapping[str, set[tuple[str, ...]]]:
        return {}


@dataclass
class Service:
    """A destination that is open, the server that it speaks to, and what that one holds."""

    name: str
    api: Any
    server: StandIn
    destination: Destination
    audience: str
    requests: int = 0

    def prepared(self, action: Action, rows: Sequence[Row]) -> Request:
        self.requests += 1
        return self.destination.prepare(action, rows, Batch("run", self.requests))

    def send(self, request: Request) -> Answer:
        """Send it, and ask for the result where there is one only later."""
        answer = self.destination.send(request)
        if answer.receipt is None:
            return answer
        told = confirmed(self.destination, answer.receipt)
        assert told is not None
        return told

    def deliver(self, action: Action, rows: Sequence[Row]) -> Answer:
        return self.send(self.prepared(action, rows))

    def batches(self, rows: Sequence[Row]) -> list[Sequence[Row]]:
        """As many rows at once as the service takes."""
        size = destination_module(self.name).DECLARED.batch_rows
        return [rows[start : start + size] for start in range(0, len(rows), size)]

    def held(self) -> set[tuple[str, ...]]:
        """The members, by all their identifiers."""
        return set(self.api.audiences().get(self.audience, set()))

    def holds(self) -> set[str]:
        """The members, by their first identifier."""
        return {first for first, *_ in self.held()}


def confirmed(destination: Destination, receipt: str) -> Answer | None:
    """What came of a request that is worked off later; None while it is not done."""
    assert isinstance(destination, WorksLater)
    return destination.confirm(receipt)


@contextmanager
def silent_url() -> Iterator[str]:
    """The address of a server that takes calls and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        yield f"http://127.0.0.1:{silent.getsockname()[1]}"


def steps(*actions: Action) -> st.SearchStrategy[list[Step]]:
    """Requests in any order, each with faults on its way."""
    faults: st.SearchStrategy[Fault | None] = st.sampled_from(
        [None, "throttled", "error", "lost", "accepted_then_lost", "twice"]
    )
    numbers = st.sets(st.integers(0, 5), min_size=1)
    step = st.tuples(st.sampled_from(actions), numbers, st.lists(faults, max_size=2))
    return st.lists(step, max_size=8)


def insist(
    service: Service, drawn: Sequence[Step], rows_of: Callable[[Action, list[int]], list[Row]]
) -> set[int]:
    """Send each request until it is taken; whom the service should hold then, by number."""
    wanted: set[int] = set()
    for action, numbers, befalling in drawn:
        service.server.faults[:] = befalling
        for rows in service.batches(rows_of(action, sorted(numbers))):
            request = service.prepared(action, rows)
            while not _is_taken(service, request):
                pass
        wanted = wanted | numbers if action == "add" else wanted - numbers
    return wanted


def _is_taken(service: Service, request: Request) -> bool:
    try:
        service.send(request)
    except (ThrottledError, UnavailableError):
        return False
    return True
