"""Stands in for Google's Data Manager API: user lists, their members, the status of requests."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestration.activation.stand_in.members import Members
from orchestration.activation.stand_in.server import Call, Fault, Reply

TOKEN = "stand-in-token"
KEYS = ("emailAddress", "phoneNumber")

_MOST_MEMBERS = 10_000
_MOST_IDENTIFIERS = 10
_HASH = re.compile("[0-9a-f]{64}")
_REGION = re.compile("[A-Z]{2}")
_ADDRESS = {"givenName", "familyName", "regionCode", "postalCode"}
_COMMON = {"destinations", "audienceMembers", "encoding", "validateOnly", "encryptionInfo"}
_FIELDS = {"ingest": _COMMON | {"consent", "termsOfService"}, "remove": _COMMON}
_GRANTED = {"adUserData": "CONSENT_GRANTED", "adPersonalization": "CONSENT_GRANTED"}
_LONGEST_MEMBERSHIP = 540 * 86_400


class _RefusedCallError(Exception):
    def __init__(self, reason: str, place: str) -> None:
        super().__init__(reason)
        violation = {"field": place, "reason": reason, "description": f"{place} is not valid"}
        self.reply = _error(
            400,
            "INVALID_ARGUMENT",
            [
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "INVALID_ARGUMENT",
                    "domain": "datamanager.googleapis.com",
                },
                {
                    "@type": "type.googleapis.com/google.rpc.BadRequest",
                    "fieldViolations": [violation],
                },
            ],
        )


@dataclass
class Google:
    """The API with its lists. A request is told to be in work `polls` times before its result;
    whoever is in `poison`, or gave no consent, is counted as failed in it.
    """

    poison: set[str] = field(default_factory=set)
    polls: int = 0
    members: dict[str, Members] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)

    def handle(self, call: Call) -> Reply:
        """Carry out a call of the REST API."""
        headers = {name.lower(): value for name, value in call.headers.items()}
        if headers.get("authorization") != f"Bearer {TOKEN}":
            return _error(401, "UNAUTHENTICATED", [])
        action = re.fullmatch("/v1/audienceMembers:(ingest|remove)", call.path)
        account = re.fullmatch(r"/v1/accountTypes/GOOGLE_ADS/accounts/\d+/userLists", call.path)
        try:
            if action and call.method == "POST":
                return self._change(action[1], json.loads(call.body))
            if account and call.method == "POST":
                return self._create(call.path.removeprefix("/v1/"), json.loads(call.body))
            if call.path == "/v1/requestStatus:retrieve" and call.method == "GET":
                return self._status(call.query.get("requestId", [""])[0])
        except _RefusedCallError as refused:
            return refused.reply
        return _error(404, "NOT_FOUND", [])

    def writes(self, call: Call) -> bool:
        """Whether members are changed."""
        return call.path.startswith("/v1/audienceMembers:")

    def fault(self, kind: Fault) -> Reply:
        """A quota that is used up with the time to wait, an error, a user without permission."""
        if kind == "throttled":
            retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "30s"}
            return _error(429, "RESOURCE_EXHAUSTED", [retry])
        if kind == "denied":
            return _error(403, "PERMISSION_DENIED", [])
        return _error(503, "UNAVAILABLE", [])

    def audiences(self) -> Mapping[str, set[tuple[str, ...]]]:
        """E-mail and phone of each member."""
        return {name: members.rows for name, members in self.members.items()}

    def _create(self, path: str, asked: Mapping[str, Any]) -> Reply:
        duration = re.fullmatch(r"(\d+)s", asked.get("membershipDuration", ""))
        info = asked.get("ingestedUserListInfo", {})
        if not asked.get("displayName"):
            raise _RefusedCallError("REQUIRED_FIELD_MISSING", "user_list.display_name")
        if asked["displayName"] in self.names.values():
            raise _RefusedCallError("DISPLAY_NAME_ALREADY_USED", "user_list.display_name")
        if not duration or int(duration[1]) % 86_400:
            raise _RefusedCallError("INVALID_FORMAT", "user_list.membership_duration")
        if int(duration[1]) > _LONGEST_MEMBERSHIP:
            raise _RefusedCallError("MEMBERSHIP_DURATION_TOO_LONG", "user_list.membership_duration")
        if info.get("uploadKeyTypes") != ["CONTACT_ID"]:
            raise _RefusedCallError("UNSUPPORTED_USER_LIST_UPLOAD_KEY_TYPES", "user_list")
        made = str(9_000_000_000 + len(self.names) + 1)
        self.names[made] = asked["displayName"]
        self.members[made] = Members()
        return Reply(200, {"name": f"{path}/{made}", "id": made, **asked})

    def _change(self, action: str, asked: Mapping[str, Any]) -> Reply:
        unknown = sorted(set(asked) - _FIELDS[action])
        if unknown:
            raise _RefusedCallError("INVALID_ARGUMENT", unknown[0])
        members = self._list(asked.get("destinations", []))
        if asked.get("encoding") != "HEX":
            raise _RefusedCallError("REQUIRED_FIELD_MISSING", "encoding")
        terms = asked.get("termsOfService", {}).get("customerMatchTermsOfServiceStatus")
        if action == "ingest" and terms != "ACCEPTED":
            raise _RefusedCallError("TERMS_AND_CONDITIONS_NOT_SIGNED", "terms_of_service")
        people = asked.get("audienceMembers", [])
        if not 1 <= len(people) <= _MOST_MEMBERS:
            raise _RefusedCallError("TOO_MANY_AUDIENCE_MEMBERS", "audience_members")
        rows = [_row(number, each) for number, each in enumerate(people)]
        request_id = f"request-{len(self.statuses) + 1}"
        if asked.get("validateOnly"):
            return Reply(200, {"requestId": request_id})
        failed = 0
        for row, each in zip(rows, people, strict=True):
            consent = each.get("consent", asked.get("consent"))
            if not self.poison.isdisjoint(row) or (action == "ingest" and consent != _GRANTED):
                failed += 1
            elif action == "ingest":
                members.add(row)
            else:
                members.remove(row)
        self.statuses[request_id] = _result(len(rows), failed)
        return Reply(200, {"requestId": request_id})

    def _list(self, destinations: list[Any]) -> Members:
        if len(destinations) != 1:
            raise _RefusedCallError("TOO_MANY_DESTINATIONS", "destinations")
        account = destinations[0].get("operatingAccount", {})
        if account.get("accountType") != "GOOGLE_ADS" or not account.get("accountId"):
            raise _RefusedCallError("INVALID_DESTINATION", "destinations[0].operating_account")
        members = self.members.get(destinations[0].get("productDestinationId", ""))
        if members is None:
            raise _RefusedCallError(
                "INVALID_USER_LIST_ID", "destinations[0].product_destination_id"
            )
        return members

    def _status(self, request_id: str) -> Reply:
        if request_id not in self.statuses:
            raise _RefusedCallError("INVALID_REQUEST_ID", "request_id")
        self.asked[request_id] = self.asked.get(request_id, 0) + 1
        in_work = self.asked[request_id] <= self.polls
        status = {"requestStatus": "PROCESSING"} if in_work else self.statuses[request_id]
        return Reply(200, {"requestStatusPerDestination": [status]})


def _row(number: int, member: Mapping[str, Any]) -> tuple[str, ...]:
    place = f"audience_members[{number}].user_data"
    identifiers = member.get("userData", {}).get("userIdentifiers", [])
    if not identifiers:
        raise _RefusedCallError("NO_IDENTIFIERS_PROVIDED", place)
    if len(identifiers) > _MOST_IDENTIFIERS:
        raise _RefusedCallError("TOO_MANY_USER_IDENTIFIERS", place)
    found = dict.fromkeys(KEYS, "")
    for each in identifiers:
        [(kind, value)] = each.items()
        if kind == "address":
            _check_address(value, place)
        elif kind not in found:
            raise _RefusedCallError("INVALID_ARGUMENT", place)
        elif not _HASH.fullmatch(value):
            raise _RefusedCallError("INVALID_SHA256_FORMAT", place)
        else:
            found[kind] = value
    return tuple(found.values())


def _check_address(address: Mapping[str, str], place: str) -> None:
    if set(address) != _ADDRESS or not all(address.values()):
        raise _RefusedCallError("REQUIRED_FIELD_MISSING", place)
    if not _REGION.fullmatch(address["regionCode"]):
        raise _RefusedCallError("INVALID_COUNTRY_CODE", place)
    if not (_HASH.fullmatch(address["givenName"]) and _HASH.fullmatch(address["familyName"])):
        raise _RefusedCallError("INVALID_SHA256_FORMAT", place)


def _result(rows: int, failed: int) -> dict[str, Any]:
    """Counts are texts, as in all JSON of Google's 64-bit numbers."""
    if not failed:
        return {"requestStatus": "SUCCESS"}
    reason = "PROCESSING_ERROR_REASON_INVALID_FORMAT"
    return {
        "requestStatus": "FAILED" if failed == rows else "PARTIAL_SUCCESS",
        "errorInfo": {"errorCounts": [{"recordCount": str(failed), "reason": reason}]},
    }


def _error(status: int, name: str, details: list[dict[str, Any]]) -> Reply:
    return Reply(
        status,
        {"error": {"code": status, "message": "It failed", "status": name, "details": details}},
    )
