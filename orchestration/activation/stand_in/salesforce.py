"""Stands in for Salesforce Marketing Cloud: data extensions by REST, and SOAP to delete rows."""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

from orchestration.activation.stand_in.server import Call, Fault, Reply

CLIENT_ID, CLIENT_SECRET, EXTENSION = "stand-in-client", "stand-in-token", "best"
COLUMNS = {
    *("customer_id", "email", "phone", "first_name", "last_name", "gender", "birth_date"),
    *("street", "postal_code", "city", "country", "tier", "hobbies"),
}

_TOKEN = "stand-in-access"
_API = "http://exacttarget.com/wsdl/partnerAPI"
_MOST_DELETED = 50
_MOST_ROWS = 32_000
_ROWS = re.compile("/data/v1/async/dataextensions/key:([^/]+)/rows")
_ASYNC = re.compile("/data/v1/async/([^/]+)/(status|results)")


@dataclass
class Salesforce:
    """The APIs with their data extensions. Rows of `poison` are neither upserted nor deleted.

    `looks` is how often a status is asked for before it is complete.
    """

    poison: set[str] = field(default_factory=set)
    extensions: dict[str, dict[str, dict[str, Any]]] = field(
        default_factory=lambda: {EXTENSION: {}, "others": {}}
    )
    looks: int = 0
    tokens: int = 0
    _jobs: dict[str, list[str]] = field(default_factory=dict)
    _looked: dict[str, int] = field(default_factory=dict)

    def handle(self, call: Call) -> Reply:
        """Carry out a call."""
        if (call.method, call.path) == ("POST", "/v2/token"):
            return self._token(json.loads(call.body))
        if (call.method, call.path) == ("POST", "/Service.asmx"):
            return self._soap(call)
        if _header(call, "authorization") != f"Bearer {_TOKEN}":
            return Reply(401, {"message": "Not Authorized", "errorcode": 0})
        rows, asked = _ROWS.fullmatch(call.path), _ASYNC.fullmatch(call.path)
        if call.method == "PUT" and rows:
            return self._upsert(rows[1], json.loads(call.body))
        if call.method == "GET" and asked and asked[1] in self._jobs:
            return self._status(asked[1]) if asked[2] == "status" else self._results(asked[1])
        return Reply(404, {"message": "Not Found", "errorcode": 10000})

    def writes(self, call: Call) -> bool:
        """Whether rows are changed."""
        return call.method == "PUT" or _header(call, "soapaction") == "Delete"

    def fault(self, kind: Fault) -> Reply:
        """Too many requests, a token that is not taken, an error of the server."""
        if kind == "throttled":
            return Reply(429, {"message": "Too many requests", "errorcode": 50200})
        if kind == "denied":
            return Reply(403, {"message": "Insufficient rights", "errorcode": 20002})
        return Reply(500, {"message": "Server Error", "errorcode": 0})

    def audiences(self) -> Mapping[str, set[tuple[str, ...]]]:
        """Id, e-mail and phone of each row."""
        return {
            key: {
                (each["customer_id"], each.get("email") or "", each.get("phone") or "")
                for each in rows.values()
            }
            for key, rows in self.extensions.items()
        }

    def _token(self, asked: Mapping[str, str]) -> Reply:
        if asked.get("grant_type") != "client_credentials":
            return Reply(400, {"error": "unsupported_grant_type"})
        if (asked.get("client_id"), asked.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return Reply(401, {"error": "invalid_client"})
        self.tokens += 1
        return Reply(200, {"access_token": _TOKEN, "token_type": "Bearer", "expires_in": 1079})

    def _upsert(self, key: str, asked: Mapping[str, Any]) -> Reply:
        items = asked.get("items")
        if not isinstance(items, list) or not 1 <= len(items) <= _MOST_ROWS:
            return Reply(400, {"message": "items is required", "errorcode": 10001})
        if key not in self.extensions:
            return Reply(400, {"message": f"no such key: {key}", "errorcode": 10006})
        job = f"00000000-0000-4000-8000-{len(self._jobs) + 1:012}"
        self._jobs[job] = []
        for item in items:
            name = item.get("customer_id")
            if not name or name in self.poison or not item.keys() <= COLUMNS:
                self._jobs[job].append(f"a row is not taken: {item}")
            else:
                self.extensions[key].setdefault(name, {}).update(item)
        return Reply(202, {"requestId": job, "resultMessages": []})

    def _status(self, job: str) -> Reply:
        self._looked[job] = self._looked.get(job, 0) + 1
        status = {
            "requestId": job,
            "requestStatus": "Complete" if self._looked[job] > self.looks else "Pending",
            "hasErrors": bool(self._jobs[job]),
        }
        return Reply(200, {"status": status, "requestId": job})

    def _results(self, job: str) -> Reply:
        items = [
            {"errorCode": "UnexpectedError", "message": text, "status": "Error"}
            for text in self._jobs[job]
        ]
        page = {"page": 1, "pageSize": 50, "count": len(items), "items": items[:50]}
        return Reply(200, page)

    def _soap(self, call: Call) -> Reply:
        asked = ET.fromstring(call.body)
        token = next(asked.iter("{http://exacttarget.com}fueloauth"), None)
        if token is None or token.text != _TOKEN:
            fault = "<s:Fault><faultcode>s:Client</faultcode><faultstring>Login Failed"
            return _enveloped(f"{fault}</faultstring></s:Fault>", 500)
        match _header(call, "soapaction"):
            case "Delete":
                return self._delete(list(asked.iter(f"{{{_API}}}Objects")))
            case "Retrieve":
                return self._retrieve(asked)
        return _enveloped("<s:Fault><faultstring>no such action</faultstring></s:Fault>", 500)

    def _delete(self, objects: list[ET.Element]) -> Reply:
        if not 1 <= len(objects) <= _MOST_DELETED:
            return _enveloped("<s:Fault><faultstring>too many</faultstring></s:Fault>", 500)
        results, failed = "", 0
        for place, each in enumerate(objects):
            rows = self.extensions[_value(each, "CustomerKey")]
            name = _value(each, "Value")
            # Whether a row that is not there is an error is documented nowhere.
            if _value(each, "Name") != "customer_id" or name in self.poison or name not in rows:
                failed += 1
                status = "Error</StatusCode><ErrorCode>2</ErrorCode>"
            else:
                del rows[name]
                status = "OK</StatusCode>"
            results += f"<Results><StatusCode>{status}<OrdinalID>{place}</OrdinalID></Results>"
        overall = "OK" if not failed else "Error" if failed == len(objects) else "Has Error"
        return _answered("DeleteResponse", results, overall)

    def _retrieve(self, asked: ET.Element) -> Reply:
        key = re.fullmatch(r"DataExtensionObject\[(.+)\]", _value(asked, "ObjectType"))
        values = [each.text or "" for each in asked.iter(f"{{{_API}}}Value")]
        expected = "equals" if len(values) == 1 else "IN"
        if key is None or _value(asked, "SimpleOperator") != expected:
            return _answered("RetrieveResponseMsg", "", "Error: filter")
        return _answered("RetrieveResponseMsg", _found(self.extensions[key[1]], values), "OK")


def _found(rows: Iterable[str], values: list[str]) -> str:
    return "".join(
        "<Results><Properties><Property><Name>customer_id</Name>"
        f"<Value>{escape(each)}</Value></Property></Properties></Results>"
        for each in values
        if each in rows
    )


def _header(call: Call, name: str) -> str:
    return next((value for key, value in call.headers.items() if key.lower() == name), "")


def _value(element: ET.Element, name: str) -> str:
    found = next(element.iter(f"{{{_API}}}{name}"), None)
    return (found.text or "") if found is not None else ""


def _answered(name: str, results: str, overall: str) -> Reply:
    status = f"<OverallStatus>{overall}</OverallStatus>"
    return _enveloped(f'<{name} xmlns="{_API}">{results}{status}</{name}>')


def _enveloped(body: str, status: int = 200) -> Reply:
    envelope = "http://schemas.xmlsoap.org/soap/envelope/"
    text = f'<s:Envelope xmlns:s="{envelope}"><s:Body>{body}</s:Body></s:Envelope>'
    return Reply(status, text, {"Content-Type": "text/xml; charset=utf-8"})
