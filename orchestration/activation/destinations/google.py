"""Google: Customer Match lists by the Data Manager API.

Transport is plain HTTP. The SDK turns every member into a message and back before it writes JSON:
0.87 s for 10,000 members where json.dumps takes 0.1 s, the most of the time of a mirror of a
million. Of Google's libraries only google-auth is used, for tokens.

Requests are worked off later: `confirm` asks what came of one, and is told how many members were
not taken, not which. Whoever sends has accepted the terms of Customer Match in their account; the
list they are sent to forgets members after 540 days.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any, Literal

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

_ADDRESS = "https://datamanager.googleapis.com"
_SCOPE = "https://www.googleapis.com/auth/datamanager"
_DAYS = 540
_NAMES = ("givenName", "familyName", "postalCode", "regionCode")
_ADDRESS_NAMES = frozenset(_NAMES)
# Reasons that no other request would change.
_DENIED_REASONS = {
    "ADVERTISER_TOS_NOT_ACCEPTED",
    "EU_POLITICAL_ADVERTISING_DECLARATION_REQUIRED",
    "INVALID_DESTINATION",
    "INVALID_USER_LIST_ID",
    "INVALID_USER_LIST_TYPE",
    "NOT_ALLOWLISTED",
    "TERMS_AND_CONDITIONS_NOT_SIGNED",
}
_CONSENT = {"adUserData": "CONSENT_GRANTED", "adPersonalization": "CONSENT_GRANTED"}


class GoogleOptions(NoOptions):
    """The Google Ads account, by numbers without hyphens.

    `login_account_id` is the manager account whose user the credentials are of, `user_list_id` a
    list that exists; without it one is made. `credentials` says where tokens come from: the secret
    ACCESS_TOKEN, which lives an hour, or the application default credentials of the machine.
    """

    account_id: str = Field(pattern=r"^\d+$")
    login_account_id: str | None = Field(None, pattern=r"^\d+$")
    user_list_id: str | None = Field(None, pattern=r"^\d+$")
    credentials: Literal["access_token", "application_default"] = "access_token"


DECLARED = Declared(
    fields={
        "emailAddress": "google_email",
        "phoneNumber": "google_phone",
        "givenName": "google_given_name",
        "familyName": "google_family_name",
        "postalCode": "google_postal_code",
        "regionCode": "google_region_code",
    },
    identifiers=("emailAddress", "phoneNumber"),
    purpose="ad_audiences",
    channel="social",
    batch_rows=10_000,
    batch_bytes=50_000_000,
    optional_secrets=("ACCESS_TOKEN",),
    options=GoogleOptions,
    minimum=100,
    expires_after_days=_DAYS,
)


def connect(options: GoogleOptions, connection: Connection) -> Destination:
    """Open the Data Manager API; nothing is sent."""
    if options.credentials == "application_default":
        token = _default_token()
    else:
        token = _given_token(connection.secrets["ACCESS_TOKEN"])
    client = httpx.Client(base_url=connection.url or _ADDRESS, timeout=connection.timeout_seconds)
    return _Google(options, client, token)


class _Google:
    def __init__(
        self, options: GoogleOptions, client: httpx.Client, token: Callable[[], str]
    ) -> None:
        self._options = options
        self._client = client
        self._token = token
        self._list_id = options.user_list_id

    def open(self, audience: str, known: str | None) -> str:
        """Make the list, unless there is one."""
        self._list_id = known or self._list_id or self._make(audience)
        return self._list_id

    def prepare(self, action: Action, rows: Sequence[Row], batch: Batch) -> Request:  # noqa: ARG002
        """The members with their identifiers; whoever is added has consented to both uses."""
        document: dict[str, Any] = {"destinations": [self._destination()], "encoding": "HEX"}
        consent = ""
        if action == "add":
            document["termsOfService"] = {"customerMatchTermsOfServiceStatus": "ACCEPTED"}
            consent = f',"consent":{_json_text(_CONSENT)}'
        members = ",".join([_member(row.fields, consent) for row in rows])
        body = f'{_json_text(document)[:-1]},"audienceMembers":[{members}]}}'
        return Request(action, len(rows), body, len(body), lambda: body)

    def send(self, request: Request) -> Answer:
        """Hand the request over; its number is the receipt."""
        told = self._call("POST", _path(request), content=request.body)
        if not isinstance(told.get("requestId"), str):
            raise UnavailableError("an answer without requestId")
        return Answer(receipt=told["requestId"])

    def confirm(self, receipt: str) -> Answer | None:
        """Ask for the status of a request."""
        told = self._call("GET", "/v1/requestStatus:retrieve", params={"requestId": receipt})
        [status] = told.get("requestStatusPerDestination") or [{}]
        errors = status.get("errorInfo", {}).get("errorCounts", [])
        match status.get("requestStatus"):
            case "SUCCESS":
                return Answer()
            case "PARTIAL_SUCCESS":
                return Answer(unnamed=sum(int(each["recordCount"]) for each in errors))
            case "FAILED":
                raise RefusedError(_code([each.get("reason") for each in errors] or ["FAILED"]))
        return None

    def validate(self, request: Request) -> Answer:
        """Let Google check the request; while there is no list, nothing can be checked."""
        if self._list_id is None:
            return Answer()
        body = request.body.removesuffix("}") + ',"validateOnly":true}'
        self._call("POST", _path(request), content=body)
        return Answer()

    def _make(self, audience: str) -> str:
        login = self._options.login_account_id
        try:
            made = self._call(
                "POST",
                f"/v1/{_account_name(self._options.account_id)}/userLists",
                content=json.dumps(
                    {
                        "displayName": audience,
                        "membershipDuration": f"{_DAYS * 86_400}s",
                        "ingestedUserListInfo": {
                            "uploadKeyTypes": ["CONTACT_ID"],
                            "contactIdInfo": {"dataSourceType": "DATA_SOURCE_TYPE_FIRST_PARTY"},
                        },
                    }
                ),
                headers={"login-account": _account_name(login)} if login else None,
            )
        except RefusedError as error:
            raise DeniedError(f"the user list was not made: {error}") from None
        return str(made["id"])

    def _destination(self) -> dict[str, Any]:
        """Where members go; a dry run before the first real one knows no list."""
        destination: dict[str, Any] = {"operatingAccount": _account(self._options.account_id)}
        if self._options.login_account_id:
            destination["loginAccount"] = _account(self._options.login_account_id)
        if self._list_id:
            destination["productDestinationId"] = self._list_id
        return destination

    def _call(
        self,
        method: str,
        path: str,
        content: str | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        sent = {
            "Authorization": f"Bearer {self._token()}",
            "Content-Type": "application/json",
            **(headers or {}),
        }
        try:
            response = self._client.request(
                method, path, content=content, params=params, headers=sent
            )
        except httpx.TransportError as error:
            raise UnavailableError(type(error).__name__) from None
        told = _json(response)
        if response.is_success and told is not None:
            return told
        raise _error(response.status_code, method, told or {})


def _path(request: Request) -> str:
    return f"/v1/audienceMembers:{'ingest' if request.action == 'add' else 'remove'}"


def _account(number: str) -> dict[str, str]:
    return {"accountType": "GOOGLE_ADS", "accountId": number}


def _account_name(number: str) -> str:
    return f"accountTypes/GOOGLE_ADS/accounts/{number}"


def _member(fields: Mapping[str, Any], consent: str) -> str:
    """The JSON of a member. Written here: a document of a million members as dictionaries takes
    three times as long.
    """
    identifiers = [
        f'{{"{name}":{_quoted(fields[name])}}}' for name in DECLARED.identifiers if name in fields
    ]
    # Google takes an address whole or not at all.
    if fields.keys() >= _ADDRESS_NAMES:
        parts = ",".join([f'"{name}":{_quoted(fields[name])}' for name in _NAMES])
        identifiers.append(f'{{"address":{{{parts}}}}}')
    return f'{{"userData":{{"userIdentifiers":[{",".join(identifiers)}]}}{consent}}}'


def _json_text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, separators=(",", ":"))


def _json(response: httpx.Response) -> dict[str, Any] | None:
    try:
        told = response.json()
    except ValueError:
        return None
    return told if isinstance(told, dict) else None


def _error(
    status: int, method: str, told: Mapping[str, Any]
) -> ThrottledError | UnavailableError | RefusedError | DeniedError:
    """What Google means by an error. Its text is left out: it may quote what was sent."""
    error = told.get("error", {})
    details = error.get("details", [])
    reasons = [
        violation.get("reason") for each in details for violation in each.get("fieldViolations", [])
    ]
    reasons += [each.get("reason") for each in details]
    name = f"HTTP {status}, {_code([*reasons, error.get('status')])}"
    if status == 429:
        return ThrottledError(_seconds_to_wait(details))
    if status >= 500 or status < 400:
        return UnavailableError(name)
    # A status that is not found is that of a request; anything else is a list that is gone.
    gone = status == 404 and method == "POST"
    if status in (401, 403) or gone or not _DENIED_REASONS.isdisjoint(reasons):
        return DeniedError(name)
    return RefusedError(name)


def _code(reasons: Sequence[Any]) -> str:
    """The first reason that is a code: a text could hold a value."""
    codes = (each for each in reasons if isinstance(each, str) and re.fullmatch("[A-Z0-9_]+", each))
    return next(codes, "no reason")


def _seconds_to_wait(details: Sequence[Mapping[str, Any]]) -> float | None:
    delays = (str(each["retryDelay"]).removesuffix("s") for each in details if "retryDelay" in each)
    try:
        return float(next(delays))
    except (StopIteration, ValueError):
        return None


def _given_token(secret: str) -> Callable[[], str]:
    """The token that the environment gives."""

    def token() -> str:
        if not secret:
            raise DeniedError("no access token: set the environment variable ..._ACCESS_TOKEN")
        return secret

    return token


def _default_token() -> Callable[[], str]:
    """Tokens of the application default credentials, renewed when they end."""
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError, RefreshError, TransportError
    from google.auth.transport.requests import Request as AuthRequest

    @cache
    def credentials() -> Any:
        found, _ = google.auth.default(scopes=[_SCOPE])
        return found

    def token() -> str:
        try:
            if not credentials().valid:
                credentials().refresh(AuthRequest())
        except DefaultCredentialsError:
            raise DeniedError("this machine has no application default credentials") from None
        except RefreshError:
            raise DeniedError("Google renews no token for these credentials") from None
        except TransportError:
            raise UnavailableError("Google's tokens cannot be reached") from None
        return str(credentials().token)

    return token
