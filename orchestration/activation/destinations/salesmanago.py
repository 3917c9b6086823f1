"""SALESmanago: contacts with a tag for the audience, by its REST API.

Transport is plain HTTP: there is no official SDK for Python. Every answer has a flag `success`,
which counts more than HTTP 200. Consent is never sent: contacts that are new there are not opted
in, and who opted out stays so.

Adding creates or updates the contact of an e-mail address; so would removing the tag, which is
why contacts are looked up first. The batch is worked off later, and the service tells of no
contact that it did not take; its limit of rows is that of its own shop plugins.
"""

import hashlib
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
    RefusedError,
    Request,
    Row,
    UnavailableError,
)
from orchestration.activation.wire import call, json_text, tag_of, told, without_email

_CONTACT = ("email", "phone", "externalId")
_ADDRESS = ("streetAddress", "zipCode", "city", "country")


class SalesmanagoOptions(NoOptions):
    """The host of the account, such as app3.salesmanago.pl, and the user who owns new contacts."""

    host: str = Field(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$")
    owner: str = Field(min_length=3)


DECLARED = Declared(
    fields={
        "email": "email",
        "phone": "phone",
        "externalId": "customer_id",
        "firstName": "first_name",
        "lastName": "last_name",
        "birthday": "birth_date",
        "streetAddress": "street",
        "zipCode": "postal_code",
        "city": "city",
        "country": "country",
    },
    identifiers=("email",),
    purpose="marketing",
    channel="email",
    batch_rows=400,
    batch_bytes=5_000_000,
    secrets=("CLIENT_ID", "API_KEY", "API_SECRET"),
    options=SalesmanagoOptions,
    takes_attributes=True,
)
_DECLARED_NAMES = frozenset(DECLARED.fields)


@dataclass(frozen=True)
class _Body:
    """`details` is JSON of the contacts as they are sent; empty for a removal."""

    emails: Sequence[str]
    details: str


def connect(options: SalesmanagoOptions, connection: Connection) -> Destination:
    """Open the account; nothing is sent."""
    client = httpx.Client(
        base_url=connection.url or f"https://{options.host}", timeout=connection.timeout_seconds
    )
    return _Salesmanago(options, client, connection.secrets)


class _Salesmanago:
    def __init__(
        self, options: SalesmanagoOptions, client: httpx.Client, secrets: Mapping[str, str]
    ) -> None:
        self._owner = options.owner
        self._client = client
        self._secrets = secrets
        self._tag: str | None = None

    def open(self, audience: str, known: str | None) -> str:
        """The tag of the audience; SALESmanago makes it with the first contact."""
        # Tags are in capitals there.
        self._tag = known or tag_of(audience).upper()
        return self._tag

    def prepare(self, action: Action, rows: Sequence[Row], batch: Batch) -> Request:  # noqa: ARG002
        """One contact per member; of a removal the addresses, which are looked up when sent."""
        emails = [row.fields["email"] for row in rows]
        if action != "add":
            text = json_text({"email": emails, "removeTags": self._tags()})
            body = _Body(emails, "")
        else:
            text = json_text([{**_details(row), "tags": self._tags()} for row in rows])
            body = _Body(emails, text)
        return Request(action, len(rows), body, len(text.encode()), lambda: text)

    def send(self, request: Request) -> Answer:
        """Add with a tag, take the tag off those who are there, or delete them."""
        body: _Body = request.body
        if request.action == "add":
            self._call("contact/batchupsertv2", f'"upsertDetails":{body.details}')
            return Answer()
        found = self._find(body.emails)
        if not found:
            return Answer()
        if request.action == "forget":
            contacts = [
                {"addresseeType": "CONTACT_ID", "value": contact_id} for contact_id in found
            ]
            self._call("contact/batchDelete", f'"contacts":{json_text(contacts)}')
        else:
            details = [
                {"contact": {"email": email}, "removeTags": self._tags()}
                for email in found.values()
            ]
            self._call("contact/batchupsertv2", f'"upsertDetails":{json_text(details)}')
        return Answer()

    def validate(self, request: Request) -> Answer:
        """SALESmanago checks nothing without taking it: rows without an address."""
        return without_email(request.body.emails)

    def _tags(self) -> list[str]:
        # A dry run before the first real one knows no audience.
        return [self._tag] if self._tag else []

    def _find(self, emails: Sequence[str]) -> dict[str, str]:
        """The address of each contact that is there, by its id."""
        answer = self._call("contact/basic", f'"email":{json_text(emails)}')
        if "contacts" not in answer:
            raise UnavailableError("an answer without contacts")
        return {str(each["id"]): str(each["email"]) for each in answer["contacts"] or ()}

    def _call(self, name: str, content: str) -> Mapping[str, Any]:
        """One call, with the credentials before its content, JSON without the braces."""
        key = self._secrets["API_KEY"]
        signed = key + self._secrets["CLIENT_ID"] + self._secrets["API_SECRET"]
        head = json_text(
            {
                "clientId": self._secrets["CLIENT_ID"],
                "apiKey": key,
                "requestTime": time.time_ns() // 1_000_000,
                "sha": hashlib.sha1(signed.encode()).hexdigest(),
                "owner": self._owner,
            }
        )
        answer = told(
            call(
                self._client,
                "POST",
                f"/api/{name}",
                content=f"{head[:-1]},{content}}}".encode(),
                headers={"Content-Type": "application/json"},
            )
        )
        if "success" not in answer:
            raise UnavailableError("an answer without success")
        if answer["success"] is not True:
            raise _refusal(answer.get("message"))
        return answer


def _details(row: Row) -> dict[str, Any]:
    fields = row.fields
    contact: dict[str, Any] = {name: fields[name] for name in _CONTACT if name in fields}
    name = " ".join(fields[each] for each in ("firstName", "lastName") if each in fields)
    if name:
        contact["name"] = name
    address = {name: fields[name] for name in _ADDRESS if name in fields}
    if address:
        contact["address"] = address
    details: dict[str, Any] = {"contact": contact}
    if "birthday" in fields:
        details["birthday"] = str(fields["birthday"]).replace("-", "")
    properties = {
        name: _property(value) for name, value in fields.items() if name not in _DECLARED_NAMES
    }
    if properties:
        details["properties"] = properties
    return details


def _property(value: object) -> str:
    """Properties are texts; an empty one clears."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _refusal(messages: Any) -> RefusedError | DeniedError:
    """What a refusal means. The service has no codes, and its text may quote what was sent."""
    if "authenticat" in str(messages).lower():
        return DeniedError("not authenticated")
    return RefusedError("success is false")
