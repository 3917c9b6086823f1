"""Mautic: contacts with a tag for the audience, and their stages, by the REST API.

Transport is plain HTTP: there is no SDK for Python. Mautic's own segments filter on the tag,
because members of a segment can only be removed one by one. Adding creates or updates the contact
of an e-mail address; removing takes the tag off contacts that are there and never makes one.

What Mautic does not take this way: a country by its code, so none is sent; and a number below 1,
such as 0 or 0.4, which it takes for "not given" when a contact is there already. Send shares as
per cent. Whether somebody may be contacted is never changed here.
"""

from collections.abc import Iterator, Mapping, Sequence
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
from orchestration.activation.wire import call, json_text, tag_of, told, without_email

_STAGE = "stage"
_MOST_CONTACTS = 200
# Addresses stand in the address of a search, which servers take up to 8 KB of.
_MOST_SEARCHED = 30


class MauticOptions(NoOptions):
    """Where Mautic is, such as https://mautic.example.com, and its stages.

    `stages` gives the id of a stage for values of the attribute `stage`. Values that it does not
    have leave the stage of the contact as it is.
    """

    url: str | None = Field(default=None, pattern="^https://")
    stages: Mapping[str, int] = {}


DECLARED = Declared(
    fields={
        "email": "email",
        "phone": "phone",
        "firstname": "first_name",
        "lastname": "last_name",
        "address1": "street",
        "zipcode": "postal_code",
        "city": "city",
    },
    identifiers=("email",),
    purpose="marketing",
    channel="email",
    batch_rows=_MOST_CONTACTS,
    batch_bytes=5_000_000,
    secrets=("USER", "PASSWORD"),
    options=MauticOptions,
    takes_attributes=True,
)


@dataclass(frozen=True)
class _Body:
    """`contacts` as they are sent; `stages` by place, None to take the contact out of its stage."""

    emails: Sequence[str]
    contacts: bytes
    stages: Mapping[int, int | None]


def connect(options: MauticOptions, connection: Connection) -> Destination:
    """Open the API; nothing is sent. Raises DeniedError when nobody says where Mautic is."""
    return _Mautic(options, open_api(options, connection))


def open_api(options: MauticOptions, connection: Connection) -> httpx.Client:
    """The REST API with its credentials. Raises DeniedError when nobody says where Mautic is."""
    address = connection.url or options.url
    if address is None:
        raise DeniedError("set the option url to the address of Mautic")
    return httpx.Client(
        base_url=f"{address.rstrip('/')}/api",
        timeout=connection.timeout_seconds,
        auth=(connection.secrets["USER"], connection.secrets["PASSWORD"]),
    )


class _Mautic:
    def __init__(self, options: MauticOptions, client: httpx.Client) -> None:
        self._options = options
        self._client = client
        self._tag: str | None = None

    def open(self, audience: str, known: str | None) -> str:
        """The tag of the audience; Mautic makes it with the first contact."""
        self._tag = known or tag_of(audience)
        return self._tag

    def prepare(self, action: Action, rows: Sequence[Row], batch: Batch) -> Request:  # noqa: ARG002
        """One contact per member; of a removal the addresses, which are looked up when sent."""
        emails = [row.fields["email"] for row in rows]
        if action != "add":
            document: dict[str, Any] = {"email": emails, "tags": self._tags("-")}
            body = _Body(emails, b"", {})
        else:
            contacts = [self._contact(row) for row in rows]
            stages = dict(self._stages(rows))
            document = {"contacts": contacts, "stages": stages}
            body = _Body(emails, json_text(contacts).encode(), stages)
        size = len(body.contacts) or sum(map(len, emails))
        return Request(action, len(rows), body, size, lambda: json_text(document))

    def send(self, request: Request) -> Answer:
        """Add, take the tag off, or delete; Mautic tells what came of each contact."""
        body: _Body = request.body
        if request.action == "add":
            return self._add(body)
        found = self._find(body.emails)
        rejected: dict[int, str] = {}
        ids = list(found)
        for start in range(0, len(ids), _MOST_CONTACTS):
            some = ids[start : start + _MOST_CONTACTS]
            answer = self._delete(some) if request.action == "forget" else self._untag(some)
            for place, reason in _errors(answer).items():
                # Whoever was deleted meanwhile is not there either.
                if reason != "HTTP 404":
                    rejected[found[some[place]]] = reason
        return Answer(rejected)

    def validate(self, request: Request) -> Answer:
        """Mautic checks nothing without taking it: rows without an address."""
        return without_email(request.body.emails)

    def _tags(self, sign: str) -> list[str]:
        # A dry run before the first real one knows no audience.
        return [f"{sign}{self._tag}"] if self._tag else []

    def _contact(self, row: Row) -> dict[str, Any]:
        contact = {name: value for name, value in row.fields.items() if name != _STAGE}
        if None in contact.values():
            # Without it, Mautic leaves as it is what comes without a value.
            contact["overwriteWithBlank"] = True
        contact["tags"] = self._tags("")
        return contact

    def _stages(self, rows: Sequence[Row]) -> Iterator[tuple[int, int | None]]:
        for place, row in enumerate(rows):
            if _STAGE in row.fields:
                stage = row.fields[_STAGE]
                if stage is None or stage in self._options.stages:
                    yield place, None if stage is None else self._options.stages[stage]

    def _add(self, body: _Body) -> Answer:
        answer = self._call("POST", "/contacts/batch/new", body.contacts)
        contacts, rejected = _by_place(answer.get("contacts")), _errors(answer)
        if contacts.keys() | rejected.keys() != set(range(len(body.emails))):
            raise UnavailableError("an answer that leaves contacts out")
        for place, stage in body.stages.items():
            if place not in rejected:
                self._move(contacts[place], stage)
        return Answer(rejected)

    def _move(self, contact: Mapping[str, Any], stage: int | None) -> None:
        """Set the stage where it differs: a field would not, and every call is in Mautic's log."""
        current = (contact.get(_STAGE) or {}).get("id")
        if current == stage:
            return
        changed, how = (current, "remove") if stage is None else (stage, "add")
        self._call("POST", f"/stages/{changed}/contact/{contact['id']}/{how}")

    def _untag(self, ids: Sequence[int]) -> Mapping[str, Any]:
        changes = [{"id": each, "tags": self._tags("-")} for each in ids]
        return self._call("PATCH", "/contacts/batch/edit", json_text(changes).encode())

    def _delete(self, ids: Sequence[int]) -> Mapping[str, Any]:
        return self._call("DELETE", f"/contacts/batch/delete?ids={','.join(map(str, ids))}")

    def _find(self, emails: Sequence[str]) -> dict[int, int]:
        """The place in the request of each contact that has one of the addresses, by its id."""
        places = {email.lower(): place for place, email in enumerate(emails)}
        found = {}
        for start in range(0, len(emails), _MOST_SEARCHED):
            for contact in self._search(emails[start : start + _MOST_SEARCHED]):
                place = places.get(str(contact["fields"]["all"]["email"]).lower())
                if place is not None:
                    found[int(contact["id"])] = place
        return found

    def _search(self, emails: Sequence[str]) -> list[Mapping[str, Any]]:
        where = {"where[0][expr]": "orX", "limit": str(_MOST_CONTACTS)}
        for number, email in enumerate(emails):
            each = f"where[0][val][{number}]"
            where |= {f"{each}[col]": "email", f"{each}[expr]": "eq", f"{each}[val]": email}
        answer = self._call("GET", f"/contacts?{httpx.QueryParams(where)}")
        contacts = answer.get("contacts")
        if contacts is None:
            raise UnavailableError("an answer without contacts")
        # PHP writes an empty object as a list.
        return list(contacts.values()) if contacts else []

    def _call(self, method: str, path: str, content: bytes | None = None) -> Mapping[str, Any]:
        headers = {"Content-Type": "application/json"} if content else {}
        return told(call(self._client, method, path, content=content, headers=headers))


def _by_place(entries: Any) -> dict[int, Mapping[str, Any]]:
    """Entries by place: PHP writes a list, or an object when a place is left out."""
    if isinstance(entries, dict):
        return {int(place): entry for place, entry in entries.items()}
    return dict(enumerate(entries or []))


def _errors(answer: Mapping[str, Any]) -> dict[int, str]:
    """The code of each error; its text may quote what was sent."""
    errors = _by_place(answer.get("errors"))
    return {place: f"HTTP {error.get('code')}" for place, error in errors.items()}
