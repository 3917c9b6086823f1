"""Stands in for the receiver of a webhook, as the module of the destination asks one to be."""

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestration.activation.stand_in.server import Call, Fault, Reply

SECRET = "stand-in-token"

_OLDEST_SECONDS = 300


@dataclass
class Webhook:
    """The receiver with its audiences: members by customer_id. Those of `poison` are rejected."""

    poison: set[str] = field(default_factory=set)
    members: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    answered: dict[str, tuple[str, Reply]] = field(default_factory=dict)

    def handle(self, call: Call) -> Reply:
        """Check who sent it and whether it is known, then carry it out."""
        headers = {name.lower(): value for name, value in call.headers.items()}
        sent_at = headers.get("x-timestamp", "")
        signed = sent_at.encode() + b"." + call.body
        expected = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
        if call.method != "POST" or call.path != "/members":
            return Reply(404)
        if not hmac.compare_digest(headers.get("x-signature", ""), expected):
            return Reply(401)
        if abs(time.time() - int(sent_at)) > _OLDEST_SECONDS:
            return Reply(401)
        key, digest = headers.get("idempotency-key", ""), hashlib.sha256(call.body).hexdigest()
        if not key or headers.get("content-type") != "application/json":
            return Reply(400)
        known, reply = self.answered.get(key, (digest, None))
        if known != digest:
            return Reply(422)
        if reply is None:
            reply = self._carry_out(json.loads(call.body))
            self.answered[key] = digest, reply
        return reply

    def writes(self, call: Call) -> bool:  # noqa: ARG002
        """Every call does."""
        return True

    def fault(self, kind: Fault) -> Reply:
        """Too many requests, no such secret, an error of the server."""
        if kind == "throttled":
            return Reply(429, headers={"Retry-After": "7"})
        return Reply(403 if kind == "denied" else 500)

    def audiences(self) -> Mapping[str, set[tuple[str, ...]]]:
        """Id, e-mail and phone of each member."""
        return {
            audience: {
                (each["customer_id"], each.get("email", ""), each.get("phone", ""))
                for each in members.values()
            }
            for audience, members in self.members.items()
        }

    def _carry_out(self, asked: Mapping[str, Any]) -> Reply:
        if asked["action"] not in ("add", "remove", "forget"):
            return Reply(422)
        members = self.members.setdefault(asked["audience"], {})
        rejected = []
        for place, each in enumerate(asked["members"]):
            if self.poison & {each["customer_id"], each.get("email")}:
                rejected.append({"place": place, "reason": "not_wanted"})
            elif asked["action"] == "add":
                members[each["customer_id"]] = each
            else:
                members.pop(each["customer_id"], None)
        return Reply(200, {"rejected": rejected}) if rejected else Reply(204)
