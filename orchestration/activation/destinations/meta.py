"""Meta: custom audiences by the Marketing API, and lookalike audiences that grow from them.

Transport is the official SDK. Its own normaliser is not used: it cuts a Polish post code at the
hyphen and drops Polish letters, so that nobody is found. What is sent here is hashed already.

The SDK puts the parameters of a DELETE into the address, which no server takes for 10,000 rows,
and escapes those of a POST byte by byte. Fields are therefore sent as parts of a multipart form,
as the documentation does with `curl -F`.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

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

_VALUE = "LOOKALIKE_VALUE"
_SMALLEST_SEED = 100

_UNKNOWN, _SERVICE_DOWN = 1, 2
_THROTTLED_CODES = {4, 17, 613, 80003}
_DENIED_CODES = {10, 102, 190, 200, 294}
_AUDIENCE_GONE, _AUDIENCE_BLOCKED = 33, 1713230
_STATUS_BLOCKED = 471
_HASH = re.compile("[0-9a-f]{64}")


class Lookalike(BaseModel):
    """People of a country (ISO code) who resemble the audience; `ratio` is their part of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    country: str = Field(pattern="^[A-Z]{2}$")
    ratio: float = Field(ge=0.01, le=0.2)


class MetaOptions(NoOptions):
    """Where audiences are made, and how.

    `lookalike` makes one lookalike audience as soon as the audience has 100 people.
    """

    ad_account_id: str = Field(pattern=r"^\d+$")
    customer_file_source: Literal[
        "USER_PROVIDED_ONLY", "PARTNER_PROVIDED_ONLY", "BOTH_USER_AND_PARTNER_PROVIDED"
    ] = "USER_PROVIDED_ONLY"
    lookalike: Lookalike | None = None


DECLARED = Declared(
    fields={
        "EMAIL": "meta_email",
        "PHONE": "meta_phone",
        "FN": "meta_first_name",
        "LN": "meta_last_name",
        "CT": "meta_city",
        "ZIP": "meta_postal_code",
        "COUNTRY": "meta_country",
        "GEN": "meta_gender",
        "DOBY": "meta_birth_year",
        "DOBM": "meta_birth_month",
        "DOBD": "meta_birth_day",
    },
    identifiers=("EMAIL", "PHONE"),
    purpose="ad_audiences",
    channel="social",
    batch_rows=10_000,
    batch_bytes=50_000_000,
    secrets=("ACCESS_TOKEN",),
    optional_secrets=("APP_SECRET",),
    options=MetaOptions,
    minimum=100,
    value_field=_VALUE,
)


def connect(options: MetaOptions, connection: Connection) -> Destination:
    """Open the Marketing API; nothing is sent. The SDK adds the proof of the app secret."""
    # The SDK takes a while to import, and nobody needs it who sends elsewhere.
    from facebook_business.api import FacebookAdsApi
    from facebook_business.session import FacebookSession

    session = FacebookSession(
        app_secret=connection.secrets["APP_SECRET"] or None,
        access_token=connection.secrets["ACCESS_TOKEN"],
        timeout=connection.timeout_seconds,
    )
    if connection.url:
        session.GRAPH = connection.url
    return _Meta(options, FacebookAdsApi(session))


class _Meta:
    def __init__(self, options: MetaOptions, api: Any) -> None:
        self._options = options
        self._api = api
        self._audience_id: str | None = None

    def open(self, audience: str, known: str | None) -> str:
        """Make the audience, or the lookalike beside one that is there."""
        if known is None:
            known = self._make(
                {
                    "name": audience,
                    "subtype": "CUSTOM",
                    "customer_file_source": self._options.customer_file_source,
                }
            )
        elif self._options.lookalike:
            self._make_lookalike(audience, known, self._options.lookalike)
        self._audience_id = known
        return known

    def prepare(self, action: Action, rows: Sequence[Row], batch: Batch) -> Request:
        """One row of hashes per member in the order of the schema, "" where one is missing."""
        schema = list(DECLARED.fields if action == "add" else DECLARED.identifiers)
        data: list[list[Any]] = [[row.fields.get(name, "") for name in schema] for row in rows]
        if any(_VALUE in row.fields for row in rows):
            schema.append(_VALUE)
            for sent, row in zip(data, rows, strict=True):
                sent.append(_value(row))
        form = {
            "payload": json.dumps({"schema": schema, "data": data}, separators=(",", ":")),
            "session": json.dumps(_session(batch)),
        }
        if action == "add":
            # Whoever is removed may have withdrawn consent: nothing is said of it then.
            form["customer_consent"] = "true"
        return Request(action, len(rows), form, sum(map(len, form.values())), lambda: _text(form))

    def send(self, request: Request) -> Answer:
        """Add with POST, remove with DELETE; Meta counts invalid rows and does not name them."""
        told = self._call(
            "POST" if request.action == "add" else "DELETE",
            (self._audience_id, "users"),
            request.body,
        )
        if "num_received" not in told:
            raise UnavailableError("an answer without num_received")
        return Answer(unnamed=int(told.get("num_invalid_entries", 0)))

    def validate(self, request: Request) -> Answer:
        """Meta checks nothing without taking it: rows whose identifiers are no hashes."""
        payload = json.loads(request.body["payload"])
        known_by = [payload["schema"].index(name) for name in DECLARED.identifiers]
        return Answer(
            {
                place: "invalid_identifier"
                for place, sent in enumerate(payload["data"])
                if not _are_hashes([sent[number] for number in known_by])
            }
        )

    def _make_lookalike(self, audience: str, seed: str, wanted: Lookalike) -> None:
        """Make the lookalike audience unless there is one or the seed is too small."""
        found = self._call(
            "GET",
            (seed,),
            {"fields": "operation_status,lookalike_audience_ids,approximate_count_lower_bound"},
        )
        if found.get("operation_status", {}).get("code") == _STATUS_BLOCKED:
            raise DeniedError(f"the audience is blocked: operation_status {_STATUS_BLOCKED}")
        too_small = found.get("approximate_count_lower_bound", 0) < _SMALLEST_SEED
        if found.get("lookalike_audience_ids") or too_small:
            return
        self._make(
            {
                "name": f"{audience}, lookalike {wanted.country} {wanted.ratio:.0%}",
                "subtype": "LOOKALIKE",
                "origin_audience_id": seed,
                "lookalike_spec": json.dumps({"country": wanted.country, "ratio": wanted.ratio}),
            }
        )

    def _make(self, audience: Mapping[str, str]) -> str:
        account = f"act_{self._options.ad_account_id}"
        try:
            return str(self._call("POST", (account, "customaudiences"), audience)["id"])
        except RefusedError as error:
            raise DeniedError(f"{audience['subtype']} audience was not made: {error}") from None

    def _call(
        self, method: str, path: tuple[str | None, ...], fields: Mapping[str, str]
    ) -> dict[str, Any]:
        from facebook_business.exceptions import FacebookRequestError
        from requests import RequestException

        in_address = method == "GET"
        try:
            response = self._api.call(
                method,
                path,
                params=dict(fields) if in_address else None,
                files=None if in_address else {name: (None, fields[name]) for name in fields},
            )
        # Both texts hold the address with the token, and the second what was sent.
        except RequestException as error:
            raise UnavailableError(type(error).__name__) from None
        except FacebookRequestError as error:
            raise _error(error.http_status(), error.http_headers(), error.body()) from None
        # The SDK takes a text of a proxy for success.
        if response.status() >= 400 or not isinstance(response.json(), dict):
            raise _error(response.status(), response.headers(), response.json())
        told: dict[str, Any] = response.json()
        return told


def _session(batch: Batch) -> dict[str, Any]:
    """Which upload the request is part of. How many rows it will have is not known beforehand."""
    digest = hashlib.sha256(batch.run_id.encode()).digest()
    return {
        "session_id": int.from_bytes(digest[:8], "big") >> 1,
        "batch_seq": batch.number,
        "last_batch_flag": False,
    }


def _value(row: Row) -> float:
    """Meta takes no negative value: who returned more than they bought are worth nothing."""
    value = row.fields.get(_VALUE)
    return value if value is not None and value > 0 else 0


def _are_hashes(identifiers: Sequence[str]) -> bool:
    given = [each for each in identifiers if each]
    return bool(given) and all(_HASH.fullmatch(each) for each in given)


def _text(form: Mapping[str, str]) -> str:
    return "{" + ",".join(f'"{name}":{value}' for name, value in form.items()) + "}"


def _error(
    status: int, headers: Mapping[str, str], body: Any
) -> ThrottledError | UnavailableError | RefusedError | DeniedError:
    """What Meta means by an error. Its text is left out: it may quote what was sent."""
    told = body.get("error") if isinstance(body, dict) else None
    told = told if isinstance(told, dict) else {}
    code, subcode = told.get("code"), told.get("error_subcode")
    name = f"HTTP {status}, code {code}" + (f", subcode {subcode}" if subcode else "")
    if code in _THROTTLED_CODES or status == 429:
        return ThrottledError(_seconds_to_wait(headers))
    if code in _DENIED_CODES or subcode in (_AUDIENCE_GONE, _AUDIENCE_BLOCKED):
        return DeniedError(name)
    if code in (_UNKNOWN, _SERVICE_DOWN) or told.get("is_transient") or status >= 500:
        return UnavailableError(name)
    if status in (401, 403):
        return DeniedError(name)
    return RefusedError(name) if code is not None else UnavailableError(name)


def _seconds_to_wait(headers: Mapping[str, str]) -> float | None:
    """The longest of the waits, given in minutes, for what the account may do again."""
    try:
        usages = json.loads(headers.get("X-Business-Use-Case-Usage", ""))
        minutes = [
            usage["estimated_time_to_regain_access"] for each in usages.values() for usage in each
        ]
        return 60.0 * float(max(minutes))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
