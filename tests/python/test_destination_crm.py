"""Mautic, Klaviyo, SALESmanago and edrone hold exactly whom they were sent, and tell nobody."""

import hashlib
import json
import logging
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
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
from orchestration.activation.stand_in.edrone import Edrone
from orchestration.activation.stand_in.klaviyo import Klaviyo
from orchestration.activation.stand_in.mautic import Contact, Mautic
from orchestration.activation.stand_in.salesmanago import Salesmanago
from orchestration.activation.stand_in.server import Call, Fault, Reply, stand_in
from orchestration.activation.wire import tag_of
from tests.python.destinations import (
    Canned,
    Service,
    confirmed,
    each_fault,
    each_status,
    insist,
    silent_url,
    steps,
)

NAMES = ("mautic", "klaviyo", "salesmanago", "edrone")
FORGETTING = ("mautic", "klaviyo", "salesmanago")
APIS: Mapping[str, type[Any]] = {
    "mautic": Mautic,
    "klaviyo": Klaviyo,
    "salesmanago": Salesmanago,
    "edrone": Edrone,
}
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "salesmanago": {"host": "app3.salesmanago.pl", "owner": "owner@example.com"},
}
SECRETS = {
    "USER": "stand-in-user",
    "PASSWORD": "stand-in-token",
    "API_KEY": "stand-in-token",
    "CLIENT_ID": "stand-in-client",
    "API_SECRET": "stand-in-secret",
    "APP_ID": "stand-in-token",
}


class Batched(Service):
    """One that is sent as many rows at once as it takes."""

    def deliver(self, action: Action, rows: Sequence[Row]) -> Answer:
        rejected: dict[int, str] = {}
        start = 0
        for batch in self.batches(rows):
            answer = self.send(self.prepared(action, batch))
            assert answer.unnamed == 0
            rejected |= {start + place: reason for place, reason in answer.rejected.items()}
            start += len(batch)
        return Answer(rejected)


def connected(
    name: str, url: str, secrets: Mapping[str, str] = SECRETS, timeout: float = 30, **options: Any
) -> Destination:
    module = destination_module(name)
    parsed = module.DECLARED.options.model_validate({**OPTIONS.get(name, {}), **options})
    return module.connect(parsed, Connection(url, secrets, timeout))


@contextmanager
def served(name: str, **options: Any) -> Iterator[Service]:
    api = APIS[name]()
    with stand_in({name: api}) as server:
        destination = connected(name, f"{server.url}/{name}", **options)
        yield Batched(name, api, server, destination, destination.open("Best customers", None))


@pytest.fixture(params=NAMES)
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    with served(request.param) as running:
        yield running


def email_of(number: int) -> str:
    return f"jan.nowak{number}@example.com"


def person(name: str, number: int, **attributes: Any) -> Row:
    """A member with everything that the destination takes, and attributes."""
    values = {
        "email": email_of(number),
        "phone": f"+48501{number:06}",
        "first_name": "Łukasz",
        "last_name": "Żółć",
        "birth_date": "1985-02-28",
        "street": "Długa 1",
        "postal_code": "00-950",
        "city": "Łódź",
        "country": "PL",
        "customer_id": f"customer {number}",
    }
    fields = destination_module(name).DECLARED.fields
    return Row(f"customer {number}", {**{key: values[fields[key]] for key in fields}, **attributes})


def people(name: str, count: int) -> list[Row]:
    return [person(name, number) for number in range(count)]


def removals(rows: list[Row]) -> list[Row]:
    """What the engine sends to remove members: their identifiers alone."""
    return [Row(row.customer_id, {"email": row.fields["email"]}) for row in rows]


def emails(rows: list[Row]) -> set[str]:
    return {row.fields["email"] for row in rows}


# --- Members ------------------------------------------------------------------------------------


def test_holds_whom_it_was_sent_until_they_are_removed(service: Service) -> None:
    rows = people(service.name, 7)
    assert service.deliver("add", rows) == Answer()
    assert service.holds() == emails(rows)
    assert service.deliver("add", rows[:3]) == Answer()
    assert service.holds() == emails(rows)
    assert service.deliver("remove", removals(rows[:3])) == Answer()
    assert service.deliver("remove", removals(rows[:3])) == Answer()
    assert service.holds() == emails(rows[3:])


def kept(api: Any) -> set[str]:
    """Everybody whom a service knows, in an audience or not."""
    known = {"mautic": "contacts", "klaviyo": "profiles", "salesmanago": "contacts"}
    people_there = getattr(api, known[type(api).__name__.lower()]).values()
    return {
        each.fields["email"] if isinstance(each, Contact) else each["email"]
        for each in people_there
    }


@pytest.mark.parametrize("name", FORGETTING)
def test_whoever_is_forgotten_is_not_known_any_more(name: str) -> None:
    with served(name) as running:
        rows = people(name, 5)
        running.deliver("add", rows)
        for _ in range(2):
            assert running.deliver("forget", removals(rows[:2])) == Answer()
            assert kept(running.api) == running.holds() == emails(rows[2:])


@pytest.mark.parametrize("name", FORGETTING)
def test_whoever_is_not_there_is_not_made_by_a_removal(name: str) -> None:
    with served(name) as running:
        for action in ("remove", "forget"):
            assert running.deliver(action, removals(people(name, 3))) == Answer()
        assert kept(running.api) == set()


@pytest.mark.parametrize("name", FORGETTING)
def test_a_removal_finds_whoever_is_there_in_other_letters(name: str) -> None:
    with served(name) as running:
        row = person(name, 1)
        running.deliver("add", [Row("1", {**row.fields, "email": "Jan.Nowak1@Example.COM"})])
        running.deliver("remove", removals([row]))
        assert running.holds() == set()


def test_forgetting_at_edrone_is_refused_by_a_code() -> None:
    with served("edrone") as running, pytest.raises(RefusedError) as refused:
        running.deliver("forget", removals(people("edrone", 1)))
    assert str(refused.value) == "forget_is_not_in_the_api"
    assert running.server.calls == []


def test_an_audience_that_is_known_is_not_made_again(service: Service) -> None:
    again = connected(service.name, f"{service.server.url}/{service.name}")
    calls = len(service.server.calls)
    assert again.open("Another name", service.audience) == service.audience
    assert len(service.server.calls) == calls


@pytest.mark.parametrize("name", NAMES)
def test_two_audiences_do_not_mix(name: str) -> None:
    with served(name) as running:
        second = connected(name, f"{running.server.url}/{name}")
        other = Service(name, running.api, running.server, second, second.open("Others", None))
        running.deliver("add", people(name, 2))
        other.deliver("add", [person(name, 9)])
        other.deliver("remove", removals([person(name, 9)]))
        assert running.holds() == {email_of(0), email_of(1)}
        assert other.holds() == set()


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_order_of_requests_and_faults_ends_with_the_last_word(
    name: str, data: st.DataObject
) -> None:
    known: list[Action] = ["add", "remove", "forget"] if name in FORGETTING else ["add", "remove"]

    def rows_of(action: Action, numbers: list[int]) -> list[Row]:
        rows = [person(name, number) for number in numbers]
        return rows if action == "add" else removals(rows)

    with served(name) as running:
        wanted = insist(running, data.draw(steps(*known)), rows_of)
        assert running.holds() == {email_of(number) for number in wanted}


@pytest.mark.parametrize("name", ["mautic", "klaviyo", "salesmanago"])
def test_a_batch_as_large_as_it_may_be_is_taken(name: str) -> None:
    count = destination_module(name).DECLARED.batch_rows
    with served(name) as running:
        rows = people(name, count)
        assert running.prepared("add", rows).size < destination_module(name).DECLARED.batch_bytes
        assert running.deliver("add", rows) == Answer()
        assert running.deliver("remove", removals(rows[1:])) == Answer()
        assert running.holds() == emails(rows[:1])


# --- Refusals and faults ------------------------------------------------------------------------


def test_rows_that_are_not_taken_are_told(service: Service) -> None:
    rows = people(service.name, 5)
    service.api.poison.add(email_of(2))
    if service.name in ("mautic", "klaviyo"):
        reasons = {"mautic": "HTTP 400", "klaviyo": "invalid"}
        assert service.deliver("add", rows) == Answer({2: reasons[service.name]})
        assert service.holds() == emails(rows[:2] + rows[3:])
    else:
        with pytest.raises(RefusedError) as refused:
            service.deliver("add", rows)
        assert email_of(2) not in str(refused.value)


def test_rows_that_mautic_keeps_are_told() -> None:
    with served("mautic") as running:
        rows = people("mautic", 4)
        running.deliver("add", rows)
        running.api.poison.add(email_of(3))
        assert running.deliver("remove", removals(rows[::-1])) == Answer({0: "HTTP 400"})
        assert running.holds() == {email_of(3)}


@each_fault
def test_faults(service: Service, fault: Fault, error: type[Exception], arrives: bool) -> None:
    rows = people(service.name, 1)
    service.server.faults.append(fault)
    with pytest.raises(error):
        service.deliver("add", rows)
    assert service.holds() == (emails(rows) if arrives else set())
    assert service.deliver("add", rows) == Answer()
    assert service.holds() == emails(rows)


@pytest.mark.parametrize("action", ["remove", "forget"])
@pytest.mark.parametrize("name", FORGETTING)
def test_a_fault_of_a_removal_is_told_and_nothing_repeats_by_itself(
    name: str, action: Action
) -> None:
    with served(name) as running:
        running.deliver("add", people(name, 2))
        before = list(running.server.calls)
        running.server.faults.append("throttled")
        with pytest.raises(ThrottledError) as throttled:
            running.deliver(action, removals(people(name, 2)))
        assert throttled.value.after == (7.0 if name == "klaviyo" else None)
        # One look-up and one change that was refused.
        assert len(running.server.calls) == len(before) + 2
        running.deliver(action, removals(people(name, 2)))
        assert running.holds() == set()


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


@contextmanager
def answering(name: str, reply: Reply) -> Iterator[tuple[Destination, Request]]:
    with stand_in({name: Canned(reply)}) as server:
        destination = connected(name, f"{server.url}/{name}")
        destination.open("Best customers", "7")
        yield destination, destination.prepare("add", people(name, 2)[:1], Batch("run", 1))


@pytest.mark.parametrize("name", FORGETTING)
@pytest.mark.parametrize("status", [200, 502])
@pytest.mark.parametrize("body", ["<html>a proxy</html>", "", [1], {}])
def test_an_answer_of_something_else_is_no_success(name: str, status: int, body: Any) -> None:
    with (
        answering(name, Reply(status, body)) as (destination, request),
        pytest.raises(UnavailableError),
    ):
        destination.send(request)


@pytest.mark.parametrize("name", NAMES)
@each_status
def test_statuses(name: str, status: int, error: type[Exception]) -> None:
    body = {"errors": [{"code": "jan@example.com is bad", "detail": "jan@example.com"}]}
    with (
        answering(name, Reply(status, body)) as (destination, request),
        pytest.raises(error) as raised,
    ):
        destination.send(request)
    assert "jan" not in str(raised.value)


def test_salesmanago_succeeds_only_where_the_body_says_so() -> None:
    body = {"success": False, "message": ["jan@example.com is invalid"]}
    with (
        answering("salesmanago", Reply(200, body)) as (destination, request),
        pytest.raises(RefusedError) as refused,
    ):
        destination.send(request)
    assert str(refused.value) == "success is false"


# --- Secrets and personal data ------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_bad_token_is_denied_and_shown_nowhere(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "a-secret-that-nobody-may-see"
    with served(name) as running:
        secrets = dict.fromkeys(SECRETS, secret)
        destination = connected(name, f"{running.server.url}/{name}", secrets)
        destination.open("Best customers", "7")
        request = destination.prepare("add", people(name, 1), Batch("run", 1))
        with pytest.raises(DeniedError) as denied:
            destination.send(request)
    shown = "".join(traceback.format_exception(denied.value))
    for text in (request.text(), repr(request), shown, repr(destination), caplog.text):
        assert secret not in text
    assert email_of(0) not in shown + caplog.text


@pytest.mark.parametrize("name", NAMES)
def test_errors_of_the_network_show_nobody(name: str) -> None:
    destination = connected(name, "http://127.0.0.1:9", timeout=1)
    destination.open("Best customers", "7")
    request = destination.prepare("remove", removals(people(name, 1)), Batch("run", 1))
    with pytest.raises(UnavailableError) as lost:
        destination.send(request)
    shown = "".join(traceback.format_exception(lost.value))
    assert "nowak" not in shown
    assert "stand-in-token" not in shown


# --- Payloads -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("action", ["add", "remove", "forget"])
def test_the_text_of_a_request_is_stable_and_needs_no_service(name: str, action: Action) -> None:
    rows = [person(name, 1, score=Decimal("1.50"), seen=date(2026, 6, 1))]
    rows = rows if action == "add" else removals(rows)

    def text() -> str:
        return connected(name, "http://127.0.0.1:9").prepare(action, rows, Batch("run", 1)).text()

    assert text() == text()
    assert json.loads(text())
    assert email_of(1) in text()
    assert "Łódź" in text() or action != "add"


def shown(name: str, row: Row, action: Action = "add", **options: Any) -> Any:
    destination = connected(name, "http://127.0.0.1:9", **options)
    destination.open("Best customers", "cdp_best")
    return json.loads(destination.prepare(action, [row], Batch("run", 1)).text())


def test_what_mautic_is_sent() -> None:
    row = person("mautic", 1, favourite_colour="green", shoe_size=None, hobbies=["a", "b"])
    assert shown("mautic", row) == {
        "contacts": [
            {
                "email": email_of(1),
                "phone": "+48501000001",
                "firstname": "Łukasz",
                "lastname": "Żółć",
                "address1": "Długa 1",
                "zipcode": "00-950",
                "city": "Łódź",
                "favourite_colour": "green",
                "shoe_size": None,
                "hobbies": ["a", "b"],
                "overwriteWithBlank": True,
                "tags": ["cdp_best"],
            }
        ],
        "stages": {},
    }


def test_what_klaviyo_is_sent_says_nothing_of_consent() -> None:
    row = person("klaviyo", 1, loyalty_tier="gold", shoe_size=None)
    assert shown("klaviyo", row) == {
        "data": {
            "type": "profile-bulk-import-job",
            "attributes": {
                "profiles": {
                    "data": [
                        {
                            "type": "profile",
                            "attributes": {
                                "email": email_of(1),
                                "phone_number": "+48501000001",
                                "first_name": "Łukasz",
                                "last_name": "Żółć",
                                "location": {
                                    "address1": "Długa 1",
                                    "zip": "00-950",
                                    "city": "Łódź",
                                    "country": "PL",
                                },
                                "properties": {"loyalty_tier": "gold", "shoe_size": None},
                            },
                        }
                    ]
                }
            },
            "relationships": {"lists": {"data": [{"type": "list", "id": "cdp_best"}]}},
        }
    }


def test_what_salesmanago_is_sent_opts_nobody_in() -> None:
    row = person("salesmanago", 1, hobbies=["a", "b"], is_vip=True, shoe_size=None)
    assert shown("salesmanago", row) == [
        {
            "contact": {
                "email": email_of(1),
                "phone": "+48501000001",
                "externalId": "customer 1",
                "name": "Łukasz Żółć",
                "address": {
                    "streetAddress": "Długa 1",
                    "zipCode": "00-950",
                    "city": "Łódź",
                    "country": "PL",
                },
            },
            "birthday": "19850228",
            "properties": {"hobbies": "a, b", "is_vip": "true", "shoe_size": ""},
            "tags": ["cdp_best"],
        }
    ]


def test_what_edrone_is_sent_leaves_the_subscription_alone() -> None:
    row = person("edrone", 1, is_vip=False, app_id="stolen")
    sent = shown("edrone", row)
    assert sent == {
        "email": email_of(1),
        "phone": "+48501000001",
        "first_name": "Łukasz",
        "last_name": "Żółć",
        "city": "Łódź",
        "country": "PL",
        "is_vip": "0",
        "app_id": "stolen",
        "sender_type": "server",
        "action_type": "other",
        "customer_tags": "cdp_best",
    }
    with served("edrone") as running:
        assert running.deliver("add", [row]) == Answer()
        assert "subscriber_status" not in running.api.customers[email_of(1)]


def test_edrone_subscribes_where_the_audience_is_the_newsletter() -> None:
    [gone] = removals(people("edrone", 1))
    assert shown("edrone", person("edrone", 0), subscribes=True)["subscriber_status"] == "1"
    left = shown("edrone", gone, "remove", subscribes=True)
    assert (left["subscriber_status"], left["customer_tags"]) == ("0", "")


def test_the_signature_of_salesmanago() -> None:
    seen: list[dict[str, Any]] = []

    class Recording(Salesmanago):
        def handle(self, call: Call) -> Reply:
            seen.append(json.loads(call.body))
            return super().handle(call)

    with stand_in({"salesmanago": Recording()}) as server:
        destination = connected("salesmanago", f"{server.url}/salesmanago")
        destination.open("Best customers", None)
        destination.send(destination.prepare("add", people("salesmanago", 1), Batch("run", 1)))
    [sent] = seen
    assert sent["sha"] == hashlib.sha1(b"stand-in-tokenstand-in-clientstand-in-secret").hexdigest()
    assert sent["owner"] == "owner@example.com"
    assert abs(sent["requestTime"] / 1000 - time.time()) < 60
    assert "API_SECRET" not in str(sent)
    assert "stand-in-secret" not in str(sent)


@pytest.mark.parametrize("name", FORGETTING)
def test_attributes_arrive_and_are_cleared(name: str) -> None:
    def value(api: Any) -> Any:
        if name == "mautic":
            return api.contacts[1].fields["tier"]
        [only] = (api.profiles if name == "klaviyo" else api.contacts).values()
        return only["properties"]["tier"]

    with served(name) as running:
        running.deliver("add", [person(name, 1, tier="gold")])
        assert value(running.api) == "gold"
        running.deliver("add", [person(name, 1)])
        assert value(running.api) == "gold"
        running.deliver("add", [person(name, 1, tier=None)])
        assert value(running.api) in (None, "")


def test_salesmanago_keeps_who_opted_in_as_they_are() -> None:
    with served("salesmanago") as running:
        running.deliver("add", [person("salesmanago", 1)])
        running.api.contacts[email_of(1)]["optedOut"] = False
        running.deliver("add", [person("salesmanago", 1)])
        assert running.api.contacts[email_of(1)]["optedOut"] is False


# --- Mautic's stages ----------------------------------------------------------------------------

STAGES = {"new": 1, "active": 2, "lapsed": 3}


def test_a_stage_is_set_in_both_directions_and_only_when_it_changed() -> None:
    with served("mautic", stages=STAGES) as running:
        for stage in ("active", "active", "lapsed", "new", None, None, "active"):
            running.deliver("add", [person("mautic", 1, stage=stage)])
        assert running.api.moves == [
            (1, 2, "add"),
            (1, 3, "add"),
            (1, 1, "add"),
            (1, 1, "remove"),
            (1, 2, "add"),
        ]
        running.deliver("add", [person("mautic", 1, stage="a stage that is not there")])
        running.deliver("add", [person("mautic", 1)])
        assert running.api.contacts[1].stage == 2
        assert "stage" not in running.api.contacts[1].fields


def test_stages_are_those_of_the_rows_that_were_taken() -> None:
    with served("mautic", stages=STAGES) as running:
        names = ["new", "active", "lapsed"]
        running.api.poison.add(email_of(0))
        rows = [person("mautic", number, stage=names[number]) for number in range(3)]
        assert running.deliver("add", rows) == Answer({0: "HTTP 400"})
        stages = {each.fields["email"]: each.stage for each in running.api.contacts.values()}
        assert stages == {email_of(1): 2, email_of(2): 3}


# --- Klaviyo's imports --------------------------------------------------------------------------


def test_an_import_is_asked_about_until_it_is_done() -> None:
    with served("klaviyo") as running:
        running.api.looks = 2
        answer = running.destination.send(running.prepared("add", people("klaviyo", 2)))
        assert answer.receipt is not None
        assert confirmed(running.destination, answer.receipt) is None
        assert confirmed(running.destination, answer.receipt) is None
        assert confirmed(running.destination, answer.receipt) == Answer()


def test_all_errors_of_an_import_are_told() -> None:
    with served("klaviyo") as running:
        rows = people("klaviyo", 250)
        running.api.poison.update(emails(rows[::2]))
        assert running.deliver("add", rows) == Answer(dict.fromkeys(range(0, 250, 2), "invalid"))
        assert running.holds() == emails(rows[1::2])


def job(status: str, **counts: int) -> Reply:
    return Reply(200, {"data": {"id": "J1", "attributes": {"status": status, **counts}}})


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (job("cancelled"), RefusedError),
        (Reply(404, {"errors": [{"code": "not_found"}]}), RefusedError),
        (Reply(401, {"errors": [{"code": "not_authenticated"}]}), DeniedError),
        (Reply(429, {}), ThrottledError),
        (Reply(500, {}), UnavailableError),
        (Reply(200, {}), UnavailableError),
    ],
)
def test_an_import_that_came_to_nothing(reply: Reply, error: type[Exception]) -> None:
    with answering("klaviyo", reply) as (destination, _), pytest.raises(error):
        confirmed(destination, "J1")


def test_more_profiles_than_klaviyo_forgets_in_a_minute_are_refused() -> None:
    with served("klaviyo") as running:
        with pytest.raises(RefusedError) as refused:
            running.deliver("forget", removals(people("klaviyo", 51)))
        assert str(refused.value) == "too_many_at_once"
        assert running.deliver("forget", removals(people("klaviyo", 50))) == Answer()


# --- What can be told beforehand ----------------------------------------------------------------


@pytest.mark.parametrize("name", ["mautic", "klaviyo", "salesmanago"])
def test_rows_without_an_address_are_told_without_sending(name: str) -> None:
    with served(name) as running:
        calls = list(running.server.calls)
        rows = people(name, 3)
        rows[1] = Row("x", {**rows[1].fields, "email": "no address"})
        answer = running.destination.validate(running.prepared("add", rows))
        assert answer == Answer({1: "invalid_identifier"})
        assert running.server.calls == calls


@pytest.mark.parametrize(
    ("audience", "tag"),
    [
        ("Best customers", "cdp_best_customers"),
        ("  Żółta łódź -- 2026!", "cdp_zolta_lodz_2026"),
        ("-minus,comma|pipe", "cdp_minus_comma_pipe"),
    ],
)
def test_tags(audience: str, tag: str) -> None:
    assert tag_of(audience) == tag


def test_an_audience_whose_name_leaves_no_tag_is_denied() -> None:
    with pytest.raises(DeniedError):
        tag_of("клиенты")


def test_mautic_needs_an_address() -> None:
    module = destination_module("mautic")
    with pytest.raises(DeniedError):
        module.connect(module.DECLARED.options(), Connection(None, SECRETS))
    with pytest.raises(ValidationError):
        module.DECLARED.options.model_validate({"url": "http://mautic.example.com"})
    options = module.DECLARED.options.model_validate({"url": "https://mautic.example.com/"})
    assert module.connect(options, Connection(None, SECRETS))


@pytest.mark.parametrize("name", NAMES)
def test_unknown_options_are_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        destination_module(name).DECLARED.options.model_validate({"hots": "x"})
