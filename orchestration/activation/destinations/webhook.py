"""Webhook: members as JSON to an address of your own.

Each request is a POST of {"audience", "action", "members"}; action is add, remove or forget, and a
member has customer_id, and email and phone where they are known; one that is added has the rest as
well. Headers say that it is ours and which it is:

- `X-Timestamp`: the seconds since 1970 when it was sent. Refuse what is older than some minutes.
- `X-Signature`: HMAC-SHA256 of the timestamp, a full stop and the body, in hex, with the secret.
- `Idempotency-Key`: the same for each time that the same request is sent.

Any status from 200 to 299 says that all members were taken, with an empty body or a JSON object;
{"rejected": [{"place": 0, "reason": "a_code"}]} names those that were not, by their places in the
request. An action of a member replaces the one before.
"""

import hashlib
import hmac
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import Field

from orchestration.activation.destination import (
    Action,
    Answer,
    Batch,
    Connection,
    Declared,
    DeniedError,
    Destination,
    NoOptions,
    Request,
    Row,
    UnavailableError,
)
from orchestration.activation.member_file import COLUMNS, IDENTIFIERS
from orchestration.activation.wire import call, json_text, tag_of, told

_REASON = re.compile("[a-z0-9_]{1,50}")


class WebhookOptions(NoOptions):
    """The address; one that holds a token itself belongs in the environment: <NAME>_URL."""

    url: str | None = Field(default=None, pattern="^https://")


DECLARED = Declared(
    fields={name: name for name in COLUMNS},
    identifiers=IDENTIFIERS,
    purpose="marketing",
    channel="email",
    batch_rows=1_000,
    batch_bytes=1_000_000,
    secrets=("SECRET",),
    options=WebhookOptions,
    takes_attributes=True,
)


@dataclass(frozen=True)
class _Body:
    content: bytes
    key: str


def connect(options: WebhookOptions, connection: Connection) -> Destination:
    """The address; nothing is sent. Raises DeniedError when nobody says what it is."""
    url = connection.url or options.url
    if url is None:
        raise DeniedError("set the option url to the address that takes the members")
    client = httpx.Client(timeout=connection.timeout_seconds)
    return _Webhook(client, url, connection.secrets["SECRET"])


class _Webhook:
    def __init__(self, client: httpx.Client, url: str, secret: str) -> None:
        self._client = client
        self._url = url
        self._secret = secret
        self._audience: str | None = None

    def open(self, audience: str, known: str | None) -> str:
        """The name that requests give the audience."""
        self._audience = known or tag_of(audience)
        return self._audience

    def prepare(self, action: Action, rows: Sequence[Row], batch: Batch) -> Request:
        """The members with their fields; None clears an attribute."""
        text = json_text(
            {
                # A dry run before the first real one knows no audience.
                "audience": self._audience,
                "action": action,
                "members": [{**row.fields, "customer_id": row.customer_id} for row in rows],
            }
        )
        body = _Body(text.encode(), f"{batch.run_id}-{batch.number}")
        return Request(action, len(rows), body, len(body.content), lambda: text)

    def send(self, request: Request) -> Answer:
        """Sign and send."""
        body: _Body = request.body
        now = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": body.key,
            "X-Timestamp": now,
            "X-Signature": signature(self._secret, now, body.content),
        }
        response = call(self._client, "POST", self._url, content=body.content, headers=headers)
        return _answer(told(response), request.rows) if response.content else Answer()

    def validate(self, request: Request) -> Answer:  # noqa: ARG002
        """Nothing is known of what the receiver takes."""
        return Answer()


def signature(secret: str, timestamp: str, content: bytes) -> str:
    """What proves that the body was sent at this time by somebody who has the secret."""
    return hmac.new(secret.encode(), f"{timestamp}.".encode() + content, hashlib.sha256).hexdigest()


def _answer(answer: Mapping[str, Any], rows: int) -> Answer:
    """What the receiver says of the members. Raises UnavailableError where it is not clear."""
    rejected = {}
    for each in answer.get("rejected") or ():
        place = each.get("place") if isinstance(each, dict) else None
        if not isinstance(place, int) or not 0 <= place < rows:
            raise UnavailableError("rejected has a place that is not in the request")
        reason = str(each.get("reason"))
        # A text may quote a value.
        rejected[place] = reason if _REASON.fullmatch(reason) else "rejected"
    return Answer(rejected)
