"""Salesforce Marketing Cloud Engagement: rows of a data extension, one a sync.

Transport is plain HTTP. Rows are upserted by the asynchronous REST API, which has no call that
deletes; they are deleted by the SOAP API, 50 at once, as Salesforce advises. The data extension is
made by hand, with the columns of `DECLARED.fields` and of the attributes, and customer_id as its
only primary key. What is not known of a member is not sent, and stays there as it was.

What public documentation lacks:

- Which rows of an upsert were not taken: the results have error codes and no places, so they are
  counted. Where there are as many errors as rows, nothing counts as taken.
- What deleting a row answers that is not there. Rows that were not deleted are looked up, and one
  that is gone counts as deleted.

Deleting a row does not delete the contact. Whoever is forgotten leaves the data extension; a
contact that was made of the row has to be deleted in Contact Builder.
"""

import re
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

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
from orchestration.activation.member_file import COLUMNS, IDENTIFIERS
from orchestration.activation.wire import failure, json_object, json_text, told

_KEY = "customer_id"
_DELETED_AT_ONCE = 50
# A token is asked for anew before it ends, and no more often: Salesforce counts.
_SPARE_SECONDS = 60
_CODE = re.compile("[A-Za-z0-9_]{1,60}")
_API = "http://exacttarget.com/wsdl/partnerAPI"
_ENVELOPE = (
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><s:Header>'
    '<fueloauth xmlns="http://exacttarget.com">{token}</fueloauth></s:Header>'
    "<s:Body>{body}</s:Body></s:Envelope>"
)


class SalesforceOptions(NoOptions):
    """The subdomain of the account's API addresses, the external key of the data extension, and
    the id (MID) of the business unit where it is not that of the API user.
    """

    subdomain: str = Field(pattern=r"^[a-z0-9-]+$")
    data_extension: str = Field(pattern=r"^[\w-]{1,36}$")
    account_id: str | None = Field(default=None, pattern=r"^\d+$")


DECLARED = Declared(
    fields={name: name for name in COLUMNS},
    identifiers=IDENTIFIERS,
    purpose="marketing",
    channel="email",
    batch_rows=2_000,
    batch_bytes=4_000_000,
    secrets=("CLIENT_ID", "CLIENT_SECRET"),
    options=SalesforceOptions,
    takes_attributes=True,
)


def connect(options: SalesforceOptions, connection: Connection) -> Destination:
    """Open the APIs; nothing is sent."""
    return _Salesforce(options, connection)


class _Salesforce:
    def __init__(self, options: SalesforceOptions, connection: Connection) -> None:
        self._options = options
        self._secrets = connection.secrets
        self._client = httpx.Client(timeout=connection.timeout_seconds)
        self._url = connection.url
        self._token = ""
        self._token_ends = 0.0

    def open(self, audience: str, known: str | None) -> str:  # noqa: ARG002
        """The data extension of the options. Raises DeniedError when the sync had another."""
        key = self._options.data_extension
        if known not in (None, key):
            raise DeniedError(f"the members of this sync are in {known}: give it another name")
        return key

    def prepare(self, action: Action, rows: Sequence[Row], batch: Batch) -> Request:  # noqa: ARG002
        """Rows as they are upserted; of a removal the ids of the customers."""
        if action == "add":
            items = [
                {
                    **{name: _cell(value) for name, value in row.fields.items()},
                    _KEY: row.customer_id,
                }
                for row in rows
            ]
            text = json_text({"items": items})
            body: Any = text.encode()
        else:
            body = [row.customer_id for row in rows]
            text = json_text({"deleted": body})
        return Request(action, len(rows), body, len(text.encode()), lambda: text)

    def send(self, request: Request) -> Answer:
        """Upsert, to be confirmed; or delete."""
        if request.action != "add":
            return Answer(dict(self._delete(request.body)))
        path = f"/data/v1/async/dataextensions/key:{self._options.data_extension}/rows"
        answer = told(self._rest("PUT", path, request.body))
        request_id = answer.get("requestId") or answer.get("RequestId")
        if not request_id:
            raise UnavailableError("an answer without requestId")
        # How many they are tells later whether any was taken.
        return Answer(receipt=f"{request_id}/{request.rows}")

    def confirm(self, receipt: str) -> Answer | None:
        """What came of an upsert; None while it is pending."""
        request_id, _, rows = receipt.rpartition("/")
        status = told(self._rest("GET", f"/data/v1/async/{request_id}/status")).get("status")
        if not isinstance(status, dict):
            raise UnavailableError("an answer without status")
        if status.get("requestStatus") == "Pending":
            return None
        if status.get("requestStatus") == "Complete" and not status.get("hasErrors"):
            return Answer()
        results = told(self._rest("GET", f"/data/v1/async/{request_id}/results"))
        return _errors(results, int(rows))

    def validate(self, request: Request) -> Answer:  # noqa: ARG002
        """Salesforce checks nothing without taking it, and every row has a key."""
        return Answer()

    # --- REST -----------------------------------------------------------------------------------

    def _rest(self, method: str, path: str, content: bytes | None = None) -> httpx.Response:
        headers = {
            "Authorization": f"Bearer {self._access()}",
            "Content-Type": "application/json",
        }
        return self._call(method, f"{self._at('rest')}{path}", content, headers)

    def _access(self) -> str:
        """A token that is good for some time. Raises DeniedError when there is none for us."""
        if time.monotonic() < self._token_ends:
            return self._token
        asked = {
            "grant_type": "client_credentials",
            "client_id": self._secrets["CLIENT_ID"],
            "client_secret": self._secrets["CLIENT_SECRET"],
        }
        if self._options.account_id:
            asked["account_id"] = self._options.account_id
        headers = {"Content-Type": "application/json"}
        try:
            response = self._call(
                "POST", f"{self._at('auth')}/v2/token", json_text(asked).encode(), headers
            )
        except RefusedError as error:
            raise DeniedError(f"no token was given: {error}") from None
        answer = told(response)
        token, seconds = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(token, str) or not isinstance(seconds, int):
            raise UnavailableError("an answer without a token")
        self._token, self._token_ends = token, time.monotonic() + seconds - _SPARE_SECONDS
        return token

    def _at(self, api: str) -> str:
        return self._url or f"https://{self._options.subdomain}.{api}.marketingcloudapis.com"

    def _call(
        self, method: str, url: str, content: bytes | None, headers: Mapping[str, str]
    ) -> httpx.Response:
        try:
            response = self._client.request(method, url, content=content, headers=headers)
        except httpx.RequestError as error:
            raise UnavailableError(type(error).__name__) from None
        if not response.is_success:
            raise _failure(response)
        return response

    # --- SOAP -----------------------------------------------------------------------------------

    def _delete(self, customers: Sequence[str]) -> Iterator[tuple[int, str]]:
        """Delete rows; the place and reason of each that is still there."""
        for start in range(0, len(customers), _DELETED_AT_ONCE):
            some = customers[start : start + _DELETED_AT_ONCE]
            failed = self._try_to_delete(some)
            if not failed:
                continue
            there = self._look_up([some[place] for place in failed])
            for place, reason in failed.items():
                if some[place] in there:
                    yield start + place, reason

    def _try_to_delete(self, customers: Sequence[str]) -> dict[int, str]:
        objects = "".join(
            f'<Objects xsi:type="DataExtensionObject">'
            f"<CustomerKey>{self._options.data_extension}</CustomerKey>"
            f"<Keys><Key><Name>{_KEY}</Name><Value>{escape(each)}</Value></Key></Keys></Objects>"
            for each in customers
        )
        body = f'<DeleteRequest xmlns="{_API}"><Options/>{objects}</DeleteRequest>'
        answer = self._soap("Delete", body)
        if _text(answer, "OverallStatus") == "OK":
            return {}
        failed = dict.fromkeys(range(len(customers)), "not_deleted")
        for result in answer.iter(f"{{{_API}}}Results"):
            place = _text(result, "OrdinalID")
            if place.isdigit() and _text(result, "StatusCode") == "OK":
                failed.pop(int(place), None)
            elif place.isdigit() and int(place) in failed:
                failed[int(place)] = _coded(_text(result, "ErrorCode"), "not_deleted")
        return failed

    def _look_up(self, customers: Sequence[str]) -> set[str]:
        """Which of the customers have a row."""
        operator = "equals" if len(customers) == 1 else "IN"
        values = "".join(f"<Value>{escape(each)}</Value>" for each in customers)
        answer = self._soap(
            "Retrieve",
            f'<RetrieveRequestMsg xmlns="{_API}"><RetrieveRequest>'
            f"<ObjectType>DataExtensionObject[{self._options.data_extension}]</ObjectType>"
            f'<Properties>{_KEY}</Properties><Filter xsi:type="SimpleFilterPart">'
            f"<Property>{_KEY}</Property><SimpleOperator>{operator}</SimpleOperator>{values}"
            "</Filter></RetrieveRequest></RetrieveRequestMsg>",
        )
        if _text(answer, "OverallStatus") != "OK":
            raise UnavailableError("rows that were not deleted cannot be looked up")
        return {
            _text(found, "Value")
            for found in answer.iter(f"{{{_API}}}Property")
            if _text(found, "Name") == _KEY
        }

    def _soap(self, action: str, body: str) -> ET.Element:
        content = _ENVELOPE.format(token=escape(self._access()), body=body)
        headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": action}
        response = self._call("POST", f"{self._at('soap')}/Service.asmx", content.encode(), headers)
        try:
            answer = ET.fromstring(response.content)
        except ET.ParseError:
            raise UnavailableError("an answer that is no XML") from None
        if not _text(answer, "OverallStatus"):
            raise UnavailableError("an answer without OverallStatus")
        return answer


def _cell(value: Any) -> Any:
    """Columns hold one value: a list is a text."""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value


def _text(element: ET.Element, name: str) -> str:
    """The text of the first element of this name; empty when there is none."""
    found = next(element.iter(f"{{{_API}}}{name}"), None)
    return (found.text or "") if found is not None else ""


def _coded(code: Any, otherwise: str) -> str:
    """A code of the service; its texts may quote values."""
    return str(code) if _CODE.fullmatch(str(code)) else otherwise


def _errors(results: Mapping[str, Any], rows: int) -> Answer:
    """What results with errors say. Raises RefusedError when nothing was taken."""
    items = [each for each in results.get("items") or () if isinstance(each, dict)]
    failed = [each for each in items if each.get("status") == "Error"]
    number, count = len(failed), results.get("count")
    # A page of errors alone is followed by more of them.
    if number == len(items) and isinstance(count, int):
        number = count
    if number >= rows:
        raise RefusedError(_coded(failed[0].get("errorCode") if failed else "", "not_taken"))
    return Answer(unnamed=max(1, number))


def _failure(
    response: httpx.Response,
) -> ThrottledError | UnavailableError | RefusedError | DeniedError:
    """What a status that is no success means. SOAP tells of a bad token by a fault, HTTP 500."""
    if response.status_code == 500 and re.search(b"Login Failed|Token Expired", response.content):
        return DeniedError("the token is not taken")
    try:
        code = json_object(response.content).get("errorcode")
    except UnavailableError:
        code = None
    return failure(response.status_code, response.headers, _coded(code, "") if code else None)
