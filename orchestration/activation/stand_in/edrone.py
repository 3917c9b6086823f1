"""Stands in for edrone's tracker. The last tags that were sent for a customer count."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from orchestration.activation.stand_in.server import Call, Fault, Reply

TOKEN = "stand-in-token"

_ACTIONS = {"other", "subscribe", "order", "order_cancel", "product_view"}


@dataclass
class Edrone:
    """The tracker with its customers by address. Forms of an address of `poison` are refused."""

    poison: set[str] = field(default_factory=set)
    customers: dict[str, dict[str, str]] = field(default_factory=dict)

    def handle(self, call: Call) -> Reply:
        """Take a form."""
        if (call.method, call.path) != ("POST", "/trace"):
            return Reply(404, "Not found")
        given = parse_qs(call.body.decode(), keep_blank_values=True)
        form = {name: values[0] for name, values in given.items()}
        if form.pop("app_id", "") != TOKEN:
            return Reply(403, "Unknown app_id")
        email = form.get("email", "")
        if form.get("sender_type") != "server" or form.get("action_type") not in _ACTIONS:
            return Reply(400, "Bad request")
        if "@" not in email or email in self.poison:
            return Reply(400, f"Bad e-mail {email}")
        self.customers.setdefault(email, {}).update(form)
        return Reply(200, "")

    def writes(self, call: Call) -> bool:
        """Every call does."""
        return call.method == "POST"

    def fault(self, kind: Fault) -> Reply:
        """Too many requests, an error of the server, an account that is closed."""
        return Reply({"throttled": 429, "denied": 403}.get(kind, 500), "error")

    def audiences(self) -> Mapping[str, set[tuple[str, ...]]]:
        """The address of each customer that has the tag."""
        held: dict[str, set[tuple[str, ...]]] = {}
        for email, customer in self.customers.items():
            for tag in filter(None, customer.get("customer_tags", "").split(",")):
                held.setdefault(tag, set()).add((email,))
        return held
