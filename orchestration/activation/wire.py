"""What the destinations that speak HTTP have in common: texts, calls, and what errors mean."""

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import httpx

from orchestration.activation.destination import (
    Answer,
    DeniedError,
    RefusedError,
    ThrottledError,
    UnavailableError,
)

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_NOT_IN_TAGS = re.compile("[^a-z0-9]+")


def json_text(document: Any) -> str:
    """Compact JSON; dates as ISO 8601, decimals as numbers."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"no JSON for {type(value).__name__}")


def tag_of(audience: str) -> str:
    """The tag that marks the members of an audience: letters, digits and _, which every service
    keeps as they are. Raises DeniedError for a name of which nothing is left.
    """
    folded = unicodedata.normalize("NFKD", audience.lower().replace("ł", "l"))
    plain = _NOT_IN_TAGS.sub("_", folded.encode("ascii", "ignore").decode()).strip("_")
    if not plain:
        raise DeniedError("the audience needs a name with Latin letters or digits")
    return f"cdp_{plain}"


def without_email(emails: Sequence[str]) -> Answer:
    """Rejects what is no address, for services that check nothing without taking it."""
    return Answer(
        {
            place: "invalid_identifier"
            for place, email in enumerate(emails)
            if not _EMAIL.fullmatch(email)
        }
    )


def call(client: httpx.Client, method: str, path: str, **content: Any) -> httpx.Response:
    """One call that succeeded. Raises what a destination raises, without a word of the answer."""
    try:
        response = client.request(method, path, **content)
    except httpx.RequestError as error:
        # Its text, and what it was raised from, may hold the address with what was asked.
        raise UnavailableError(type(error).__name__) from None
    if not response.is_success:
        raise failure(response.status_code, response.headers)
    return response


def told(response: httpx.Response) -> dict[str, Any]:
    """The JSON object of an answer. Raises UnavailableError when something else answered."""
    return json_object(response.content)


def json_object(content: bytes) -> dict[str, Any]:
    """A JSON object. Raises UnavailableError for anything else: a proxy answered, say."""
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UnavailableError("an answer that is no JSON object")
    return found


def failure(
    status: int, headers: Mapping[str, str], code: str | None = None
) -> ThrottledError | UnavailableError | RefusedError | DeniedError:
    """What an HTTP status that is no success means; `code` is the service's own name for it."""
    name = f"HTTP {status}" + (f", {code}" if code else "")
    if status == 429:
        after = headers.get("Retry-After", "")
        return ThrottledError(float(after) if after.isdigit() else None)
    if status >= 500 or status == 408:
        return UnavailableError(name)
    # A redirection is another address than that of the service.
    if status < 400 or status in (401, 403, 404, 410):
        return DeniedError(name)
    return RefusedError(name)
