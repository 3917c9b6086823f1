"""Selligent, now Marigold Engage: records of a list, and a segment of it for the audience.

Transport is plain HTTP, API version 1. The list and a static segment are made by hand, one segment
a sync. The list has the columns of `DECLARED.fields`, the key of which is CUSTOMER_ID, and those of
the attributes. Adding creates or updates records of the list, then takes them into the segment;
what is not known of a member is emptied. A removal leaves the record; forgetting deletes it.

What public documentation lacks:

- The body of an answer, and rows that were not taken. A status from 200 to 299 counts as all taken.
- Limits. The 2,500 rows and 20 MB are those of a connector that another vendor runs.
- Whether loading a segment needs `keyFields`; it is sent as everywhere else.
"""

from collections.abc import Sequence
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
)
from orchestration.activation.wire import call, json_text

_KEY = "CUSTOMER_ID"


class SelligentOptions(NoOptions):
    """The host of the account, such as brand.slgnt.eu, and the API names of what holds members."""

    host: str = Field(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$")
    organization: str = Field(pattern=r"^[\w.-]+$")
    list: str = Field(pattern=r"^[\w-]+$")
    segment: str = Field(pattern=r"^[\w-]+$")


DECLARED = Declared(
    fields={
        _KEY: "customer_id",
        "MAIL": "email",
        "PHONE": "phone",
        "FIRST_NAME": "first_name",
        "LAST_NAME": "last_name",
        "GENDER": "gender",
        "BIRTH_DATE": "birth_date",
        "STREET": "street",
        "POSTAL_CODE": "postal_code",
        "CITY": "city",
        "COUNTRY": "country",
    },
    # Records are found by the first alone; of the others one of a person who refused is withheld.
    identifiers=(_KEY, "MAIL", "PHONE"),
    purpose="marketing",
    channel="email",
    batch_rows=2_500,
    batch_bytes=20_000_000,
    secrets=("API_KEY", "API_SECRET"),
    options=SelligentOptions,
    takes_attributes=True,
)


@dataclass(frozen=True)
class _Body:
    """`records` and `keys` are JSON: a list for each row, in the order of the fields."""

    fields: str
    records: str
    keys: str


def connect(options: SelligentOptions, connection: Connection) -> Destination:
    """Open the API; nothing is sent."""
    secrets = connection.secrets
    client = httpx.Client(
        base_url=f"{connection.url or f'https://{options.host}'}/Portal/Api",
        timeout=connection.timeout_seconds,
        headers={
            "X-ApiKey": f"{secrets['API_KEY']}:{secrets['API_SECRET']}",
            "Content-Type": "application/json",
        },
    )
    return _Selligent(options, client)


class _Selligent:
    def __init__(self, options: SelligentOptions, client: httpx.Client) -> None:
        self._audience = f"{options.list}/{options.segment}"
        self._list = f"/organizations/{options.organization}/lists/{options.list}"
        self._segment = f"{self._list}/segments/{options.segment}"
        self._client = client

    def open(self, audience: str, known: str | None) -> str:  # noqa: ARG002
        """The list and segment of the options. Raises DeniedError when the sync had others."""
        if known not in (None, self._audience):
            raise DeniedError(f"the members of this sync are in {known}: give it another name")
        return self._audience

    def prepare(self, action: Action, rows: Sequence[Row], batch: Batch) -> Request:  # noqa: ARG002
        """The records with all fields of the request; of a removal the keys."""
        fields = [_KEY]
        if action == "add":
            names = dict.fromkeys(name for row in rows for name in row.fields)
            fields = list(dict.fromkeys((*DECLARED.fields, *names)))
        keys = json_text([[row.customer_id] for row in rows])
        records = json_text(
            [
                [row.customer_id, *(_cell(row.fields.get(name)) for name in fields[1:])]
                for row in rows
            ]
        )
        text = f'{{"fields":{json_text(fields)},"records":{records}}}'
        body = _Body(",".join(fields), records, keys)
        return Request(action, len(rows), body, len(text.encode()), lambda: text)

    def send(self, request: Request) -> Answer:
        """Load the records, then the segment; or delete in the segment, and in the list."""
        body: _Body = request.body
        if request.action == "add":
            self._call("POST", f"{self._list}/data/load", body.fields, body.records)
            self._call("POST", f"{self._segment}/data/load", _KEY, body.keys)
            return Answer()
        self._call("DELETE", f"{self._segment}/data", _KEY, body.keys)
        if request.action == "forget":
            self._call("DELETE", f"{self._list}/data", _KEY, body.keys)
        return Answer()

    def validate(self, request: Request) -> Answer:  # noqa: ARG002
        """Selligent checks nothing without taking it, and every row has a key."""
        return Answer()

    def _call(self, method: str, path: str, fields: str, content: str) -> None:
        asked = {"fields": fields, "keyFields": _KEY, "mode": "Sync"}
        call(self._client, method, path, params=asked, content=content.encode())


def _cell(value: Any) -> Any:
    """Columns hold one value: a list is a text."""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
