"""Stands in for Klaviyo's API: profiles, lists, bulk imports and deletions."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from orchestration.activation.stand_in.server import Call, Fault, Reply

TOKEN = "stand-in-token"

_MOST_PROFILES = 10_000
_MOST_BYTES = 5_000_000
_MOST_BYTES_OF_PROFILE = 100_000
_MOST_OF_LIST = 1_000
_MOST_VALUES = 100
_ANY_EMAIL = re.compile(r"any\(email,(\[.*\])\)", re.DOTALL)
_KNOWN = {"email", "phone_number", "external_id", "first_name", "last_name", "organization"} | {
    "locale",
    "title",
    "image",
    "location",
    "properties",
}


@dataclass
class Klaviyo:
    """The API with its profiles. Of an import, profiles whose address is in `poison` fail alone.

    An import is done after it was asked about `looks` times.
    """

    poison: set[str] = field(default_factory=set)
    looks: int = 0
    profiles: dict[str, dict[str, Any]] = field(default_factory=dict)
    lists: dict[str, set[str]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    _ids: dict[str, str] = field(default_factory=dict)
    _jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    _made: int = 0

    def handle(self, call: Call) -> Reply:
        """Carry out a call of the documented paths."""
        headers = {name.lower(): value for name, value in call.headers.items()}
        if headers.get("authorization") != f"Klaviyo-API-Key {TOKEN}":
            return _error(401, "not_authenticated", "Incorrect authentication credentials.")
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", headers.get("revision", "")):
            return _error(400, "invalid", "A revision header is required.")
        match call.method, call.path.removeprefix("/api").split("/")[1:]:
            case "POST", ["lists"]:
                return self._make_list(json.loads(call.body)["data"])
            case "POST", ["profile-bulk-import-jobs"]:
                return self._import(call.body)
            case "GET", ["profile-bulk-import-jobs", job]:
                return self._job(job)
            case "GET", ["profile-bulk-import-jobs", job, "import-errors"]:
                return self._errors(job, call.query)
            case "GET", ["profiles"]:
                return self._find(call.query)
            case "DELETE", ["lists", list_id, "relationships", "profiles"]:
                return self._leave(list_id, json.loads(call.body)["data"])
            case "POST", ["data-privacy-deletion-jobs"]:
                return self._forget(json.loads(call.body)["data"])
        return _error(404, "not_found", "Not found.")

    def writes(self, call: Call) -> bool:
        """Whether profiles or lists are changed."""
        return call.method != "GET"

    def fault(self, kind: Fault) -> Reply:
        """Too many requests, an error of the server, a key without permission."""
        if kind == "throttled":
            throttled = _error(429, "throttled", "Request was throttled.")
            return Reply(429, throttled.body, {"Retry-After": "7"})
        if kind == "denied":
            return _error(403, "permission_denied", "The key has not the required scopes.")
        return _error(500, "error", "A server error occurred.")

    def audiences(self) -> Mapping[str, set[tuple[str, ...]]]:
        """The address of each profile of a list."""
        return {
            list_id: {(self.profiles[each]["email"],) for each in members}
            for list_id, members in self.lists.items()
        }

    def _next(self, letter: str) -> str:
        self._made += 1
        return f"{letter}{self._made}"

    def _make_list(self, asked: Mapping[str, Any]) -> Reply:
        name = asked["attributes"].get("name")
        if asked["type"] != "list" or not name:
            return _error(400, "invalid", "A name is required.")
        made = self._next("L")
        self.lists[made], self.names[made] = set(), name
        return Reply(201, {"data": {"type": "list", "id": made}})

    def _import(self, body: bytes) -> Reply:
        asked = json.loads(body)["data"]
        profiles = asked["attributes"]["profiles"]["data"]
        lists = [each["id"] for each in asked["relationships"]["lists"]["data"]]
        if asked["type"] != "profile-bulk-import-job" or not 1 <= len(profiles) <= _MOST_PROFILES:
            return _error(400, "invalid", "Between 1 and 10,000 profiles are allowed.")
        if len(body) > _MOST_BYTES:
            return _error(413, "payload_too_large", "The payload is too large.")
        if not self.lists.keys() >= set(lists):
            return _error(404, "not_found", "A list with this id does not exist.")
        errors = {}
        for place, profile in enumerate(profiles):
            code = self._mistake(profile)
            if code:
                errors[place] = code
            else:
                self._upsert(profile["attributes"], lists)
        job = self._next("J")
        self._jobs[job] = {"total": len(profiles), "errors": errors, "looks": self.looks}
        return Reply(202, {"data": {"type": "profile-bulk-import-job", "id": job}})

    def _mistake(self, profile: Mapping[str, Any]) -> str | None:
        attributes = profile["attributes"]
        email = attributes.get("email") or ""
        if profile["type"] != "profile" or not attributes.keys() <= _KNOWN:
            return "invalid"
        if "@" not in email or email in self.poison:
            return "invalid"
        return "too_large" if len(json.dumps(attributes)) > _MOST_BYTES_OF_PROFILE else None

    def _upsert(self, attributes: Mapping[str, Any], lists: list[str]) -> None:
        key = attributes["email"].lower()
        if key not in self._ids:
            self._ids[key] = self._next("P")
        profile = self.profiles.setdefault(self._ids[key], {"properties": {}})
        properties = {**profile["properties"], **attributes.get("properties", {})}
        profile.update(attributes)
        profile["properties"] = properties
        for each in lists:
            self.lists[each].add(self._ids[key])

    def _job(self, job_id: str) -> Reply:
        job = self._jobs.get(job_id)
        if job is None:
            return _error(404, "not_found", "A job with this id does not exist.")
        done = job["looks"] <= 0
        job["looks"] -= 1
        attributes = {
            "status": "complete" if done else "processing",
            "total_count": job["total"],
            "completed_count": job["total"] - len(job["errors"]) if done else 0,
            "failed_count": len(job["errors"]) if done else 0,
        }
        data = {"type": "profile-bulk-import-job", "id": job_id, "attributes": attributes}
        return Reply(200, {"data": data})

    def _errors(self, job_id: str, query: Mapping[str, list[str]]) -> Reply:
        errors = list(self._jobs[job_id]["errors"].items())
        start = int(query.get("page[cursor]", ["0"])[0])
        end = start + int(query.get("page[size]", ["20"])[0])
        shown = [
            {
                "type": "import-error",
                "id": f"{job_id}-{place}",
                "attributes": {
                    "code": code,
                    "title": "Invalid input.",
                    "detail": "The profile was not taken.",
                    "source": {"pointer": f"/data/attributes/profiles/data/{place}/attributes"},
                },
            }
            for place, code in errors[start:end]
        ]
        following = f"https://a.klaviyo.com/api/x?{urlencode({'page[cursor]': end})}"
        return Reply(
            200, {"data": shown, "links": {"next": following if end < len(errors) else None}}
        )

    def _find(self, query: Mapping[str, list[str]]) -> Reply:
        asked = _ANY_EMAIL.fullmatch(query.get("filter", [""])[0])
        emails = json.loads(asked[1]) if asked else []
        if not 1 <= len(emails) <= _MOST_VALUES:
            return _error(400, "invalid", "Invalid filter provided.")
        ids = [self._ids[each.lower()] for each in emails if each.lower() in self._ids]
        shown = [{"type": "profile", "id": each} for each in sorted(set(ids))]
        size = int(query.get("page[size]", ["20"])[0])
        return Reply(200, {"data": shown[:size], "links": {"next": None}})

    def _leave(self, list_id: str, profiles: list[Mapping[str, str]]) -> Reply:
        if list_id not in self.lists:
            return _error(404, "not_found", "A list with this id does not exist.")
        if len(profiles) > _MOST_OF_LIST:
            return _error(400, "invalid", "At most 1,000 profiles are allowed.")
        self.lists[list_id] -= {each["id"] for each in profiles}
        return Reply(204)

    def _forget(self, asked: Mapping[str, Any]) -> Reply:
        profile = self.profiles.pop(asked["attributes"]["profile"]["data"]["id"], None)
        if profile is None:
            return _error(404, "not_found", "A profile with this id does not exist.")
        gone = self._ids.pop(profile["email"].lower())
        for members in self.lists.values():
            members.discard(gone)
        return Reply(202, "")


def _error(status: int, code: str, detail: str) -> Reply:
    error = {"id": "stand-in", "status": status, "code": code, "title": code, "detail": detail}
    return Reply(status, {"errors": [error]})
