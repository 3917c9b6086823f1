"""Klaviyo: profiles on a list, by the bulk import and the lists of its API.

Membership of a list and consent are two things there. An import puts profiles on the list and
never says anything of consent: who unsubscribed stays unsubscribed, who never subscribed does too.
Leaving the list does not unsubscribe anybody either.

Transport is the official SDK, below its class KlaviyoAPI: that one repeats requests by itself, and
so does the pool of connections under it unless told not to. An import is worked off later; a null
clears a field of the profile.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydantic import ValidationError

from orchestration.activation.destination import (
    Action,
    Answer,
    Batch,
    Connection,
    Declared,
    DeniedError,
    Destination,
    RefusedError,
    Request,
    Row,
    UnavailableError,
)
from orchestration.activation.wire import failure, json_object, json_text, without_email

_ADDRESS = "https://a.klaviyo.com"
_REVISION = "2026-10-15"
_PAGE = 100
# Each profile is a request of its own there, 60 a minute: more at once would never end.
_MOST_FORGOTTEN = 50
_PLACE = re.compile(r"/profiles/data/(\d+)\b")
_CODE = re.compile("[a-z_-]{1,60}")
_LOCATION = ("address1", "zip", "city", "country")

DECLARED = Declared(
    fields={
        "email": "email",
        "phone_number": "phone",
        "first_name": "first_name",
        "last_name": "last_name",
        "address1": "street",
        "zip": "postal_code",
        "city": "city",
        "country": "country",
    },
    identifiers=("email",),
    purpose="marketing",
    channel="email",
    # An import takes 10,000 profiles; a list lets go of 1,000 at once.
    batch_rows=1_000,
    batch_bytes=5_000_000,
    secrets=("API_KEY",),
    takes_attributes=True,
)
_DECLARED_NAMES = frozenset(DECLARED.fields)
_NAMES = tuple(name for name in DECLARED.fields if name not in _LOCATION)


class _NotThereError(DeniedError):
    """The list, the profile or the import is gone."""


@dataclass(frozen=True)
class _Body:
    emails: Sequence[str]
    text: str


def connect(options: object, connection: Connection) -> Destination:  # noqa: ARG001
    """Open the API; nothing is sent."""
    # The SDK takes a while to import, and nobody needs it who sends elsewhere.
    from openapi_client.api_client import ApiClient
    from openapi_client.configuration import Configuration

    key = f"Klaviyo-API-Key {connection.secrets['API_KEY']}"
    configuration: Any = Configuration(
        host=connection.url or _ADDRESS, api_key={"Klaviyo-API-Key": key}
    )
    configuration.retries = False
    client = ApiClient(configuration)
    client.default_headers["revision"] = _REVISION
    return _Klaviyo(client, connection.timeout_seconds)


class _Klaviyo:
    def __init__(self, client: Any, timeout: float) -> None:
        from openapi_client.api.data_privacy_api import DataPrivacyApi
        from openapi_client.api.lists_api import ListsApi
        from openapi_client.api.profiles_api import ProfilesApi

        self._profiles = ProfilesApi(client)
        self._lists = ListsApi(client)
        self._privacy = DataPrivacyApi(client)
        self._timeout = float(timeout)
        self._list_id: str | None = None

    def open(self, audience: str, known: str | None) -> str:
        """Make the list, unless there is one."""
        self._list_id = known or self._make(audience)
        return self._list_id

    def prepare(self, action: Action, rows: Sequence[Row], batch: Batch) -> Request:  # noqa: ARG002
        """A job that imports the profiles; of a removal the addresses, looked up when sent."""
        emails = [row.fields["email"] for row in rows]
        document = self._job(rows) if action == "add" else {"list": self._list_id, "email": emails}
        text = json_text(document)
        body = _Body(emails, text)
        return Request(action, len(rows), body, len(text.encode()), lambda: text)

    def send(self, request: Request) -> Answer:
        """Begin an import, take profiles off the list, or ask for their deletion."""
        body: _Body = request.body
        if request.action == "add":
            job = self._object(
                self._profiles.bulk_import_profiles_without_preload_content, json.loads(body.text)
            )
            return Answer(receipt=str(job["data"]["id"]))
        if request.action == "forget" and request.rows > _MOST_FORGOTTEN:
            raise RefusedError("too_many_at_once")
        found = self._find(body.emails)
        if request.action == "forget":
            for each in found:
                with suppress(_NotThereError):
                    self._call(
                        self._privacy.request_profile_deletion_without_preload_content, _end(each)
                    )
        elif found:
            self._call(
                self._lists.remove_profiles_from_list_without_preload_content,
                self._list_id,
                {"data": found},
            )
        return Answer()

    def confirm(self, receipt: str) -> Answer | None:
        """What came of an import, by rows where its errors name them."""
        try:
            job = self._object(
                self._profiles.get_bulk_import_profiles_job_without_preload_content, receipt
            )["data"]["attributes"]
        except _NotThereError:
            raise RefusedError("the import is not known any more") from None
        if job["status"] == "cancelled":
            raise RefusedError("cancelled")
        if job["status"] != "complete":
            return None
        failed = int(job.get("failed_count") or 0)
        rejected = self._rejected(receipt) if failed else {}
        return Answer(rejected, unnamed=max(failed - len(rejected), 0))

    def validate(self, request: Request) -> Answer:
        """Klaviyo checks nothing without taking it: rows without an address."""
        return without_email(request.body.emails)

    def _make(self, audience: str) -> str:
        asked = {"data": {"type": "list", "attributes": {"name": audience}}}
        try:
            made = self._object(self._lists.create_list_without_preload_content, asked)
        except RefusedError as error:
            raise DeniedError(f"the list was not made: {error}") from None
        return str(made["data"]["id"])

    def _job(self, rows: Sequence[Row]) -> dict[str, Any]:
        # A dry run before the first real one knows no list.
        lists = [{"type": "list", "id": self._list_id}] if self._list_id else []
        return {
            "data": {
                "type": "profile-bulk-import-job",
                "attributes": {"profiles": {"data": [_profile(row) for row in rows]}},
                "relationships": {"lists": {"data": lists}},
            }
        }

    def _rejected(self, receipt: str) -> dict[int, str]:
        rejected: dict[int, str] = {}
        more: dict[str, str] = {}
        while True:
            page = self._object(
                self._profiles.get_errors_for_bulk_import_profiles_job_without_preload_content,
                receipt,
                page_size=_PAGE,
                **more,
            )
            for error in (each["attributes"] for each in page["data"]):
                place = _PLACE.search(error["source"]["pointer"])
                if place:
                    rejected.setdefault(int(place[1]), _named(error["code"]))
            following = (page.get("links") or {}).get("next")
            if not following:
                return rejected
            more = {"page_cursor": _cursor(following)}

    def _find(self, emails: Sequence[str]) -> list[dict[str, str]]:
        """The profiles that have one of the addresses."""
        found = []
        for start in range(0, len(emails), _PAGE):
            page = self._object(
                self._profiles.get_profiles_without_preload_content,
                filter=f"any(email,{json.dumps(emails[start : start + _PAGE])})",
                page_size=_PAGE,
            )
            found += [{"type": "profile", "id": str(each["id"])} for each in page["data"]]
        return found

    def _object(self, operation: Callable[..., Any], *asked: Any, **more: Any) -> dict[str, Any]:
        found = json_object(self._call(operation, *asked, **more))
        if "data" not in found:
            raise UnavailableError("an answer without data")
        return found

    def _call(self, operation: Callable[..., Any], *asked: Any, **more: Any) -> bytes:
        from openapi_client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        try:
            response = operation(*asked, _request_timeout=self._timeout, **more)
            content: bytes = response.data
        # The texts of all of these hold what was asked.
        except ValidationError:
            raise RefusedError("not what the SDK takes") from None
        except (HTTPError, ApiException) as error:
            raise UnavailableError(type(error).__name__) from None
        if response.status == 404:
            raise _NotThereError("HTTP 404")
        if not 200 <= response.status < 300:
            raise failure(response.status, response.headers, _code(content))
        return content


def _profile(row: Row) -> dict[str, Any]:
    fields = row.fields
    attributes: dict[str, Any] = {name: fields[name] for name in _NAMES if name in fields}
    location = {name: fields[name] for name in _LOCATION if name in fields}
    if location:
        attributes["location"] = location
    properties = {name: fields[name] for name in fields if name not in _DECLARED_NAMES}
    if properties:
        attributes["properties"] = properties
    return {"type": "profile", "attributes": attributes}


def _end(profile: Mapping[str, str]) -> dict[str, Any]:
    """The request to delete all that is known of a profile."""
    return {
        "data": {
            "type": "data-privacy-deletion-job",
            "attributes": {"profile": {"data": {**profile, "attributes": {}}}},
        }
    }


def _cursor(address: str) -> str:
    return parse_qs(urlsplit(address).query)["page[cursor]"][0]


def _code(content: bytes) -> str | None:
    """The code of the first error; its text may quote what was sent."""
    try:
        return _named(json.loads(content)["errors"][0]["code"])
    except (ValueError, KeyError, TypeError, IndexError):
        return None


def _named(code: object) -> str:
    return code if isinstance(code, str) and _CODE.fullmatch(code) else "unnamed"
