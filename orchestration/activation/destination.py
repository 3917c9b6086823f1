"""What the engine asks of a destination, and what a destination may answer.

A module of orchestration/activation/destinations is a destination. It has two public names:
`DECLARED`, what the engine has to know beforehand, and `connect`, which opens the service. Both
`add` and `remove` have to be safe to send twice: after a time-out nobody knows what arrived.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict

# `forget` is for an erased person: what a service knows beyond the audience goes as well. To a
# service that knows audiences alone it is the same as `remove`.
Action = Literal["add", "remove", "forget"]


class NoOptions(BaseModel):
    """The options of a destination that has none; others inherit from it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Declared:
    """What a destination declares.

    `fields` maps its own field names to columns of pii.match_keys. `identifiers` are those fields
    that it knows a member by: removals carry them alone, a member without any is not sent.
    `purpose` and `channel` are the consent that members need unless a sync names another.
    `secrets` and `optional_secrets` are ends of names of environment variables. `minimum` is the
    size below which an audience is of no use, `expires_after_days` when members are forgotten.
    `takes_attributes` says that a sync may send columns of marts.customer_360 as well.
    """

    fields: Mapping[str, str]
    identifiers: tuple[str, ...]
    purpose: str
    channel: str
    batch_rows: int
    batch_bytes: int
    secrets: tuple[str, ...] = ()
    optional_secrets: tuple[str, ...] = ()
    options: type[NoOptions] = NoOptions
    minimum: int = 0
    expires_after_days: int | None = None
    takes_attributes: bool = False
    value_field: str | None = None


class Row(NamedTuple):
    """One member of a request. `fields` has no empty value; a cleared attribute is None."""

    customer_id: str
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Batch:
    """Which request of a run it is, counted from 1; a bisected one gets numbers of its own."""

    run_id: str
    number: int


@dataclass(frozen=True)
class Request:
    """What is sent, ready but for secrets: `text` is the payload, as dry runs write it."""

    action: Action
    rows: int
    body: Any
    size: int
    text: Callable[[], str]


@dataclass(frozen=True)
class Answer:
    """What a destination says of a request.

    `rejected` gives the reason (a code, never a value) for each row that was not taken, by its
    place in the request, from 0. `unnamed` counts rows that were not taken without saying which.
    `receipt` is set when the service works the request off later: `WorksLater.confirm` asks for it.
    """

    rejected: Mapping[int, str] = field(default_factory=dict)
    unnamed: int = 0
    receipt: str | None = None


class ThrottledError(Exception):
    """Too many requests; nothing was taken. `after` is how many seconds to wait, if it said so."""

    def __init__(self, after: float | None = None) -> None:
        """Seconds, None when the service did not say."""
        super().__init__("throttled")
        self.after = after


class UnavailableError(Exception):
    """A time-out, a lost connection or an error of the service: it may have taken the request."""


class RefusedError(Exception):
    """The request as it is will never be taken; the message is a code, never a value."""


class DeniedError(Exception):
    """Nothing will be taken: credentials, permissions, or an audience that is blocked or gone."""


class Destination(Protocol):
    """One audience at a service, open for requests."""

    def open(self, audience: str, known: str | None) -> str:
        """Make the audience when `known`, its id at the service, is None; its id."""

    def prepare(self, action: Action, rows: Sequence[Row], batch: Batch) -> Request:
        """The request for rows, without sending it."""

    def send(self, request: Request) -> Answer:
        """Send it. Raises ThrottledError, UnavailableError, RefusedError or DeniedError."""

    def validate(self, request: Request) -> Answer:
        """Let the service check the request where it can, else check it here; nothing changes."""


@runtime_checkable
class WorksLater(Destination, Protocol):
    """One whose answers may have a receipt."""

    def confirm(self, receipt: str) -> Answer | None:
        """What came of a request that was worked off later, by rows as in `Answer`; None while it
        is not done. Raises RefusedError when nothing of it was taken, and what `send` raises.
        """


@dataclass(frozen=True)
class Connection:
    """How to reach a service: `url` is None for its own address, `secrets` are by their ends."""

    url: str | None
    secrets: Mapping[str, str]
    timeout_seconds: float = 30.0


class DestinationModule(Protocol):
    """What a module of orchestration/activation/destinations offers."""

    DECLARED: Declared

    def connect(self, options: Any, connection: Connection) -> Destination:
        """Open the service; `options` is of the type that the module declares. Nothing is sent."""


def destination_module(name: str) -> DestinationModule:
    """The module of a destination. Raises ModuleNotFoundError when there is none."""
    module: Any = importlib.import_module(f"orchestration.activation.destinations.{name}")
    return module  # type: ignore[no-any-return]


def connection_of(
    name: str, declared: Declared, environment: Mapping[str, str], needs_secrets: bool
) -> Connection:
    """Secrets from environment variables: <NAME>_<SECRET>, and <NAME>_URL for another address.

    `name` is that of the destination, or what a sync calls its credentials. A secret that is not
    there is empty; where it is needed, DeniedError names the variables that are missing.
    """
    prefix = name.upper()
    secrets = {
        end: environment.get(f"{prefix}_{end}", "")
        for end in (*declared.secrets, *declared.optional_secrets)
    }
    missing = [f"{prefix}_{end}" for end in declared.secrets if not secrets[end]]
    if needs_secrets and missing:
        raise DeniedError(f"set the environment variables {', '.join(missing)}")
    return Connection(environment.get(f"{prefix}_URL"), secrets)
