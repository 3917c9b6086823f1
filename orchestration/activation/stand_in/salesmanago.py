"""Stands in for SALESmanago's REST API: contacts and their tags."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestration.activation.stand_in.server import Call, Fault, Reply

CLIENT_ID, API_KEY, API_SECRET = "stand-in-client", "stand-in-token", "stand-in-secret"

_MOST_CONTACTS = 400
_SHA = hashlib.sha1((API_KEY + CLIENT_ID + API_SECRET).encode()).hexdigest()
_DETAILS = {"contact", "tags", "removeTags", "properties", "birthday", "newEmail", "province"}
_CONTACT = {"email", "name", "phone", "fax", "company", "externalId", "state", "address"}


@dataclass
class Salesmanago:
    """The API with its contacts. A request with an address of `poison` is refused as a whole."""

    poison: set[str] = field(default_factory=set)
    contacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    _made: int = 0

    def handle(self, call: Call) -> Reply:
        """Carry out a call; what fails is told by the flag of the body."""
        asked = json.loads(call.body) if call.body else {}
        if asked.get("clientId") != CLIENT_ID or asked.get("sha") != _SHA:
            return _failed("Not authenticated")
        if not asked.get("owner") or not isinstance(asked.get("requestTime"), int):
            return _failed("owner and requestTime are required")
        match call.method, call.path.removeprefix("/api/contact/"):
            case "POST", "batchupsertv2":
                return self._upsert(asked["upsertDetails"])
            case "POST", "basic":
                found = [
                    {"id": self.contacts[each]["id"], "email": self.contacts[each]["email"]}
                    for each in map(str.lower, asked["email"])
                    if each in self.contacts
                ]
                return _done(contacts=found)
            case "POST", "batchDelete":
                return self._delete(asked["contacts"])
        return Reply(404, "Not found")

    def writes(self, call: Call) -> bool:
        """Whether contacts are changed."""
        return call.path.startswith("/api/contact/batch")

    def fault(self, kind: Fault) -> Reply:
        """Too many requests, an error of the server, keys that are not taken."""
        if kind == "throttled":
            return Reply(429, "Too many requests")
        if kind == "denied":
            return _failed("Not authenticated")
        return Reply(500, "Internal server error")

    def audiences(self) -> Mapping[str, set[tuple[str, ...]]]:
        """The address of each contact that has the tag."""
        held: dict[str, set[tuple[str, ...]]] = {}
        for contact in self.contacts.values():
            for tag in contact["tags"]:
                held.setdefault(tag, set()).add((contact["email"],))
        return held

    def _upsert(self, details: list[dict[str, Any]]) -> Reply:
        if len(details) > _MOST_CONTACTS:
            return _failed("too many contacts")
        for each in details:
            email = each["contact"].get("email", "")
            if "@" not in email or email in self.poison:
                return _failed(f"invalid e-mail: {email}")
            if not each.keys() <= _DETAILS or not each["contact"].keys() <= _CONTACT:
                return _failed("unknown field")
            if not all(isinstance(value, str) for value in each.get("properties", {}).values()):
                return _failed("properties are texts")
        for each in details:
            self._change(each)
        self._made += 1
        return _done(requestId=self._made)

    def _change(self, asked: Mapping[str, Any]) -> None:
        email = asked["contact"]["email"]
        if email.lower() not in self.contacts:
            self._made += 1
            new = {"id": f"contact-{self._made}", "tags": set(), "properties": {}, "optedOut": True}
            self.contacts[email.lower()] = new
        contact = self.contacts[email.lower()]
        contact.update(asked["contact"])
        contact["properties"].update(asked.get("properties", {}))
        contact["tags"] |= {tag.upper() for tag in asked.get("tags", [])}
        contact["tags"] -= {tag.upper() for tag in asked.get("removeTags", [])}

    def _delete(self, addressees: list[Mapping[str, str]]) -> Reply:
        if any(each["addresseeType"] != "CONTACT_ID" for each in addressees):
            return _failed("unknown addresseeType")
        gone = {each["value"] for each in addressees}
        self.contacts = {
            email: contact for email, contact in self.contacts.items() if contact["id"] not in gone
        }
        return _done(result=len(gone))


def _done(**told: Any) -> Reply:
    return Reply(200, {"success": True, "message": [], **told})


def _failed(message: str) -> Reply:
    return Reply(200, {"success": False, "message": [message]})
