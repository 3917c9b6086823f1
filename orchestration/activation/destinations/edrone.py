"""edrone: customers with a tag for the audience, by the tracker of its shop plugins.

Transport is plain HTTP, one form for each member: there is no batch, and no SDK. A success is HTTP
200, whose body says nothing more. What public documentation lacks:

- How a tag is taken away. A removal sends the customer without a tag; whether the one before is
  dropped by that depends on the account: ask edrone before an audience has to be exact.
- How a customer is deleted or looked up. Nobody can be forgotten this way: the request is refused
  with `forget_is_not_in_the_api`, and the erasure has to be asked of edrone by hand.
- Custom attributes. They are sent as fields of the form, by the names that the sync gives them.

Subscriptions stay as they are, unless `subscribes` says that the audience is the newsletter.
"""

from collections.abc import Sequence
from typing import Any

import httpx

from orchestration.activation.destination import (
    Action,
    Answer,
    Batch,
    Connection,
    Declared,
    Destination,
    NoOptions,
    RefusedError,
    Request,
    Row,
)
from orchestration.activation.wire import call, json_text, tag_of, without_email

_ADDRESS = "https://api.edrone.me"


class EdroneOptions(NoOptions):
    """`subscribes`: members are subscribed to the newsletter, and unsubscribed when they leave."""

    subscribes: bool = False


DECLARED = Declared(
    fields={
        "email": "email",
        "phone": "phone",
        "first_name": "first_name",
        "last_name": "last_name",
        "city": "city",
        "country": "country",
    },
    identifiers=("email",),
    purpose="marketing",
    channel="email",
    batch_rows=1,
    batch_bytes=100_000,
    secrets=("APP_ID",),
    options=EdroneOptions,
    takes_attributes=True,
)


def connect(options: EdroneOptions, connection: Connection) -> Destination:
    """Open the tracker; nothing is sent."""
    client = httpx.Client(base_url=connection.url or _ADDRESS, timeout=connection.timeout_seconds)
    return _Edrone(options, client, connection.secrets["APP_ID"])


class _Edrone:
    def __init__(self, options: EdroneOptions, client: httpx.Client, app_id: str) -> None:
        self._options = options
        self._client = client
        self._app_id = app_id
        self._tag: str | None = None

    def open(self, audience: str, known: str | None) -> str:
        """The tag of the audience; edrone makes it with the first customer."""
        self._tag = known or tag_of(audience)
        return self._tag

    def prepare(self, action: Action, rows: Sequence[Row], batch: Batch) -> Request:  # noqa: ARG002
        """The form of the one member, without the id of the account."""
        [row] = rows
        form = {name: _text(value) for name, value in row.fields.items()}
        form["sender_type"] = "server"
        form["action_type"] = "subscribe" if self._options.subscribes else "other"
        # A dry run before the first real one knows no audience.
        form["customer_tags"] = (self._tag or "") if action == "add" else ""
        if self._options.subscribes:
            form["subscriber_status"] = "1" if action == "add" else "0"
        text = json_text(form)
        return Request(action, 1, form, len(text.encode()), lambda: text)

    def send(self, request: Request) -> Answer:
        """Send the form. Raises RefusedError when somebody is to be forgotten."""
        if request.action == "forget":
            raise RefusedError("forget_is_not_in_the_api")
        call(self._client, "POST", "/trace", data={**request.body, "app_id": self._app_id})
        return Answer()

    def validate(self, request: Request) -> Answer:
        """edrone checks nothing without taking it: a row without an address."""
        return without_email([request.body["email"]])


def _text(value: Any) -> str:
    """Fields of a form are texts; an empty one clears."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
