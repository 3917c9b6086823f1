"""Meta, Google and TikTok hold exactly whom they were sent, and errors tell nobody's data."""

import hashlib
import json
import logging
import socket
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import google.auth
import pytest
from google.auth.exceptions import DefaultCredentialsError, RefreshError
from hypothesis import HealthCheck, given, settings
from pydantic import ValidationError

from orchestration.activation.destination import (
    Action,
    Answer,
    Batch,
    Connection,
    DeniedError,
    Destination,
    RefusedError,
    Request,
    Row,
    ThrottledError,
    UnavailableError,
    destination_module,
)
from orchestration.activation.stand_in.google import Google
from orchestration.activation.stand_in.members import Members
from orchestration.activation.stand_in.meta import Meta
from orchestration.activation.stand_in.server import Api, Fault, Reply, stand_in
from orchestration.activation.stand_in.tiktok import TikTok
from tests.python.destinations import (
    Canned,
    Service,
    Step,
    confirmed,
    each_fault,
    insist,
    silent_url,
    steps,
)

NAMES = ("meta", "google", "tiktok")
APIS: Mapping[str, type[Meta] | type[Google] | type[TikTok]] = {
    "meta": Meta,
    "google": Google,
    "tiktok": TikTok,
}
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "meta": {"ad_account_id": "123"},
    "google": {"account_id": "123"},
    "tiktok": {"advertiser_id": "123"},
}
SECRETS = {"ACCESS_TOKEN": "stand-in-token", "APP_SECRET": "stand-in-secret"}


def hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def connected(
    name: str, url: str, secrets: Mapping[str, str] = SECRETS, timeout: float = 30, **options: Any
) -> Destination:
    module = destination_module(name)
    parsed = module.DECLARED.options.model_validate({**OPTIONS[name], **options})
    return module.connect(parsed, Connection(url, secrets, timeout))


@contextmanager
def served(name: str, **options: Any) -> Iterator[Service]:
    api = APIS[name]()
    with stand_in({name: api}) as server:
        destination = connected(name, f"{server.url}/{name}", **options)
        yield Service(name, api, server, destination, destination.open("Best customers", None))


@pytest.fixture(params=NAMES)
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    with served(request.param) as running:
        yield running


@contextmanager
def answering(name: str, reply: Reply) -> Iterator[tuple[Destination, Request]]:
    """A destination whose service answers each request alike, and a request for it."""
    api: Api = Canned(reply)
    with stand_in({name: api}) as server:
        destination = connected(name, f"{server.url}/{name}")
        destination.open("Best customers", "7")
        yield destination, destination.prepare("add", [person(name, 1)], Batch("run", 1))


def person(name: str, number: int, *, phone: str | None = None, email: bool = True) -> Row:
    """A member with everything that the destination takes."""
    declared = destination_module(name).DECLARED
    plain = {"postalCode": "00-950", "regionCode": "PL"}
    fields = {key: plain.get(key, hashed(f"{key} of {number}")) for key in declared.fields}
    if phone is not None:
        fields[declared.identifiers[1]] = phone
    if not email:
        del fields[declared.identifiers[0]]
    return Row(f"customer {number}", {key: value for key, value in fields.items() if value})


def people(name: str, count: int) -> list[Row]:
    return [person(name, number) for number in range(count)]


def removals(name: str, rows: list[Row]) -> list[Row]:
    """What the engine sends to remove members: their identifiers alone."""
    names = destination_module(name).DECLARED.identifiers
    return [
        Row(row.customer_id, {key: row.fields[key] for key in names if key in row.fields})
        for row in rows
    ]


def known_by(name: str, rows: list[Row]) -> set[tuple[str, ...]]:
    names = destination_module(name).DECLARED.identifiers
    return {tuple(row.fields.get(key, "") for key in names) for row in rows}


# --- Members ------------------------------------------------------------------------------------


def test_holds_whom_it_was_sent_until_they_are_removed_or_forgotten(service: Service) -> None:
    rows = people(service.name, 7)
    assert service.deliver("add", rows) == Answer()
    assert service.held() == known_by(service.name, rows)
    assert service.deliver("add", rows[:3]) == Answer()
    assert service.held() == known_by(service.name, rows)
    assert service.deliver("remove", removals(service.name, rows[:3])) == Answer()
    assert service.deliver("remove", removals(service.name, rows[:3])) == Answer()
    assert service.held() == known_by(service.name, rows[3:])
    assert service.deliver("forget", removals(service.name, rows[3:])) == Answer()
    assert service.held() == set()


def test_takes_members_with_one_identifier(service: Service) -> None:
    rows = [person(service.name, 1, email=False), person(service.name, 2, phone="")]
    assert service.deliver("add", rows) == Answer()
    assert service.held() == known_by(service.name, rows)
    service.deliver("remove", removals(service.name, rows[:1]))
    assert service.held() == known_by(service.name, rows[1:])


def test_an_audience_that_is_known_is_not_made_again(service: Service) -> None:
    again = connected(service.name, f"{service.server.url}/{service.name}")
    calls = len(service.server.calls)
    assert again.open("Best customers", service.audience) == service.audience
    assert len(service.server.calls) == calls


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=steps("add", "remove", "forget"))
def test_any_order_of_requests_and_faults_ends_with_the_last_word(
    name: str, drawn: list[Step]
) -> None:
    def rows_of(action: Action, numbers: list[int]) -> list[Row]:
        rows = [person(name, number) for number in numbers]
        return rows if action == "add" else removals(name, rows)

    with served(name) as running:
        wanted = insist(running, drawn, rows_of)
        assert running.held() == known_by(name, [person(name, number) for number in wanted])


def test_a_removal_takes_every_row_with_one_of_the_identifiers() -> None:
    members = Members()
    for row in (("a", "1"), ("b", "1"), ("c", ""), ("a", "2"), ("1", "a")):
        members.add(row)
    members.remove(("a", ""))
    assert members.rows == {("b", "1"), ("c", ""), ("1", "a")}
    members.add(("a", "1"))
    members.remove(("", "1"))
    members.remove(("", ""))
    assert members.rows == {("c", ""), ("1", "a")}


# --- Refusals and faults ------------------------------------------------------------------------


def test_rows_that_are_not_taken_are_told(service: Service) -> None:
    rows = people(service.name, 5)
    bad = rows[2].fields[destination_module(service.name).DECLARED.identifiers[0]]
    service.api.poison.add(bad)
    if service.name == "tiktok":
        with pytest.raises(RefusedError) as refused:
            service.deliver("add", rows)
        assert str(refused.value) == "code 40002"
        assert service.held() == set()
    else:
        assert service.deliver("add", rows) == Answer(unnamed=1)
        assert service.held() == known_by(service.name, rows[:2] + rows[3:])


@each_fault
def test_faults(service: Service, fault: Fault, error: type[Exception], arrives: bool) -> None:
    rows = people(service.name, 3)
    service.server.faults.append(fault)
    with pytest.raises(error):
        service.deliver("add", rows)
    assert service.held() == (known_by(service.name, rows) if arrives else set())
    assert service.deliver("add", rows) == Answer()
    assert service.held() == known_by(service.name, rows)


def test_a_request_that_arrives_twice_counts_once(service: Service) -> None:
    rows = people(service.name, 3)
    service.server.faults.append("twice")
    assert service.deliver("add", rows) == Answer()
    assert service.held() == known_by(service.name, rows)


@pytest.mark.parametrize(("name", "after"), [("meta", 120.0), ("google", 30.0), ("tiktok", None)])
def test_says_how_long_to_wait(name: str, after: float | None) -> None:
    with served(name) as running:
        running.server.faults.append("throttled")
        with pytest.raises(ThrottledError) as throttled:
            running.deliver("add", people(name, 1))
    assert throttled.value.after == after


@pytest.mark.parametrize("name", NAMES)
def test_a_service_that_does_not_answer_is_unavailable(name: str) -> None:
    with silent_url() as url:
        destination = connected(name, url, timeout=0.1)
        destination.open("Best customers", "7")
        request = destination.prepare("add", people(name, 1), Batch("run", 1))
        with pytest.raises(UnavailableError):
            destination.send(request)
    with pytest.raises(UnavailableError):
        destination.send(request)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("status", [200, 502])
@pytest.mark.parametrize("body", ["<html>a proxy</html>", "", [1], {}, {"success": True}])
def test_an_answer_of_something_else_is_no_success(name: str, status: int, body: Any) -> None:
    with (
        answering(name, Reply(status, body)) as (destination, request),
        pytest.raises(UnavailableError),
    ):
        destination.send(request)


def graph_error(code: int, **more: Any) -> dict[str, Any]:
    return {"error": {"message": "jan@example.com", "code": code, **more}}


def google_error(status: str, *reasons: str) -> dict[str, Any]:
    violations = [{"field": "x", "reason": each, "description": "jan@x.pl"} for each in reasons]
    details = [{"fieldViolations": violations}] if reasons else []
    return {"error": {"message": "jan@example.com", "status": status, "details": details}}


@pytest.mark.parametrize(
    ("name", "status", "body", "error", "told"),
    [
        ("meta", 400, graph_error(4), ThrottledError, "throttled"),
        ("meta", 400, graph_error(17), ThrottledError, "throttled"),
        ("meta", 403, graph_error(613), ThrottledError, "throttled"),
        ("meta", 429, "slow down", ThrottledError, "throttled"),
        ("meta", 400, graph_error(1), UnavailableError, "HTTP 400, code 1"),
        ("meta", 400, graph_error(99, is_transient=True), UnavailableError, "HTTP 400, code 99"),
        ("meta", 200, graph_error(190), DeniedError, "HTTP 200, code 190"),
        ("meta", 403, graph_error(200), DeniedError, "HTTP 403, code 200"),
        (
            "meta",
            400,
            graph_error(100, error_subcode=33),
            DeniedError,
            "HTTP 400, code 100, subcode 33",
        ),
        ("meta", 400, graph_error(100), RefusedError, "HTTP 400, code 100"),
        ("google", 401, google_error("UNAUTHENTICATED"), DeniedError, "HTTP 401, UNAUTHENTICATED"),
        ("google", 404, google_error("NOT_FOUND"), DeniedError, "HTTP 404, NOT_FOUND"),
        (
            "google",
            400,
            google_error("INVALID_ARGUMENT", "NOT_ALLOWLISTED"),
            DeniedError,
            "HTTP 400, NOT_ALLOWLISTED",
        ),
        (
            "google",
            400,
            google_error("INVALID_ARGUMENT", "INVALID_SHA256_FORMAT"),
            RefusedError,
            "HTTP 400, INVALID_SHA256_FORMAT",
        ),
        ("google", 400, google_error("jan@example.com"), RefusedError, "HTTP 400, no reason"),
        ("google", 429, "slow down", ThrottledError, "throttled"),
        ("tiktok", 200, {"code": 40133, "message": "jan@x.pl"}, ThrottledError, "throttled"),
        ("tiktok", 200, {"code": 40104, "message": "jan@x.pl"}, DeniedError, "code 40104"),
        ("tiktok", 200, {"code": 40007, "message": "jan@x.pl"}, DeniedError, "code 40007"),
        ("tiktok", 200, {"code": 51305, "message": "jan@x.pl"}, UnavailableError, "code 51305"),
        ("tiktok", 200, {"code": 60001, "message": "jan@x.pl"}, UnavailableError, "code 60001"),
        ("tiktok", 200, {"code": 20001, "message": "jan@x.pl"}, RefusedError, "code 20001"),
        ("tiktok", 200, {"code": "jan@x.pl"}, UnavailableError, "HTTP 200"),
        ("tiktok", 404, "404 page not found", RefusedError, "HTTP 404"),
        ("tiktok", 403, "forbidden", DeniedError, "HTTP 403"),
    ],
)
def test_errors_are_told_by_their_codes(
    name: str, status: int, body: Any, error: type[Exception], told: str
) -> None:
    with (
        answering(name, Reply(status, body)) as (destination, request),
        pytest.raises(error) as raised,
    ):
        destination.send(request)
    assert str(raised.value) == told


@pytest.mark.parametrize("name", NAMES)
def test_more_rows_than_the_service_takes_are_refused_whole(name: str) -> None:
    limit = destination_module(name).DECLARED.batch_rows
    with served(name) as running:
        with pytest.raises(RefusedError):
            running.deliver("add", people(name, limit + 1))
        assert running.held() == set()
        assert running.deliver("add", people(name, limit)) == Answer()
        assert len(running.held()) == limit
        assert running.deliver("remove", removals(name, people(name, limit))) == Answer()
        assert running.held() == set()


# --- Secrets ------------------------------------------------------------------------------------


def test_a_wrong_token_is_denied_and_told_nowhere(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    url = f"{service.server.url}/{service.name}"
    wrong = {"ACCESS_TOKEN": "secret-of-ours", "APP_SECRET": "another-secret"}
    destination = connected(service.name, url, wrong)
    with pytest.raises(DeniedError):
        destination.open("Best customers", None)
    destination.open("Best customers", service.audience)
    request = destination.prepare("add", people(service.name, 1), Batch("run", 1))
    with pytest.raises(DeniedError) as denied:
        destination.send(request)
    shown = [*traceback.format_exception(denied.value), caplog.text, request.text()]
    shown += [repr(denied.value), repr(destination), repr(request)]
    assert not [text for text in shown for secret in wrong.values() if secret in text]


@pytest.mark.parametrize("name", NAMES)
def test_errors_of_the_network_do_not_show_the_token(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    destination = connected(name, url)
    with pytest.raises(UnavailableError) as unreachable:
        destination.open("Best customers", None)
    shown = "".join(traceback.format_exception(unreachable.value)) + caplog.text
    assert not [secret for secret in SECRETS.values() if secret in shown]


def test_a_wrong_app_secret_is_refused_by_meta() -> None:
    with stand_in({"meta": Meta()}) as server:
        secrets = {**SECRETS, "APP_SECRET": "another"}
        with pytest.raises(DeniedError):
            connected("meta", f"{server.url}/meta", secrets).open("Best customers", None)


# --- Payloads -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_payloads_are_stable_and_can_be_written_without_a_service(name: str) -> None:
    rows = people(name, 3)
    texts = {
        connected(name, "http://127.0.0.1:9").prepare("add", rows, Batch("run", 4)).text()
        for _ in range(2)
    }
    [text] = texts
    assert json.loads(text)
    assert not [secret for secret in SECRETS.values() if secret in text]


@pytest.mark.parametrize("name", NAMES)
def test_the_size_is_that_of_the_payload(name: str) -> None:
    destination = connected(name, "http://127.0.0.1:9")
    few, many = (
        destination.prepare("add", people(name, count), Batch("run", 1)) for count in (1, 100)
    )
    for request in (few, many):
        assert 0.9 * len(request.text()) <= request.size <= len(request.text())
    assert many.size > 20 * few.size


def test_the_payload_of_meta() -> None:
    email, phone, day = hashed("jan"), hashed("48501502503"), hashed("02")
    destination = connected("meta", "http://127.0.0.1:9")
    added = json.loads(
        destination.prepare(
            "add",
            [Row("1", {"EMAIL": email, "DOBD": day}), Row("2", {"PHONE": phone})],
            Batch("run", 4),
        ).text()
    )
    schema = ["EMAIL", "PHONE", "FN", "LN", "CT", "ZIP", "COUNTRY", "GEN", "DOBY", "DOBM", "DOBD"]
    data = [[email, *[""] * 9, day], ["", phone, *[""] * 9]]
    assert added["payload"] == {"schema": schema, "data": data}
    assert added["customer_consent"] is True
    assert added["session"]["batch_seq"] == 4
    assert added["session"]["last_batch_flag"] is False
    removed = json.loads(
        destination.prepare("remove", [Row("1", {"EMAIL": email})], Batch("other", 5)).text()
    )
    assert removed["payload"] == {"schema": ["EMAIL", "PHONE"], "data": [[email, ""]]}
    assert "customer_consent" not in removed
    sessions = {each["session"]["session_id"] for each in (added, removed)}
    assert len(sessions) == 2
    assert all(0 < each < 2**63 for each in sessions)


def test_values_of_members_go_to_meta_as_numbers_that_are_not_negative() -> None:
    with served("meta") as running:
        rows = [
            Row("1", {"EMAIL": hashed("1"), "LOOKALIKE_VALUE": 44.5}),
            Row("2", {"EMAIL": hashed("2"), "LOOKALIKE_VALUE": -3.0}),
            Row("3", {"EMAIL": hashed("3"), "LOOKALIKE_VALUE": None}),
            Row("4", {"EMAIL": hashed("4"), "LOOKALIKE_VALUE": float("nan")}),
        ]
        assert running.deliver("add", rows) == Answer()
        assert running.api.values == {
            (hashed("1"), ""): 44.5,
            (hashed("2"), ""): 0,
            (hashed("3"), ""): 0,
            (hashed("4"), ""): 0,
        }


def test_the_payload_of_google() -> None:
    email, name = hashed("jan"), hashed("łukasz")
    address = {
        "givenName": name,
        "familyName": name,
        "postalCode": "00-950",
        "regionCode": "PL",
    }
    incomplete = {**address, "phoneNumber": email}
    del incomplete["postalCode"]
    rows = [Row("1", {"emailAddress": email, **address}), Row("2", incomplete)]
    destination = connected(
        "google", "http://127.0.0.1:9", login_account_id="456", user_list_id="789"
    )
    consent = {"adUserData": "CONSENT_GRANTED", "adPersonalization": "CONSENT_GRANTED"}
    target = {
        "operatingAccount": {"accountType": "GOOGLE_ADS", "accountId": "123"},
        "loginAccount": {"accountType": "GOOGLE_ADS", "accountId": "456"},
        "productDestinationId": "789",
    }
    assert json.loads(destination.prepare("add", rows, Batch("run", 1)).text()) == {
        "destinations": [target],
        "encoding": "HEX",
        "audienceMembers": [
            {
                "userData": {"userIdentifiers": [{"emailAddress": email}, {"address": address}]},
                "consent": consent,
            },
            {"userData": {"userIdentifiers": [{"phoneNumber": email}]}, "consent": consent},
        ],
        "termsOfService": {"customerMatchTermsOfServiceStatus": "ACCEPTED"},
    }
    removed = destination.prepare("remove", removals("google", rows[:1]), Batch("run", 2))
    assert json.loads(removed.text()) == {
        "destinations": [target],
        "encoding": "HEX",
        "audienceMembers": [{"userData": {"userIdentifiers": [{"emailAddress": email}]}}],
    }


def test_the_payload_of_tiktok() -> None:
    email, phone = hashed("jan"), hashed("+48501502503")
    destination = connected("tiktok", "http://127.0.0.1:9")
    destination.open("Best customers", "7")
    rows = [
        Row("1", {"EMAIL_SHA256": email, "PHONE_SHA256": phone}),
        Row("2", {"PHONE_SHA256": phone}),
    ]
    added = json.loads(destination.prepare("add", rows, Batch("run", 1)).text())
    assert added == {
        "advertiser_ids": ["123"],
        "action": "add",
        "id_schema": ["EMAIL_SHA256", "PHONE_SHA256"],
        "batch_data": [
            [{"id": email, "audience_ids": ["7"]}, {"id": phone, "audience_ids": ["7"]}],
            [{}, {"id": phone, "audience_ids": ["7"]}],
        ],
    }
    forgotten = json.loads(destination.prepare("forget", rows, Batch("run", 1)).text())
    assert forgotten == {**added, "action": "delete"}


# --- What one service alone can do --------------------------------------------------------------


def test_validation_changes_nothing(service: Service) -> None:
    answer = service.destination.validate(service.prepared("add", people(service.name, 2)))
    assert answer == Answer()
    assert service.held() == set()


@pytest.mark.parametrize("name", ["meta", "tiktok"])
def test_validation_finds_what_is_not_hashed(name: str) -> None:
    rows = people(name, 3)
    identifier = destination_module(name).DECLARED.identifiers[0]
    rows[1] = Row("plain", {identifier: "jan@example.com"})
    destination = connected(name, "http://127.0.0.1:9")
    answer = destination.validate(destination.prepare("add", rows, Batch("run", 1)))
    assert answer == Answer({1: "invalid_identifier"})


def test_validation_by_google_finds_what_is_not_hashed() -> None:
    with served("google") as running:
        request = running.prepared("add", [Row("plain", {"emailAddress": "jan@example.com"})])
        with pytest.raises(RefusedError, match="INVALID_SHA256_FORMAT"):
            running.destination.validate(request)


def test_a_lookalike_is_made_once_its_seed_is_large_enough() -> None:
    with served("meta", lookalike={"country": "PL", "ratio": 0.05}) as running:
        running.deliver("add", people("meta", 99))
        running.destination.open("Best customers", running.audience)
        assert running.api.lookalikes == {}
        running.deliver("add", people("meta", 100))
        for _ in range(2):
            running.destination.open("Best customers", running.audience)
        [made] = running.api.lookalikes.values()
        assert made == {"origin_audience_id": running.audience, "country": "PL", "ratio": 0.05}


def test_a_blocked_audience_of_meta_is_denied() -> None:
    with served("meta", lookalike={"country": "PL", "ratio": 0.01}) as running:
        running.api.blocked.add(running.audience)
        with pytest.raises(DeniedError, match="1713230"):
            running.deliver("add", people("meta", 1))
        with pytest.raises(DeniedError, match="471"):
            running.destination.open("Best customers", running.audience)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("meta", {"lookalike": {"country": "PL", "ratio": 0.3}}),
        ("meta", {"lookalike": {"country": "Poland", "ratio": 0.1}}),
        ("meta", {"ad_account_id": "act_123"}),
        ("google", {"account_id": "123-456-7890"}),
        ("google", {"token": "secret"}),
        ("tiktok", {"advertiser_id": ""}),
    ],
)
def test_options_that_would_fail_later_are_refused(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        destination_module(name).DECLARED.options.model_validate({**OPTIONS[name], **options})


def test_google_is_asked_until_it_is_done() -> None:
    with served("google") as running:
        running.api.polls = 1
        receipt = running.destination.send(running.prepared("add", people("google", 2))).receipt
        assert receipt is not None
        assert confirmed(running.destination, receipt) is None
        assert confirmed(running.destination, receipt) == Answer()


def test_a_request_of_which_google_took_nothing_is_refused() -> None:
    with served("google") as running:
        rows = people("google", 2)
        running.api.poison.update(row.fields["phoneNumber"] for row in rows)
        with pytest.raises(RefusedError, match="PROCESSING_ERROR_REASON_INVALID_FORMAT"):
            running.deliver("add", rows)
        with pytest.raises(RefusedError, match="INVALID_REQUEST_ID"):
            confirmed(running.destination, "request-of-somebody")


def test_a_list_that_exists_is_used() -> None:
    with served("google") as running:
        url = f"{running.server.url}/google"
        other = connected("google", url, user_list_id=running.audience)
        assert other.open("Another name", None) == running.audience
        assert list(running.api.names.values()) == ["Best customers"]
        with pytest.raises(DeniedError, match="DISPLAY_NAME_ALREADY_USED"):
            connected("google", url).open("Best customers", None)
        gone = connected("google", url, user_list_id="1")
        request = gone.prepare("add", people("google", 1), Batch("run", 1))
        with pytest.raises(DeniedError, match="INVALID_USER_LIST_ID"):
            gone.send(request)


class DefaultCredentials:
    """Credentials of a machine: a token that has to be fetched first."""

    valid = False
    token = "none yet"

    def __init__(self, outcome: Exception | None) -> None:
        self.outcome = outcome

    def refresh(self, request: object) -> None:  # noqa: ARG002
        if self.outcome:
            raise self.outcome
        self.valid, self.token = True, SECRETS["ACCESS_TOKEN"]


def test_google_takes_the_credentials_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = SimpleNamespace(credentials=DefaultCredentials(None))
    monkeypatch.setattr(google.auth, "default", lambda scopes: (machine.credentials, scopes))
    secrets = {"ACCESS_TOKEN": "not used"}
    with stand_in({"google": Google()}) as server:
        url = f"{server.url}/google"
        destination = connected("google", url, secrets, credentials="application_default")
        assert destination.open("Best customers", None)
        machine.credentials = DefaultCredentials(RefreshError("a secret"))  # type: ignore[no-untyped-call]
        destination = connected("google", url, secrets, credentials="application_default")
        with pytest.raises(DeniedError, match="no token"):
            destination.open("Best customers", None)


def test_a_machine_without_credentials_is_denied(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(scopes: list[str]) -> None:
        raise DefaultCredentialsError(str(scopes))  # type: ignore[no-untyped-call]

    monkeypatch.setattr(google.auth, "default", none)
    destination = connected("google", "http://127.0.0.1:9", credentials="application_default")
    with pytest.raises(DeniedError, match="application default"):
        destination.open("Best customers", None)
