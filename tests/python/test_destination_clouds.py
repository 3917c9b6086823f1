"""Salesforce and Selligent hold exactly whom they were sent, and tell nobody."""

import json
import logging
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
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
from orchestration.activation.stand_in.salesforce import Salesforce
from orchestration.activation.stand_in.selligent import Selligent
from orchestration.activation.stand_in.server import Call, Fault, Reply, stand_in
from tests.python.destinations import (
    Canned,
    Service,
    Step,
    confirmed,
    each_fault,
    each_status,
    insist,
    silent_url,
    steps,
)

NAMES = ("salesforce", "selligent")
APIS: Mapping[str, type[Any]] = {"salesforce": Salesforce, "selligent": Selligent}
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "salesforce": {"subdomain": "mc0123456789", "data_extension": "best"},
    "selligent": {
        "host": "brand.slgnt.eu",
        "organization": "brand",
        "list": "customers",
        "segment": "best",
    },
}
OTHERS: Mapping[str, Mapping[str, Any]] = {
    "salesforce": {"data_extension": "others"},
    "selligent": {"segment": "others"},
}
SECRETS: Mapping[str, Mapping[str, str]] = {
    "salesforce": {"CLIENT_ID": "stand-in-client", "CLIENT_SECRET": "stand-in-token"},
    "selligent": {"API_KEY": "stand-in-token", "API_SECRET": "stand-in-secret"},
}


def connected(
    name: str, url: str, secrets: Mapping[str, str] | None = None, timeout: float = 30, **other: Any
) -> Destination:
    module = destination_module(name)
    options = module.DECLARED.options.model_validate({**OPTIONS[name], **other})
    return module.connect(options, Connection(url, secrets or SECRETS[name], timeout))


@contextmanager
def served(name: str) -> Iterator[Service]:
    api = APIS[name]()
    with stand_in({name: api}) as server:
        destination = connected(name, f"{server.url}/{name}")
        yield Service(name, api, server, destination, destination.open("Best customers", None))


@pytest.fixture(params=NAMES)
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    with served(request.param) as running:
        yield running


def person(name: str, number: int, **attributes: Any) -> Row:
    """A member with everything that the destination takes, and attributes."""
    values = {
        "customer_id": f"customer <{number}> & co",
        "email": f"jan.nowak{number}@example.com",
        "phone": f"+48501{number:06}",
        "first_name": "Łukasz",
        "last_name": "Żółć",
        "gender": "m",
        "birth_date": "1985-02-28",
        "street": "Długa 1",
        "postal_code": "00-950",
        "city": "Łódź",
        "country": "PL",
    }
    fields = destination_module(name).DECLARED.fields
    known = {key: values[fields[key]] for key in fields}
    return Row(values["customer_id"], {**known, **attributes})


def people(name: str, count: int) -> list[Row]:
    return [person(name, number) for number in range(count)]


def removals(name: str, rows: list[Row]) -> list[Row]:
    """What the engine sends to remove members: their identifiers alone."""
    identifiers = destination_module(name).DECLARED.identifiers
    return [Row(row.customer_id, {key: row.fields[key] for key in identifiers}) for row in rows]


def ids(rows: list[Row]) -> set[str]:
    return {row.customer_id for row in rows}


# --- Members ------------------------------------------------------------------------------------


def test_holds_whom_it_was_sent_until_they_are_removed(service: Service) -> None:
    rows = people(service.name, 7)
    assert service.deliver("add", rows) == Answer()
    assert service.deliver("add", rows[:3]) == Answer()
    assert service.holds() == ids(rows)
    for _ in range(2):
        assert service.deliver("remove", removals(service.name, rows[:3])) == Answer()
        assert service.holds() == ids(rows[3:])


def test_whoever_is_forgotten_is_not_known_any_more(service: Service) -> None:
    rows = people(service.name, 5)
    service.deliver("add", rows)
    for _ in range(2):
        assert service.deliver("forget", removals(service.name, rows[:2])) == Answer()
    known = service.api.records if service.name == "selligent" else service.api.extensions["best"]
    assert set(known) == service.holds() == ids(rows[2:])


def test_a_removal_at_selligent_leaves_the_record() -> None:
    with served("selligent") as running:
        rows = people("selligent", 2)
        running.deliver("add", rows)
        running.deliver("remove", removals("selligent", rows))
        assert running.holds() == set()
        assert set(running.api.records) == ids(rows)


def test_two_audiences_do_not_mix(service: Service) -> None:
    name = service.name
    second = connected(name, f"{service.server.url}/{name}", **OTHERS[name])
    other = Service(name, service.api, service.server, second, second.open("Others", None))
    service.deliver("add", people(name, 2))
    other.deliver("add", [person(name, 9)])
    other.deliver("remove", removals(name, [person(name, 9)]))
    assert service.holds() == ids(people(name, 2))
    assert other.holds() == set()


def test_a_sync_does_not_leave_its_members_behind(service: Service) -> None:
    again = connected(service.name, "http://127.0.0.1:9", **OTHERS[service.name])
    with pytest.raises(DeniedError, match="give it another name"):
        again.open("Best customers", service.audience)
    same = connected(service.name, "http://127.0.0.1:9")
    assert same.open("Another name", service.audience) == service.audience


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
        assert running.holds() == ids([person(name, number) for number in wanted])


def test_a_batch_as_large_as_it_may_be_is_taken(service: Service) -> None:
    declared = destination_module(service.name).DECLARED
    rows = people(service.name, declared.batch_rows)
    assert service.prepared("add", rows).size < declared.batch_bytes
    assert service.destination.validate(service.prepared("add", rows)) == Answer()
    assert service.deliver("add", rows) == Answer()
    assert service.deliver("remove", removals(service.name, rows[1:])) == Answer()
    assert service.holds() == ids(rows[:1])


# --- Refusals and faults ------------------------------------------------------------------------


@each_fault
@pytest.mark.parametrize("action", ["add", "remove", "forget"])
def test_faults(
    service: Service, action: Action, fault: Fault, error: type[Exception], arrives: bool
) -> None:
    rows = people(service.name, 1)
    sent = rows if action == "add" else removals(service.name, rows)
    if action != "add":
        service.deliver("add", rows)
    before = service.holds()
    service.server.faults.append(fault)
    with pytest.raises(error):
        service.deliver(action, sent)
    # Selligent's list is loaded before its segment.
    if not arrives or service.name == "salesforce":
        assert service.holds() == (before ^ ids(rows) if arrives else before)
    assert service.deliver(action, sent) == Answer()
    assert service.holds() == (ids(rows) if action == "add" else set())


def test_selligent_refuses_a_request_by_its_status_alone() -> None:
    with served("selligent") as running:
        running.api.poison.add(person("selligent", 2).customer_id)
        with pytest.raises(RefusedError) as refused:
            running.deliver("add", people("selligent", 4))
        assert str(refused.value) == "HTTP 422"


@contextmanager
def answering(name: str, reply: Reply, action: Action) -> Iterator[tuple[Destination, Request]]:
    """A service that lets anybody in, and then answers everything in the same way."""

    class Api(Canned):
        def handle(self, call: Call) -> Reply:
            if call.path == "/v2/token":
                return Reply(200, {"access_token": "x", "expires_in": 1079})
            return self.reply

    with stand_in({name: Api(reply)}) as server:
        destination = connected(name, f"{server.url}/{name}")
        destination.open("Best customers", None)
        rows = people(name, 2) if action == "add" else removals(name, people(name, 2))
        yield destination, destination.prepare(action, rows, Batch("run", 1))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("action", ["add", "remove"])
@each_status
def test_statuses(name: str, action: Action, status: int, error: type[Exception]) -> None:
    body = {"message": "jan@example.com is bad", "errorcode": "jan@example.com"}
    with (
        answering(name, Reply(status, body), action) as (destination, request),
        pytest.raises(error) as raised,
    ):
        destination.send(request)
    assert "jan" not in str(raised.value)


@pytest.mark.parametrize("action", ["add", "remove"])
@pytest.mark.parametrize("body", ["<html>a proxy</html>", "<html/>", "", [1], {}])
def test_an_answer_of_something_else_is_no_success(action: Action, body: Any) -> None:
    with (
        answering("salesforce", Reply(200, body), action) as (destination, request),
        pytest.raises(UnavailableError),
    ):
        destination.send(request)


@pytest.mark.parametrize("name", NAMES)
def test_a_service_that_does_not_answer_is_unavailable_and_shows_nobody(name: str) -> None:
    with silent_url() as url:
        destination = connected(name, url, timeout=0.1)
        rows = removals(name, people(name, 1))
        request = destination.prepare("remove", rows, Batch("run", 1))
        with pytest.raises(UnavailableError) as lost:
            destination.send(request)
    with pytest.raises(UnavailableError):
        destination.send(request)
    shown = "".join(traceback.format_exception(lost.value))
    assert "nowak" not in shown
    assert "stand-in-token" not in shown


@pytest.mark.parametrize("name", NAMES)
def test_a_bad_secret_is_denied_and_shown_nowhere(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "a-secret-that-nobody-may-see"
    with served(name) as running:
        secrets = dict.fromkeys(SECRETS[name], secret)
        destination = connected(name, f"{running.server.url}/{name}", secrets)
        request = destination.prepare("add", people(name, 1), Batch("run", 1))
        with pytest.raises(DeniedError) as denied:
            destination.send(request)
    shown = "".join(traceback.format_exception(denied.value))
    for text in (request.text(), repr(request), shown, repr(destination), caplog.text):
        assert secret not in text
    assert "nowak" not in shown + caplog.text


# --- Payloads -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("action", ["add", "remove", "forget"])
def test_the_text_of_a_request_is_stable_and_needs_no_service(name: str, action: Action) -> None:
    rows = [person(name, 1)] if action == "add" else removals(name, [person(name, 1)])

    def text() -> str:
        return connected(name, "http://127.0.0.1:9").prepare(action, rows, Batch("run", 1)).text()

    assert text() == text()
    assert json.loads(text())
    assert rows[0].customer_id in text()


def test_what_salesforce_is_sent() -> None:
    destination = connected("salesforce", "http://127.0.0.1:9")
    row = person("salesforce", 1, tier=None, hobbies=["a", "b"])
    request = destination.prepare("add", [row], Batch("run", 1))
    assert json.loads(request.body) == json.loads(request.text())
    assert json.loads(request.text()) == {
        "items": [{**person("salesforce", 1).fields, "tier": None, "hobbies": "a, b"}]
    }


def test_what_selligent_is_sent_has_every_field_of_the_request() -> None:
    destination = connected("selligent", "http://127.0.0.1:9")
    sparse = Row("c2", {"CUSTOMER_ID": "c2", "CITY": "Łódź", "TIER": ["a", "b"]})
    sent = json.loads(
        destination.prepare("add", [person("selligent", 1), sparse], Batch("run", 1)).text()
    )
    columns = [*destination_module("selligent").DECLARED.fields, "TIER"]
    assert sent["fields"] == columns
    assert sent["records"][0] == [*person("selligent", 1).fields.values(), None]
    second = dict(zip(columns, sent["records"][1], strict=True))
    assert {name: value for name, value in second.items() if value is not None} == {
        "CUSTOMER_ID": "c2",
        "CITY": "Łódź",
        "TIER": "a, b",
    }


def test_attributes_arrive_and_are_cleared(service: Service) -> None:
    column = "TIER" if service.name == "selligent" else "tier"

    def value() -> Any:
        held = (
            service.api.records if service.name == "selligent" else service.api.extensions["best"]
        )
        [only] = held.values()
        return only[column]

    service.deliver("add", [person(service.name, 1, **{column: "gold"})])
    assert value() == "gold"
    service.deliver("add", [person(service.name, 1, **{column: None})])
    assert value() is None


@pytest.mark.parametrize(
    ("name", "mistake"),
    [
        ("salesforce", {"subdomain": "https://mc.example.com"}),
        ("salesforce", {"data_extension": "a/b"}),
        ("salesforce", {"mid": "1"}),
        ("selligent", {"list": "a/b"}),
        ("selligent", {"host": "https://brand.slgnt.eu"}),
        ("selligent", {"segmnt": "x"}),
    ],
)
def test_mistakes_in_options_are_told(name: str, mistake: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        destination_module(name).DECLARED.options.model_validate({**OPTIONS[name], **mistake})


# --- Salesforce's upserts and deletes -----------------------------------------------------------


def test_an_upsert_is_asked_about_until_it_is_complete() -> None:
    with served("salesforce") as running:
        running.api.looks = 2
        answer = running.destination.send(running.prepared("add", people("salesforce", 2)))
        assert answer.receipt is not None
        assert confirmed(running.destination, answer.receipt) is None
        assert confirmed(running.destination, answer.receipt) is None
        assert confirmed(running.destination, answer.receipt) == Answer()
        assert running.api.tokens == 1


@pytest.mark.parametrize("bad", [1, 3, 70])
def test_rows_that_are_not_upserted_are_counted(bad: int) -> None:
    with served("salesforce") as running:
        rows = people("salesforce", 80)
        running.api.poison.update(ids(rows[:bad]))
        assert running.deliver("add", rows) == Answer(unnamed=bad)
        assert running.holds() == ids(rows[bad:])


def test_an_upsert_of_which_nothing_was_taken_is_refused() -> None:
    with served("salesforce") as running:
        with pytest.raises(RefusedError) as refused:
            running.deliver("add", [person("salesforce", 1, no_such_column="jan")])
        assert str(refused.value) == "UnexpectedError"


def status(**told: Any) -> Reply:
    return Reply(200, {"status": told})


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (status(requestStatus="Error"), RefusedError),
        (Reply(404, {"errorcode": 10000}), DeniedError),
        (Reply(401, {}), DeniedError),
        (Reply(429, {}), ThrottledError),
        (Reply(500, {}), UnavailableError),
        (Reply(200, {}), UnavailableError),
    ],
)
def test_an_upsert_that_came_to_nothing(reply: Reply, error: type[Exception]) -> None:
    with answering("salesforce", reply, "add") as (destination, _), pytest.raises(error):
        confirmed(destination, "request/0")


def test_an_error_without_results_is_of_somebody_nobody_names() -> None:
    reply = status(requestStatus="Complete", hasErrors=True)
    with answering("salesforce", reply, "add") as (destination, _):
        assert confirmed(destination, "request/2") == Answer(unnamed=1)


def test_rows_that_stay_are_told_by_their_places() -> None:
    with served("salesforce") as running:
        rows = people("salesforce", 130)
        running.deliver("add", rows)
        running.api.poison.update(ids([rows[3], rows[120]]))
        # Some are gone already, which is no error.
        for row in (rows[5], rows[121]):
            del running.api.extensions["best"][row.customer_id]
        answer = running.deliver("remove", removals("salesforce", rows))
        assert answer == Answer({3: "2", 120: "2"})
        assert running.holds() == ids([rows[3], rows[120]])


def test_a_token_is_used_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with served("salesforce") as running:
        for _ in range(3):
            running.deliver("add", people("salesforce", 1))
        assert running.api.tokens == 1
        now += 1079
        running.deliver("remove", removals("salesforce", people("salesforce", 1)))
        assert running.api.tokens == 2


@pytest.mark.parametrize(
    ("text", "error"),
    [("Login Failed", DeniedError), ("Token Expired", DeniedError), ("Busy", UnavailableError)],
)
def test_soap_tells_of_a_token_by_a_fault(text: str, error: type[Exception]) -> None:
    reply = Reply(500, f"<faultstring>{text}</faultstring>")
    with (
        answering("salesforce", reply, "remove") as (destination, request),
        pytest.raises(error),
    ):
        destination.send(request)
