"""A file holds exactly whom it was sent, whole at any moment; so does who takes a webhook."""

import csv
import hashlib
import hmac
import io
import json
import logging
import socket
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import paramiko
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
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
    Row,
    UnavailableError,
    destination_module,
)
from orchestration.activation.member_file import COLUMNS, Layout, MemberFile
from orchestration.activation.stand_in.server import Fault, Reply, stand_in
from orchestration.activation.stand_in.sftp import (
    PASSWORD,
    USER,
    SftpFault,
    SftpStandIn,
    sftp_stand_in,
)
from orchestration.activation.stand_in.webhook import SECRET, Webhook
from tests.python.destinations import (
    Canned,
    Service,
    Step,
    each_fault,
    insist,
    steps,
)

FILE, HIDDEN = "cdp_best_customers.csv", ".cdp_best_customers.members"


def person(number: int, **attributes: Any) -> Row:
    """A member with everything that the warehouse knows, and attributes."""
    fields = {
        "customer_id": f"customer {number}",
        "email": f"jan.nowak{number}@example.com",
        "phone": f"+48501{number:06}",
        "first_name": "Łukasz",
        "last_name": 'Żółć "Żuk", syn',
        "gender": "m",
        "birth_date": "1985-02-28",
        "street": "Długa 1\nm. 2",
        "postal_code": "00-950",
        "city": "Łódź",
        "country": "PL",
    }
    return Row(f"customer {number}", {**fields, **attributes})


def people(count: int) -> list[Row]:
    return [person(number) for number in range(count)]


def removals(rows: list[Row]) -> list[Row]:
    """What the engine sends to remove members: their identifiers alone."""
    names = ("customer_id", "email", "phone")
    return [Row(row.customer_id, {name: row.fields[name] for name in names}) for row in rows]


def ids(rows: list[Row]) -> set[str]:
    return {row.customer_id for row in rows}


def deliver(destination: Destination, action: Action, rows: list[Row]) -> Answer:
    return destination.send(destination.prepare(action, rows, Batch("run", 1)))


# --- Where files stand --------------------------------------------------------------------------


class Place(Protocol):
    @property
    def folder(self) -> Path: ...

    def connect(self, **options: Any) -> Destination: ...


@dataclass
class LocalPlace:
    folder: Path

    def connect(self, **options: Any) -> Destination:
        module = destination_module("files")
        parsed = module.DECLARED.options.model_validate({"folder": str(self.folder), **options})
        return module.connect(parsed, Connection(None, {}))


@dataclass
class RemotePlace:
    server: SftpStandIn
    name: str = "sftp"

    @property
    def folder(self) -> Path:
        return self.server.folder / "cdp"

    def options(self) -> dict[str, Any]:
        key = self.server.known_as
        return {"host": "sftp.example.com", "user": USER, "host_key": key, "folder": "/cdp"}

    def connect(
        self, secrets: Mapping[str, str] | None = None, timeout: float = 30, **options: Any
    ) -> Destination:
        module = destination_module(self.name)
        parsed = module.DECLARED.options.model_validate({**self.options(), **options})
        known = {"PASSWORD": PASSWORD, "PRIVATE_KEY": "", "PASSPHRASE": ""}
        if self.name == "adobe":
            known = {"PRIVATE_KEY": pem(self.server.user_key)}
        return module.connect(parsed, Connection(self.server.url, secrets or known, timeout))


def pem(key: paramiko.PKey, passphrase: str | None = None) -> str:
    text = io.StringIO()
    key.write_private_key(text, passphrase)
    return text.getvalue()


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[RemotePlace]:
    (tmp_path / "cdp").mkdir()
    with sftp_stand_in(tmp_path) as server:
        yield RemotePlace(server)


@pytest.fixture(params=["files", "sftp", "adobe"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "files":
        yield LocalPlace(tmp_path)
        return
    (tmp_path / "cdp").mkdir()
    with sftp_stand_in(tmp_path) as server:
        yield RemotePlace(server, request.param)


def shown(folder: Path, name: str = FILE) -> list[dict[str, str]]:
    with (folder / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def held(folder: Path) -> set[str]:
    return {row["customer_id"] for row in shown(folder)}


def test_holds_whom_it_was_sent_until_they_are_removed(place: Place) -> None:
    destination, rows = place.connect(), people(7)
    assert destination.open("Best customers", None) == "cdp_best_customers"
    assert deliver(destination, "add", rows) == Answer()
    assert deliver(destination, "add", rows[:3]) == Answer()
    assert held(place.folder) == ids(rows)
    for action in ("remove", "forget"):
        assert deliver(destination, action, removals(rows[:3])) == Answer()
        assert held(place.folder) == ids(rows[3:])
    assert {file.name for file in place.folder.iterdir()} == {FILE, HIDDEN}


def test_an_audience_that_is_known_goes_on(place: Place) -> None:
    first = place.connect()
    audience = first.open("Best customers", None)
    deliver(first, "add", people(3))
    again = place.connect()
    assert again.open("Another name", audience) == audience
    deliver(again, "remove", removals(people(1)))
    assert held(place.folder) == {"customer 1", "customer 2"}


def test_whoever_takes_or_changes_the_file_changes_no_member(place: Place) -> None:
    destination = place.connect()
    destination.open("Best customers", None)
    deliver(destination, "add", people(3))
    (place.folder / FILE).unlink()
    deliver(destination, "add", [person(3)])
    assert held(place.folder) == ids(people(4))
    (place.folder / FILE).write_text("customer_id\nsomebody\n")
    deliver(destination, "remove", removals(people(1)))
    assert held(place.folder) == ids(people(4)[1:])


def test_a_new_audience_never_begins_with_members_of_another(place: Place) -> None:
    first = place.connect()
    first.open("Best customers", None)
    # A run that ended after this left nobody there.
    place.connect().open("Best customers", None)
    deliver(first, "add", people(2))
    with pytest.raises(DeniedError, match="give the audience another name"):
        place.connect().open("Best customers!", None)
    assert held(place.folder) == ids(people(2))


def test_two_audiences_do_not_mix(place: Place) -> None:
    first, second = place.connect(), place.connect()
    first.open("Best customers", None)
    second.open("Others", None)
    deliver(first, "add", people(2))
    deliver(second, "add", [person(9)])
    deliver(second, "remove", removals([person(9)]))
    assert held(place.folder) == ids(people(2))
    assert shown(place.folder, "cdp_others.csv") == []


def test_lost_members_are_not_made_up(place: Place) -> None:
    destination = place.connect()
    destination.open("Best customers", None)
    deliver(destination, "add", people(2))
    (place.folder / HIDDEN).unlink()
    with pytest.raises(DeniedError, match="is gone, and with it who is a member"):
        deliver(destination, "add", [person(5)])
    assert held(place.folder) == ids(people(2))


@pytest.mark.parametrize("content", [b"", b"customer_id\nsomebody\n"])
def test_members_that_somebody_changed_are_not_guessed(tmp_path: Path, content: bytes) -> None:
    destination = LocalPlace(local(tmp_path, people(2))).connect()
    destination.open("Best customers", "cdp_best_customers")
    (tmp_path / HIDDEN).write_bytes(content)
    with pytest.raises(DeniedError, match="was changed"):
        deliver(destination, "add", [person(5)])
    assert held(tmp_path) == ids(people(2))


def test_a_folder_that_is_not_there_is_not_made(place: Place) -> None:
    destination = place.connect(folder="/cdp/nowhere" if place.folder.name == "cdp" else "/nowhere")
    with pytest.raises(DeniedError, match="there is no folder"):
        destination.open("Best customers", None)


def test_a_dry_run_writes_nothing(place: Place) -> None:
    request = place.connect().prepare("add", people(2), Batch("run", 1))
    assert place.connect().validate(request) == Answer()
    assert list(place.folder.iterdir()) == []
    with pytest.raises(DeniedError):
        place.connect().send(request)


@pytest.mark.parametrize("name", ["files", "sftp", "adobe"])
def test_what_is_withheld_of_one_who_refused_are_address_and_number(name: str) -> None:
    declared = destination_module(name).DECLARED
    assert set(declared.identifiers) == {"customer_id", "email", "phone"}
    assert set(declared.identifiers) <= set(declared.fields)


# --- Any order of requests and crashes ----------------------------------------------------------


@dataclass
class Memory:
    """A folder that fails before or after it replaces a file, and shows each file it ever had."""

    files: dict[str, bytes] = field(default_factory=dict)
    faults: list[str | None] = field(default_factory=list)

    def read(self, name: str) -> bytes | None:
        return self.files.get(name)

    def replace(self, name: str, content: bytes) -> None:
        fault = self.faults.pop(0) if self.faults else None
        if fault == "before":
            raise UnavailableError
        self.files[name] = content
        if fault == "after":
            raise UnavailableError

    def rows(self) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.files[FILE].decode(), newline="")))


rewrites = st.lists(
    st.tuples(
        st.sampled_from(["add", "remove", "forget"]),
        st.sets(st.integers(0, 6), min_size=1),
        st.integers(0, 2),
        st.lists(st.sampled_from([None, "before", "after"]), max_size=3),
    ),
    max_size=10,
)


@settings(max_examples=150, deadline=None)
@given(steps=rewrites, guarded=st.booleans())
def test_any_order_of_requests_and_crashes_ends_with_the_last_word(
    steps: list[tuple[Action, set[int], int, list[str | None]]], guarded: bool
) -> None:
    folder, wanted = Memory(), dict[str, str]()
    destination = MemberFile(folder, Layout(guarded=guarded))
    destination.open("Best customers", None)
    before = set[str]()
    for action, numbers, score, faults in steps:
        rows = [person(number, score=score) for number in sorted(numbers)]
        if action == "add":
            wanted |= {row.customer_id: str(score) for row in rows}
        else:
            wanted = {name: kept for name, kept in wanted.items() if name not in ids(rows)}
        folder.faults[:] = faults
        while True:
            try:
                deliver(destination, action, rows if action == "add" else removals(rows))
                break
            except UnavailableError:
                # What a reader finds now is the audience of before or of after, and nothing else.
                if FILE in folder.files:
                    found = {row["customer_id"] for row in folder.rows()}
                    assert found in (before, set(wanted))
        found_now = folder.rows()
        assert {row["customer_id"]: row["score"] for row in found_now} == wanted
        assert [row["customer_id"] for row in found_now] == sorted(wanted)
        before = set(wanted)


@pytest.mark.parametrize("fault", ["lost", "accepted_then_lost", "error"])
@pytest.mark.parametrize("which", [0, 1])
def test_a_replacement_that_fails_is_told_and_done_by_the_next(
    remote: RemotePlace, fault: SftpFault, which: int
) -> None:
    destination = remote.connect()
    destination.open("Best customers", None)
    deliver(destination, "add", people(2))
    remote.server.faults[:] = [*[None] * which, fault]
    with pytest.raises(UnavailableError):
        deliver(destination, "add", people(4))
    assert held(remote.folder) in (ids(people(2)), ids(people(4)))
    deliver(destination, "add", people(4))
    assert held(remote.folder) == ids(people(4))


# --- What stands in a file ----------------------------------------------------------------------


def local(tmp_path: Path, rows: list[Row], **options: Any) -> Path:
    destination = LocalPlace(tmp_path).connect(**options)
    destination.open("Best customers", None)
    deliver(destination, "add", rows)
    return tmp_path


def test_a_csv_is_what_rfc_4180_says(tmp_path: Path) -> None:
    row = Row("c1", {"customer_id": "c1", "first_name": 'Żu"k, syn', "street": "Długa 1\nm. 2"})
    content = (local(tmp_path, [row]) / FILE).read_bytes()
    assert content.decode() == (
        ",".join(f'"{name}"' for name in COLUMNS)
        + '\r\n"c1",,,"Żu""k, syn",,,,"Długa 1\nm. 2",,,\r\n'
    )


def test_attributes_are_columns_at_the_end_and_text_in_every_format(tmp_path: Path) -> None:
    attributes = {
        "spent": Decimal("1234.50"),
        "seen_on": date(2026, 6, 1),
        "seen_at": datetime(2026, 6, 1, 12, 30, tzinfo=UTC),
        "is_vip": True,
        "hobbies": ["a", 'b"'],
        "orders": 3,
        "shoe_size": None,
    }
    expected = {
        "spent": "1234.50",
        "seen_on": "2026-06-01",
        "seen_at": "2026-06-01T12:30:00+00:00",
        "is_vip": "true",
        "hobbies": '["a","b\\""]',
        "orders": "3",
    }
    local(tmp_path, [person(1, **attributes)])
    [row] = shown(tmp_path)
    assert list(row) == [*COLUMNS, *attributes]
    assert {**expected, "shoe_size": ""}.items() <= row.items()
    (tmp_path / "parquet").mkdir()
    folder = local(tmp_path / "parquet", [person(1, **attributes)], format="parquet")
    table = pq.read_table(folder / "cdp_best_customers.parquet")
    assert {str(kind) for kind in table.schema.types} == {"string"}
    assert table.column_names == [*COLUMNS, *attributes]
    assert {**person(1).fields, **expected, "shoe_size": None} == table.to_pylist()[0]


def test_a_row_takes_the_place_of_the_one_before_it_whole(tmp_path: Path) -> None:
    destination = LocalPlace(tmp_path).connect()
    destination.open("Best customers", None)
    deliver(destination, "add", [person(1, tier="gold"), person(2, tier="silver")])
    deliver(destination, "add", [Row("customer 1", {"customer_id": "customer 1", "city": "Łódź"})])
    first, second = shown(tmp_path)
    assert {name for name, value in first.items() if value} == {"customer_id", "city"}
    assert second["tier"] == "silver"
    deliver(destination, "add", [person(3, colour="green")])
    assert [(row["tier"], row["colour"]) for row in shown(tmp_path)] == [
        ("", ""),
        ("silver", ""),
        ("", "green"),
    ]


FORMULAS = ['=HYPERLINK("http://x")', "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1"]
HARMLESS = ["+48501000001", "-12.50", "+7", "Łukasz", "a=b", "", "O'Neil"]


@pytest.mark.parametrize("name", FORMULAS)
def test_a_name_is_never_a_formula_in_a_spreadsheet(tmp_path: Path, name: str) -> None:
    fields = {"customer_id": "c", "first_name": name, "email": f"{name}@example.com"}
    [row] = shown(local(tmp_path, [Row("c", {**fields, "note": name}), person(1)]))[:1]
    assert row["first_name"] == row["note"] == f"'{name}"
    assert row["email"] == f"'{name}@example.com"


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_no_formula_stays(tmp_path: Path, name: str) -> None:
    [row] = shown(local(tmp_path, [Row("c", {"customer_id": "c", "phone": name})]))
    assert row["phone"] == name


@pytest.mark.parametrize("name", FORMULAS)
def test_a_program_gets_every_text_as_it_is(tmp_path: Path, name: str) -> None:
    [row] = shown(local(tmp_path, [person(1, note=name)], guard_formulas=False))
    assert row["note"] == name


def test_who_stands_twice_in_a_request_is_the_last_of_them(tmp_path: Path) -> None:
    [row] = shown(local(tmp_path, [person(1, tier="silver"), person(1, tier="gold")]))
    assert row["tier"] == "gold"


def test_the_text_of_a_request_is_stable_and_says_who() -> None:
    destination = MemberFile(Memory(), Layout())
    rows = [person(1, spent=Decimal("1.50"))]

    def text(action: Action, rows: list[Row]) -> str:
        return destination.prepare(action, rows, Batch("run", 1)).text()

    assert text("add", rows) == text("add", rows)
    told = json.loads(text("add", rows))
    assert told["action"] == "add"
    assert told["members"] == [{**rows[0].fields, "spent": "1.50"}]
    assert json.loads(text("forget", removals(rows))) == {
        "action": "forget",
        "members": [{"customer_id": "customer 1"}],
    }


@pytest.mark.parametrize(
    "options", [{}, {"folder": "data"}, {"folder": "/x", "format": "xls"}, {"folder": "/x", "a": 1}]
)
def test_mistakes_in_options_are_told(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        destination_module("files").DECLARED.options.model_validate(options)


# --- The server of a folder ---------------------------------------------------------------------


def test_a_server_with_another_key_is_told_nothing(remote: RemotePlace) -> None:
    other = paramiko.ECDSAKey.generate()
    line = f"{other.get_name()} {other.get_base64()}"
    with pytest.raises(DeniedError, match="another key than the option host_key"):
        remote.connect(host_key=line).open("Best customers", None)


@pytest.mark.parametrize("key", ["", "ssh-ed25519", "ssh-ed25519 AAAA", "made-up AAAA", "x !"])
def test_a_host_key_has_to_be_one(remote: RemotePlace, key: str) -> None:
    with pytest.raises(ValidationError, match="must be a type and a key"):
        remote.connect(host_key=key)


@pytest.mark.parametrize("passphrase", [None, "a long passphrase"])
def test_a_private_key_lets_in(remote: RemotePlace, passphrase: str | None) -> None:
    secrets = {
        "PASSWORD": "",
        "PRIVATE_KEY": pem(remote.server.user_key, passphrase),
        "PASSPHRASE": passphrase or "",
    }
    remote.connect(secrets).open("Best customers", None)
    assert (remote.folder / HIDDEN).exists()


@pytest.mark.parametrize(
    ("secrets", "reason"),
    [
        ({"PASSWORD": "a-secret-that-nobody-may-see"}, "does not let this user in"),
        ({"PRIVATE_KEY": "a-secret-that-nobody-may-see"}, "cannot be read"),
        ({"PRIVATE_KEY": pem(paramiko.ECDSAKey.generate())}, "does not let this user in"),
        ({"PASSWORD": ""}, "set the environment variable"),
    ],
)
def test_bad_secrets_are_denied_and_shown_nowhere(
    remote: RemotePlace, secrets: dict[str, str], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    destination = remote.connect(secrets)
    with pytest.raises(DeniedError, match=reason) as denied:
        destination.open("Best customers", None)
    told = "".join(traceback.format_exception(denied.value))
    for secret in filter(None, secrets.values()):
        assert secret not in told + caplog.text + repr(destination)


@pytest.mark.parametrize(
    ("fault", "reason"), [("denied", "cannot be used"), ("unsupported", "posix-rename")]
)
def test_a_server_that_replaces_no_files_is_no_place(
    remote: RemotePlace, fault: SftpFault, reason: str
) -> None:
    remote.server.faults.append(fault)
    with pytest.raises(DeniedError, match=reason):
        remote.connect().open("Best customers", None)
    assert list(remote.folder.iterdir()) == []


def test_a_server_that_does_not_answer_is_unavailable(remote: RemotePlace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        remote.server.port, port = silent.getsockname()[1], remote.server.port
        destination = remote.connect(timeout=0.1)
        with pytest.raises(UnavailableError):
            destination.open("Best customers", None)
    with pytest.raises(UnavailableError):
        destination.open("Best customers", None)
    remote.server.port = port


def test_a_file_larger_than_one_packet_arrives_whole(remote: RemotePlace) -> None:
    destination = remote.connect(format="parquet")
    destination.open("Best customers", None)
    rows = [
        person(number, note=hashlib.sha512(bytes(number)).hexdigest()) for number in range(3000)
    ]
    for _ in range(2):
        deliver(destination, "add", rows)
        table = pq.read_table(remote.folder / "cdp_best_customers.parquet")
        assert set(table["customer_id"].to_pylist()) == ids(rows)


# --- Webhook ------------------------------------------------------------------------------------


def webhook(url: str, secret: str = SECRET, timeout: float = 30) -> Destination:
    module = destination_module("webhook")
    options = module.DECLARED.options()
    destination = module.connect(options, Connection(url, {"SECRET": secret}, timeout))
    destination.open("Best customers", None)
    return destination


@contextmanager
def hooked(api: Any) -> Iterator[Service]:
    with stand_in({"hook": api}) as server:
        destination = webhook(f"{server.url}/hook/members")
        yield Service("webhook", api, server, destination, "cdp_best_customers")


@pytest.fixture
def hook() -> Iterator[Service]:
    with hooked(Webhook()) as running:
        yield running


def test_a_receiver_holds_whom_it_was_sent(hook: Service) -> None:
    rows = people(7)
    assert hook.deliver("add", rows) == Answer()
    assert hook.deliver("add", rows[:3]) == Answer()
    assert hook.holds() == ids(rows)
    assert hook.deliver("remove", removals(rows[:2])) == Answer()
    assert hook.deliver("forget", removals(rows[:3])) == Answer()
    assert hook.holds() == ids(rows[3:])


def test_members_that_are_not_taken_are_told_by_their_places(hook: Service) -> None:
    hook.api.poison.add("customer 2")
    assert hook.deliver("add", people(4)) == Answer({2: "not_wanted"})
    assert hook.holds() == {"customer 0", "customer 1", "customer 3"}


def test_what_a_receiver_is_sent() -> None:
    api = Canned(Reply(204))
    with hooked(api) as running:
        rows = [person(1, spent=Decimal("1.50"), tier=None)]
        running.deliver("add", rows)
        running.deliver("remove", removals(rows))
    added, removed = api.calls
    assert json.loads(added.body) == {
        "audience": "cdp_best_customers",
        "action": "add",
        "members": [{**rows[0].fields, "spent": 1.5, "tier": None}],
    }
    assert json.loads(removed.body)["members"] == [dict(removals(rows)[0].fields)]
    for call, key in ((added, "run-1"), (removed, "run-2")):
        headers = {name.lower(): value for name, value in call.headers.items()}
        signed = headers["x-timestamp"].encode() + b"." + call.body
        proof = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
        assert headers["x-signature"] == proof
        assert headers["idempotency-key"] == key
        assert abs(int(headers["x-timestamp"]) - time.time()) < 60


@settings(max_examples=15, deadline=None)
@given(drawn=steps("add", "remove", "forget"))
def test_any_order_of_faults_at_a_receiver_ends_with_the_last_word(drawn: list[Step]) -> None:
    def rows_of(action: Action, numbers: list[int]) -> list[Row]:
        rows = [person(number) for number in numbers]
        return rows if action == "add" else removals(rows)

    with hooked(Webhook()) as running:
        wanted = insist(running, drawn, rows_of)
        assert running.holds() == ids([person(number) for number in wanted])


@each_fault
def test_faults(hook: Service, fault: Fault, error: type[Exception], arrives: bool) -> None:
    hook.server.faults.append(fault)
    with pytest.raises(error) as raised:
        hook.deliver("add", people(1))
    assert getattr(raised.value, "after", 7.0) == 7.0
    assert hook.holds() == (ids(people(1)) if arrives else set())


@pytest.mark.parametrize("status", [200, 202, 204])
def test_any_success_without_a_word_takes_all(status: int) -> None:
    bodies: list[Any] = [None, {}, {"rejected": []}]
    for body in bodies:
        with hooked(Canned(Reply(status, None if status == 204 else body))) as running:
            assert running.deliver("add", people(2)) == Answer()


@pytest.mark.parametrize(
    "body",
    [
        "<html>a proxy</html>",
        [1],
        {"rejected": [{"place": 2, "reason": "late"}]},
        {"rejected": [{"reason": "late"}]},
        {"rejected": ["late"]},
        {"rejected": [{"place": -1}]},
    ],
)
def test_an_answer_that_is_not_understood_is_no_success(body: Any) -> None:
    with hooked(Canned(Reply(200, body))) as running, pytest.raises(UnavailableError):
        running.deliver("add", people(2))


def test_a_reason_that_is_no_code_is_not_passed_on() -> None:
    body = {"rejected": [{"place": 1, "reason": "jan@example.com is bad"}]}
    with hooked(Canned(Reply(200, body))) as running:
        assert running.deliver("add", people(2)) == Answer({1: "rejected"})


@pytest.mark.parametrize(
    ("status", "error"),
    [(301, DeniedError), (401, DeniedError), (404, DeniedError), (422, RefusedError)],
)
def test_statuses(status: int, error: type[Exception]) -> None:
    with hooked(Canned(Reply(status, {"error": "jan"}))) as running:
        with pytest.raises(error) as raised:
            running.deliver("add", people(2))
        assert "jan" not in str(raised.value)


def test_another_secret_is_denied_and_shown_nowhere(
    hook: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "a-secret-that-nobody-may-see"
    destination = webhook(f"{hook.server.url}/hook/members", secret)
    request = destination.prepare("add", people(1), Batch("run", 1))
    with pytest.raises(DeniedError) as denied:
        destination.send(request)
    told = "".join(traceback.format_exception(denied.value))
    for text in (request.text(), repr(request), told, repr(destination), caplog.text):
        assert secret not in text
    assert "nowak" not in told + caplog.text


def test_a_receiver_that_does_not_answer_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/token"
        destination = webhook(url, timeout=0.1)
        request = destination.prepare("add", people(1), Batch("run", 1))
        with pytest.raises(UnavailableError) as lost:
            destination.send(request)
    assert "token" not in "".join(traceback.format_exception(lost.value))


def test_a_webhook_needs_an_address_that_nobody_can_listen_to() -> None:
    module = destination_module("webhook")
    with pytest.raises(DeniedError):
        module.connect(module.DECLARED.options(), Connection(None, {"SECRET": "x"}))
    for url in ("http://example.com", "example.com"):
        with pytest.raises(ValidationError):
            module.DECLARED.options.model_validate({"url": url})


def test_a_batch_as_large_as_it_may_be_is_taken(hook: Service) -> None:
    declared = destination_module("webhook").DECLARED
    rows = people(declared.batch_rows)
    request = hook.destination.prepare("add", rows, Batch("run", 1))
    assert request.size < declared.batch_bytes
    assert hook.destination.validate(request) == Answer()
    assert hook.destination.send(request) == Answer()
    assert hook.holds() == ids(rows)
