"""TikTok: custom audiences by the streaming segments of the Business API.

Transport is plain HTTP: the SDK does not have these two calls. Every answer is HTTP 200; success
is code 0 in its body. The service names no limit of rows and no rows that it did not take.
"""

import json
import re
from collections.abc import Mapping, Sequence
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
    RefusedError,
    Request,
    Row,
    ThrottledError,
    UnavailableError,
)

_ADDRESS = "https://business-api.tiktok.com"
_SEGMENTS = "/open_api/v1.3/segment"
_THROTTLED_CODES = {40016, 40100, 40132, 40133}
# No permission; what is to be changed is gone; an advertiser that is gone; the country is banned.
_DENIED_CODES = {40001, 40007, 40300, 40301, 41000}
_TOKEN_CODES = range(40101, 40126)
_SERVICE_CODES = range(50000, 70000)
_HASH = re.compile("[0-9a-f]{64}")


class TikTokOptions(NoOptions):
    """The account of the advertiser that has the audience."""

    advertiser_id: str = Field(pattern=r"^\d+$")


DECLARED = Declared(
    fields={"EMAIL_SHA256": "tiktok_email", "PHONE_SHA256": "tiktok_phone"},
    identifiers=("EMAIL_SHA256", "PHONE_SHA256"),
    purpose="ad_audiences",
    channel="social",
    batch_rows=1_000,
    batch_bytes=5_000_000,
    secrets=("ACCESS_TOKEN",),
    options=TikTokOptions,
    minimum=1_000,
)


def connect(options: TikTokOptions, connection: Connection) -> Destination:
    """Open the Business API; nothing is sent."""
    client = httpx.Client(
        base_url=connection.url or _ADDRESS,
        timeout=connection.timeout_seconds,
        headers={"Access-Token": connection.secrets["ACCESS_TOKEN"]},
    )
    return _TikTok(options, client)


class _TikTok:
    def __init__(self, options: TikTokOptions, client: httpx.Client) -> None:
        self._options = options
        self._client = client
        self._audience_id: str | None = None

    def open(self, audience: str, known: str | None) -> str:
        """Make the audience, unless there is one."""
        self._audience_id = known or self._make(audience)
        return self._audience_id

    def prepare(self, action: Action, rows: Sequence[Row], batch: Batch) -> Request:  # noqa: ARG002
        """One list per member in the order of the schema, {} where an identifier is missing."""
        # A dry run before the first real one knows no audience.
        audiences = [self._audience_id] if self._audience_id else []
        document = {
            "advertiser_ids": [self._options.advertiser_id],
            "action": "add" if action == "add" else "delete",
            "id_schema": list(DECLARED.identifiers),
            "batch_data": [
                [
                    {"id": row.fields[name], "audience_ids": audiences}
                    if name in row.fields
                    else {}
                    for name in DECLARED.identifiers
                ]
                for row in rows
            ],
        }
        body = json.dumps(document, separators=(",", ":"))
        return Request(action, len(rows), body, len(body), lambda: body)

    def send(self, request: Request) -> Answer:
        """Add or delete; the request is taken whole or refused."""
        self._call("mapping", request.body)
        return Answer()

    def validate(self, request: Request) -> Answer:
        """TikTok checks nothing without taking it: rows whose identifiers are no hashes."""
        members = json.loads(request.body)["batch_data"]
        return Answer(
            {
                place: "invalid_identifier"
                for place, member in enumerate(members)
                if not any(member)
                or not all(_HASH.fullmatch(each["id"]) for each in member if each)
            }
        )

    def _make(self, audience: str) -> str:
        asked = {
            "custom_audience_name": audience,
            "advertiser_id": self._options.advertiser_id,
            "action": "create",
        }
        try:
            made = self._call("audience", json.dumps(asked))
        except RefusedError as error:
            raise DeniedError(f"the audience was not made: {error}") from None
        return str(made["data"]["audience_id"])

    def _call(self, name: str, body: str) -> Mapping[str, Any]:
        try:
            response = self._client.post(
                f"{_SEGMENTS}/{name}/", content=body, headers={"Content-Type": "application/json"}
            )
            told = response.json()
        except httpx.TransportError as error:
            raise UnavailableError(type(error).__name__) from None
        except ValueError:
            told = None
        code = told.get("code") if isinstance(told, dict) else None
        if response.status_code == 200 and code == 0:
            return dict(told)
        raise _error(response, code)


def _error(
    response: httpx.Response, code: Any
) -> ThrottledError | UnavailableError | RefusedError | DeniedError:
    """What TikTok means by an error: the code counts more than the status, its text nothing."""
    status = response.status_code
    if not isinstance(code, int):
        code = None
    name = f"HTTP {status}" if code is None else f"code {code}"
    if code in _THROTTLED_CODES or status == 429:
        after = response.headers.get("Retry-After", "")
        return ThrottledError(float(after) if after.isdigit() else None)
    if code in _TOKEN_CODES or code in _DENIED_CODES or status in (401, 403):
        return DeniedError(name)
    if code in _SERVICE_CODES or status >= 500:
        return UnavailableError(name)
    # An answer that is none of TikTok's came from something in between.
    return UnavailableError(name) if code is None and status < 400 else RefusedError(name)
