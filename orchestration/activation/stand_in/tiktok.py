"""Stands in for TikTok's Business API: segments that are filled by streaming."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestration.activation.stand_in.members import Members
from orchestration.activation.stand_in.server import Call, Fault, Reply

TOKEN = "stand-in-token"
KEYS = ("EMAIL_SHA256", "PHONE_SHA256")

_SEGMENTS = "/open_api/v1.3/segment"
_MOST_ROWS = 1_000
_HASH = re.compile("[0-9a-f]{64}")
_SCHEMAS = {*KEYS, "IDFA_SHA256", "AAID_SHA256"}


@dataclass
class TikTok:
    """The API with its audiences. A request with somebody of `poison` is refused as a whole."""

    poison: set[str] = field(default_factory=set)
    members: dict[str, Members] = field(default_factory=dict)

    def handle(self, call: Call) -> Reply:
        """Carry out a call; what fails is told by the code of the body."""
        headers = {name.lower(): value for name, value in call.headers.items()}
        if call.method != "POST" or call.path not in (
            f"{_SEGMENTS}/audience/",
            f"{_SEGMENTS}/mapping/",
        ):
            return Reply(404, "404 page not found")
        if not headers.get("access-token"):
            return _told(40104, "Access token is null")
        if headers["access-token"] != TOKEN:
            return _told(40105, "Access token is incorrect or has been revoked")
        asked = json.loads(call.body)
        return self._create(asked) if call.path.endswith("/audience/") else self._map(asked)

    def writes(self, call: Call) -> bool:
        """Whether members are changed."""
        return call.path.endswith("/mapping/")

    def fault(self, kind: Fault) -> Reply:
        """Too frequent requests, a system error, a token that was revoked."""
        if kind == "throttled":
            return _told(40100, "Too many requests")
        if kind == "denied":
            return _told(40105, "Access token is incorrect or has been revoked")
        return _told(50000, "System error")

    def audiences(self) -> Mapping[str, set[tuple[str, ...]]]:
        """E-mail and phone of each member."""
        return {name: members.rows for name, members in self.members.items()}

    def _create(self, asked: Mapping[str, Any]) -> Reply:
        if asked.get("action") != "create":
            return _told(40002, "Invalid value for action")
        if not asked.get("custom_audience_name") or not asked.get("advertiser_id"):
            return _told(40002, "Missing required field(s)")
        made = str(170_000_000 + len(self.members) + 1)
        self.members[made] = Members()
        return _told(0, "OK", {"audience_id": made})

    def _map(self, asked: Mapping[str, Any]) -> Reply:
        schema, people = asked.get("id_schema", []), asked.get("batch_data", [])
        if not asked.get("advertiser_ids") or asked.get("action") not in ("add", "delete"):
            return _told(40002, "Missing required field(s)")
        if not schema or not _SCHEMAS.issuperset(schema):
            return _told(40002, "Invalid value for id_schema")
        if not 1 <= len(people) <= _MOST_ROWS:
            return _told(40002, "batch_data is too long")
        for person in people:
            wrong = self._mistake(person, len(schema))
            if wrong:
                return _told(wrong, f"Invalid value in batch_data: {person}")
        for person in people:
            self._change(asked["action"], dict(zip(schema, person, strict=True)))
        return _told(0, "OK")

    def _mistake(self, person: list[dict[str, Any]], length: int) -> int | None:
        if len(person) != length or not any(person):
            return 40002
        for each in filter(None, person):
            if not _HASH.fullmatch(each["id"]) or each["id"] in self.poison:
                return 40002
            if not each["audience_ids"] or not self.members.keys() >= set(each["audience_ids"]):
                return 40007
        return None

    def _change(self, action: str, person: Mapping[str, dict[str, Any]]) -> None:
        row = tuple(person.get(name, {}).get("id", "") for name in KEYS)
        for name in {name for each in person.values() for name in each.get("audience_ids", [])}:
            if action == "add":
                self.members[name].add(row)
            else:
                self.members[name].remove(row)


def _told(code: int, message: str, data: Mapping[str, Any] | None = None) -> Reply:
    answer = {"code": code, "message": message, "request_id": "stand-in", "data": data or {}}
    return Reply(200, answer)
