"""Stands in for Meta's Marketing API: custom audiences, their users, lookalike audiences."""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email import message_from_bytes
from typing import Any
from urllib.parse import parse_qs

from orchestration.activation.stand_in.members import Members
from orchestration.activation.stand_in.server import Call, Fault, Reply

TOKEN = "stand-in-token"
APP_SECRET = "stand-in-secret"
KEYS = ("EMAIL", "PHONE")

_MOST_ROWS = 10_000
_SCHEMA = {
    *("EXTERN_ID", "EMAIL", "PHONE", "GEN", "DOBY", "DOBM", "DOBD", "LN", "FN", "FI", "CT", "ST"),
    *("ZIP", "MADID", "COUNTRY", "LOOKALIKE_VALUE"),
}
_UNHASHED = {"EXTERN_ID", "MADID", "LOOKALIKE_VALUE"}
_HASH = re.compile("[0-9a-f]{64}")
_PROOF = hmac.new(APP_SECRET.encode(), TOKEN.encode(), hashlib.sha256).hexdigest()
_SOURCES = {"USER_PROVIDED_ONLY", "PARTNER_PROVIDED_ONLY", "BOTH_USER_AND_PARTNER_PROVIDED"}


class _RefusedCallError(Exception):
    def __init__(self, message: str, code: int = 100, subcode: int | None = None) -> None:
        super().__init__(message)
        self.reply = _error(400, message, code, subcode)


@dataclass
class Meta:
    """The API with its audiences. `blocked` are ids of audiences that were flagged, `values` the
    values of members by identifiers, `lookalikes` what was made from which audience.
    """

    poison: set[str] = field(default_factory=set)
    blocked: set[str] = field(default_factory=set)
    members: dict[str, Members] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    values: dict[tuple[str, ...], float] = field(default_factory=dict)
    lookalikes: dict[str, dict[str, Any]] = field(default_factory=dict)

    def handle(self, call: Call) -> Reply:
        """Carry out a call of the Graph API, of any version."""
        if call.query.get("access_token") != [TOKEN]:
            return _error(400, "Error validating access token", 190)
        if call.query.get("appsecret_proof", [_PROOF]) != [_PROOF]:
            return _error(400, "Invalid appsecret_proof provided in the API argument", 100)
        path = re.fullmatch(r"/v\d+\.\d+/(\w+)(?:/(\w+))?", call.path)
        node, edge = path.groups() if path else ("", None)
        try:
            if call.method == "POST" and node.startswith("act_") and edge == "customaudiences":
                return Reply(200, {"id": self._create(_form(call))})
            if node not in self.members:
                raise _RefusedCallError("Object does not exist", 100, 33)
            if call.method == "GET" and edge is None:
                return Reply(200, self._describe(node))
            if call.method in ("POST", "DELETE") and edge == "users":
                return Reply(200, self._change(node, call.method, _form(call)))
        except _RefusedCallError as refused:
            return refused.reply
        return _error(400, "Unsupported request", 100)

    def writes(self, call: Call) -> bool:
        """Whether members are changed."""
        return call.path.endswith("/users")

    def fault(self, kind: Fault) -> Reply:
        """Too many calls with the minutes to wait, a transient error, a token that ended."""
        if kind == "throttled":
            usage = {"1": [{"type": "custom_audience", "estimated_time_to_regain_access": 2}]}
            return Reply(
                400,
                _error(400, "There have been too many calls", 80003).body,
                {"X-Business-Use-Case-Usage": json.dumps(usage)},
            )
        if kind == "denied":
            return _error(400, "Error validating access token", 190)
        return _error(500, "An unexpected error has occurred", 2)

    def audiences(self) -> Mapping[str, set[tuple[str, ...]]]:
        """E-mail and phone of each member."""
        return {name: members.rows for name, members in self.members.items()}

    def _create(self, form: Mapping[str, str]) -> str:
        if not form.get("name"):
            raise _RefusedCallError("The parameter name is required")
        made = str(238_000_000_000_000 + len(self.names) + 1)
        if form.get("subtype") == "LOOKALIKE":
            self._create_lookalike(made, form)
        elif form.get("subtype") == "CUSTOM":
            if form.get("customer_file_source") not in _SOURCES:
                raise _RefusedCallError("The parameter customer_file_source is required")
            self.members[made] = Members()
        else:
            raise _RefusedCallError("The parameter subtype is invalid")
        self.names[made] = form["name"]
        return made

    def _create_lookalike(self, made: str, form: Mapping[str, str]) -> None:
        seed = form.get("origin_audience_id", "")
        spec = json.loads(form.get("lookalike_spec", "{}"))
        if seed not in self.members or len(self.members[seed].rows) < 100:
            raise _RefusedCallError("The seed needs 100 people", 100, 1713007)
        if not (0.01 <= spec.get("ratio", 0) <= 0.2 and len(spec.get("country", "")) == 2):
            raise _RefusedCallError("The parameter lookalike_spec is invalid")
        self.lookalikes[made] = {"origin_audience_id": seed, **spec}

    def _describe(self, node: str) -> dict[str, Any]:
        code = 471 if node in self.blocked else 200
        return {
            "id": node,
            "operation_status": {"code": code},
            "approximate_count_lower_bound": len(self.members[node].rows),
            "lookalike_audience_ids": [
                made for made, spec in self.lookalikes.items() if spec["origin_audience_id"] == node
            ],
        }

    def _change(self, node: str, method: str, form: Mapping[str, str]) -> dict[str, Any]:
        if node in self.blocked:
            raise _RefusedCallError("Invalid parameter: Audience Upload Blocked", 100, 1713230)
        session = json.loads(form.get("session", "{}"))
        if not all(isinstance(session.get(name), int) for name in ("session_id", "batch_seq")):
            raise _RefusedCallError("The parameter session is required")
        payload = json.loads(form.get("payload", "{}"))
        schema, data = payload.get("schema", []), payload.get("data", [])
        if not schema or not _SCHEMA.issuperset(schema) or not 1 <= len(data) <= _MOST_ROWS:
            raise _RefusedCallError("Invalid parameter: payload")
        known_by = [schema.index(name) if name in schema else None for name in KEYS]
        hashed = [number for number, name in enumerate(schema) if name not in _UNHASHED]
        value = schema.index("LOOKALIKE_VALUE") if "LOOKALIKE_VALUE" in schema else None
        invalid = 0
        for row in data:
            if len(row) != len(schema):
                raise _RefusedCallError(f"Invalid parameter: a row of the payload: {row}")
            if value is not None and not (isinstance(row[value], int | float) and row[value] >= 0):
                raise _RefusedCallError("Invalid parameter: LOOKALIKE_VALUE")
            member = tuple("" if number is None else row[number] for number in known_by)
            if self._is_invalid(member, [row[number] for number in hashed]):
                invalid += 1
            elif method == "DELETE":
                self.members[node].remove(member)
            else:
                self.members[node].add(member)
                if value is not None:
                    self.values[member] = row[value]
        return {
            "audience_id": node,
            "session_id": str(session["session_id"]),
            "num_received": len(data),
            "num_invalid_entries": invalid,
            "invalid_entry_samples": {},
        }

    def _is_invalid(self, member: tuple[str, ...], hashed: list[Any]) -> bool:
        if not any(member) or not self.poison.isdisjoint(member):
            return True
        return not all(each == "" or _HASH.fullmatch(str(each)) for each in hashed)


def _error(status: int, message: str, code: int, subcode: int | None = None) -> Reply:
    told = {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "stand-in"}
    return Reply(status, {"error": told | ({"error_subcode": subcode} if subcode else {})})


def _form(call: Call) -> dict[str, str]:
    """The fields of a form, url-encoded or in parts."""
    kind = call.headers.get("Content-Type", "")
    if not kind.startswith("multipart/form-data"):
        return {name: values[-1] for name, values in parse_qs(call.body.decode()).items()}
    boundary = b"--" + kind.partition("boundary=")[2].encode()
    parts = [each.partition(b"\r\n\r\n") for each in call.body.split(boundary)[1:-1]]
    return {
        str(message_from_bytes(head.lstrip()).get_param("name", header="Content-Disposition")): (
            content.removesuffix(b"\r\n").decode()
        )
        for head, _, content in parts
    }
