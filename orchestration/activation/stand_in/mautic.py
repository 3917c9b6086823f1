"""Stands in for Mautic's REST API: contacts, tags and stages."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestration.activation.stand_in.server import Call, Fault, Reply

USER, PASSWORD = "stand-in-user", "stand-in-token"

_MOST_CONTACTS = 200
_ADDED = "2026-01-01T08:00:00+00:00"
_LOGIN = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
_NO_FIELDS = {"id", "tags", "stage", "overwriteWithBlank", "doNotContact"}


@dataclass
class Contact:
    """One contact. `blocked` are its entries of do-not-contact."""

    contact_id: int
    fields: dict[str, Any] = field(default_factory=dict)
    tags: set[str] = field(default_factory=set)
    stage: int | None = None
    blocked: list[dict[str, Any]] = field(default_factory=list)
    changed_at: str | None = None


@dataclass
class Mautic:
    """The API with its contacts. A contact whose address is in `poison` is refused alone.

    `moves` is the log of stages: contact, stage, and whether it was added or removed.
    """

    poison: set[str] = field(default_factory=set)
    contacts: dict[int, Contact] = field(default_factory=dict)
    stages: dict[int, str] = field(default_factory=lambda: {1: "new", 2: "active", 3: "lapsed"})
    moves: list[tuple[int, int, str]] = field(default_factory=list)
    _ids: dict[str, int] = field(default_factory=dict)
    _made: int = 0

    def handle(self, call: Call) -> Reply:
        """Carry out a call of the documented paths."""
        headers = {name.lower(): value for name, value in call.headers.items()}
        if headers.get("authorization") != _LOGIN:
            return _error(401, "Invalid username or password")
        match call.method, call.path.removeprefix("/api").split("/")[1:]:
            case "POST", ["contacts", "batch", "new"]:
                return self._batch(call, 201, self._upsert)
            case "PATCH", ["contacts", "batch", "edit"]:
                return self._batch(call, 200, self._edit)
            case "DELETE", ["contacts", "batch", "delete"]:
                return self._delete(call)
            case "GET", ["contacts"]:
                return self._list(call)
            case "GET", ["stages"]:
                stages = {
                    str(each): {"id": each, "name": self.stages[each]} for each in self.stages
                }
                return Reply(200, {"total": len(stages), "stages": stages})
            case "POST", ["stages", stage, "contact", contact, ("add" | "remove") as how]:
                return self._move(int(stage), int(contact), how)
        return _error(404, "Looks like I encountered an error (error #404)")

    def writes(self, call: Call) -> bool:
        """Whether contacts are changed."""
        return call.method != "GET"

    def fault(self, kind: Fault) -> Reply:
        """The rate limiter, an error of PHP, a user without permission."""
        if kind == "throttled":
            return _error(429, "API rate limit exceeded")
        if kind == "denied":
            return _error(403, "You do not have access to the requested area/action")
        return _error(500, "Looks like I encountered an error (error #500)")

    def audiences(self) -> Mapping[str, set[tuple[str, ...]]]:
        """The address of each contact that has the tag."""
        held: dict[str, set[tuple[str, ...]]] = {}
        for contact in self.contacts.values():
            for tag in contact.tags:
                held.setdefault(tag, set()).add((contact.fields["email"],))
        return held

    def _batch(self, call: Call, status: int, change: Any) -> Reply:
        asked = json.loads(call.body)
        if len(asked) > _MOST_CONTACTS:
            return _error(500, f"No more than {_MOST_CONTACTS} items in a batch")
        contacts, errors = {}, {}
        for place, each in enumerate(asked):
            changed = change(each)
            if isinstance(changed, Contact):
                contacts[place] = self._shown(changed)
            else:
                errors[place] = {"message": f"refused: {each}", "code": changed, "type": "api"}
        codes = [
            errors[place]["code"] if place in errors else status for place in range(len(asked))
        ]
        answer: dict[str, Any] = {"contacts": _as_php(contacts), "statusCodes": codes}
        if errors:
            answer["errors"] = _as_php(errors)
        return Reply(status, answer)

    def _upsert(self, asked: Mapping[str, Any]) -> Contact | int:
        email = asked.get("email")
        if email in self.poison or not isinstance(email, str) or "@" not in email:
            return 400
        key = email.lower()
        if key not in self._ids:
            self._made += 1
            self._ids[key] = self._made
            self.contacts[self._made] = Contact(self._made, {"email": email})
        return self._change(self.contacts[self._ids[key]], asked)

    def _edit(self, asked: Mapping[str, Any]) -> Contact | int:
        contact = self.contacts.get(int(asked["id"]))
        if contact is None:
            return 404
        return 400 if contact.fields["email"] in self.poison else self._change(contact, asked)

    def _change(self, contact: Contact, asked: Mapping[str, Any]) -> Contact:
        for tag in asked.get("tags", []):
            if tag.startswith("-"):
                contact.tags.discard(tag[1:])
            else:
                contact.tags.add(tag)
        for name in asked.keys() - _NO_FIELDS:
            value = asked[name]
            if value not in (None, "", 0) or asked.get("overwriteWithBlank"):
                contact.fields[name] = value
        return contact

    def _delete(self, call: Call) -> Reply:
        ids = [int(each) for each in call.query["ids"][0].split(",")]
        if len(ids) > _MOST_CONTACTS:
            return _error(500, f"No more than {_MOST_CONTACTS} items in a batch")
        errors = {}
        for place, contact_id in enumerate(ids):
            contact = self.contacts.pop(contact_id, None)
            if contact is None:
                errors[place] = {"message": "Item was not found.", "code": 404, "type": "api"}
            else:
                del self._ids[contact.fields["email"].lower()]
        return Reply(200, {"contacts": [], **({"errors": _as_php(errors)} if errors else {})})

    def _list(self, call: Call) -> Reply:
        wanted = {
            value[0].lower()
            for name, value in call.query.items()
            if name.startswith("where[0][val]") and name.endswith("[val]")
        }
        ids = sorted(self._ids[each] for each in wanted & self._ids.keys())
        if call.query.get("where[0][col]") == ["id"]:
            ids = sorted(
                each for each in self.contacts if each > int(call.query["where[0][val]"][0])
            )
        start, limit = int(call.query.get("start", ["0"])[0]), int(call.query["limit"][0])
        shown = {str(each): self._shown(self.contacts[each]) for each in ids[start : start + limit]}
        return Reply(200, {"total": str(len(ids)), "contacts": shown or []})

    def _move(self, stage: int, contact_id: int, how: str) -> Reply:
        if stage not in self.stages or contact_id not in self.contacts:
            return _error(404, "Item was not found.")
        self.contacts[contact_id].stage = stage if how == "add" else None
        self.moves.append((contact_id, stage, how))
        return Reply(200, {"success": 1})

    def _shown(self, contact: Contact) -> dict[str, Any]:
        stage = contact.stage
        return {
            "id": contact.contact_id,
            "dateAdded": _ADDED,
            "dateModified": contact.changed_at,
            "fields": {"all": {"id": contact.contact_id, **contact.fields}},
            "tags": [{"tag": tag} for tag in sorted(contact.tags)],
            "stage": None if stage is None else {"id": stage, "name": self.stages[stage]},
            "doNotContact": contact.blocked,
        }


def _as_php(entries: Mapping[int, Any]) -> Any:
    """What PHP writes: a list when no place is left out, otherwise an object."""
    in_order = list(entries) == list(range(len(entries)))
    return list(entries.values()) if in_order else {str(each): entries[each] for each in entries}


def _error(code: int, message: str) -> Reply:
    return Reply(code, {"errors": [{"message": message, "code": code, "type": None}]})
