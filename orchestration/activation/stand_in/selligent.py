"""Stands in for the API of Selligent: one list with its records, and its static segments."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestration.activation.stand_in.server import Call, Fault, Reply

KEY, SECRET = "stand-in-token", "stand-in-secret"
ORGANIZATION, LIST, SEGMENT = "brand", "customers", "best"
COLUMNS = (
    *("CUSTOMER_ID", "MAIL", "PHONE", "FIRST_NAME", "LAST_NAME", "GENDER", "BIRTH_DATE"),
    *("STREET", "POSTAL_CODE", "CITY", "COUNTRY", "TIER"),
)

_MOST_ROWS = 2_500
_PATH = re.compile(
    f"/Portal/Api/organizations/{ORGANIZATION}/lists/{LIST}(?:/segments/([a-z]+))?/data(/load)?"
)


@dataclass
class Selligent:
    """The API with its records. A request with somebody of `poison` is refused as a whole."""

    poison: set[str] = field(default_factory=set)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    segments: dict[str, set[str]] = field(default_factory=lambda: {SEGMENT: set(), "others": set()})

    def handle(self, call: Call) -> Reply:
        """Carry out a call."""
        headers = {name.lower(): value for name, value in call.headers.items()}
        path = _PATH.fullmatch(call.path)
        if headers.get("x-apikey") != f"{KEY}:{SECRET}":
            return Reply(401, {"error": "Unauthorized"})
        if path is None or (path[1] and path[1] not in self.segments):
            return Reply(404, {"error": "Not found"})
        if call.method != ("POST" if path[2] else "DELETE"):
            return Reply(405, {"error": "Method not allowed"})
        fields = call.query.get("fields", [""])[0].split(",")
        rows = json.loads(call.body)
        if call.query.get("keyFields") != ["CUSTOMER_ID"] or call.query.get("mode") != ["Sync"]:
            return Reply(400, {"error": "keyFields and mode"})
        if "CUSTOMER_ID" not in fields or not set(fields) <= set(COLUMNS):
            return Reply(400, {"error": "unknown field"})
        if not 1 <= len(rows) <= _MOST_ROWS or any(len(row) != len(fields) for row in rows):
            return Reply(400, {"error": "rows"})
        records = [dict(zip(fields, row, strict=True)) for row in rows]
        if any(self.poison & {each["CUSTOMER_ID"], each.get("MAIL")} for each in records):
            return Reply(422, {"error": f"cannot be processed: {records[0]}"})
        for each in records:
            self._change(each, path[1], adds=path[2] is not None)
        return Reply(200, {})

    def writes(self, call: Call) -> bool:  # noqa: ARG002
        """Every call does."""
        return True

    def fault(self, kind: Fault) -> Reply:
        """Too many requests, a key without the permission, an error of the server."""
        if kind == "throttled":
            return Reply(429, {"error": "Too many requests"})
        return Reply(401 if kind == "denied" else 500, {"error": "error"})

    def audiences(self) -> Mapping[str, set[tuple[str, ...]]]:
        """Id, e-mail and phone of each record that is in a segment."""
        return {
            f"{LIST}/{name}": {
                tuple(str(self.records[key].get(column) or "") for column in COLUMNS[:3])
                for key in keys
            }
            for name, keys in self.segments.items()
        }

    def _change(self, record: dict[str, Any], segment: str | None, adds: bool) -> None:
        key = record["CUSTOMER_ID"]
        if segment is None:
            if adds:
                self.records.setdefault(key, {}).update(record)
            else:
                self.records.pop(key, None)
                for keys in self.segments.values():
                    keys.discard(key)
        elif not adds:
            self.segments[segment].discard(key)
        elif key in self.records:
            self.segments[segment].add(key)
