"""A sync leaves at the destination exactly who may be there, whatever fails on the way."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestration.activation.audience import sent_column
from orchestration.activation.destination import (
    Action,
    Answer,
    Batch,
    Declared,
    DeniedError,
    RefusedError,
    Request,
    Row,
    ThrottledError,
    UnavailableError,
)
from orchestration.activation.engine import How, RunReport, Surroundings, SyncRunner
from orchestration.activation.plan import Plan
from orchestration.activation.store import create_tables
from orchestration.activation.syncs import Sync, SyncError, read_syncs
from tests.python.conftest import quiet

DECLARED = Declared(
    fields={"EMAIL": "email", "PHONE": "phone", "NAME": "first_name"},
    identifiers=("EMAIL", "PHONE"),
    purpose="ad_audiences",
    channel="social",
    batch_rows=3,
    batch_bytes=200,
)
SYNC = Sync(
    sync_id="test", destination="test", audience="Best customers", segment="best", brand="domowo"
)
FAULTS = ("throttled", "lost", "accepted_then_lost", "twice", "refused", "denied", "killed_before")


class Killed(BaseException):
    """The process ends here."""


@dataclass(frozen=True)
class Person:
    email: str
    phone: str
    name: str
    refused_by: str | None = None


@dataclass
class World:
    """Who is in the segment now, and the version of the build that says so."""

    people: dict[str, Person] = field(default_factory=dict)
    builds: int = 0
    fields: tuple[str, ...] = ("EMAIL", "PHONE", "NAME")
    being_erased: frozenset[str] = frozenset()

    def version(self) -> str:
        return str(self.builds)

    def stopped(self) -> frozenset[str]:
        return self.being_erased

    @contextmanager
    def reading(self, store: duckdb.DuckDBPyConnection) -> Iterator[None]:
        known = store.execute("select customer_id from exports.members").fetchall()
        everyone = sorted({*self.people, *(name for (name,) in known)})
        values = ", ".join(
            f"({', '.join(map(literal, self.candidate(name)))})" for name in everyone
        )
        store.execute(
            "create or replace temp table read (customer_id varchar, is_member boolean, "
            "refused_by varchar, consented_at timestamp, identifiers varchar[], "
            'content_hash varchar, "EMAIL" varchar, "PHONE" varchar, "NAME" varchar); '
            + (f"insert into read values {values};" if values else "")
            + "create or replace temp table candidates as "
            'select * exclude ("EMAIL", "PHONE", "NAME") from read; '
            "create or replace temp view member_fields as select customer_id, "
            + ", ".join(f'"{name}" as {sent_column(name)}' for name in self.fields)
            + " from read"
        )
        yield

    def candidate(self, customer: str) -> list[Any]:
        person = self.people.get(customer)
        if person is None:
            return [customer, False, "gone", None, ["", ""], "", None, None, None]
        identifiers = [person.email, person.phone]
        refused = person.refused_by or (None if any(identifiers) else "no_identifier")
        return [
            *(customer, True, refused, None, identifiers, repr(person)),
            *(person.email or None, person.phone or None, person.name),
        ]

    def wanted(self) -> set[tuple[int, str]]:
        return {
            (place, value)
            for person in self.people.values()
            if person.refused_by is None
            for place, value in enumerate((person.email, person.phone))
            if value
        }


def literal(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    text = str(value).replace("'", "''")
    return str(value) if isinstance(value, bool) else f"'{text}'"


@dataclass
class Service:
    """A destination with a memory. Rows are known by their identifiers; a removal takes every row
    that has one of them. Nobody in `forbidden` may ever arrive.
    """

    rows: set[tuple[str, str]] = field(default_factory=set)
    faults: list[str | None] = field(default_factory=list)
    poison: set[str] = field(default_factory=set)
    forbidden: set[str] = field(default_factory=set)
    sent: int = 0
    works_later: bool = False
    patience: int = 0
    jobs: dict[str, Request] = field(default_factory=dict)
    done: dict[str, Answer] = field(default_factory=dict)
    on_send: Any = None

    def open(self, audience: str, known: str | None) -> str:  # noqa: ARG002
        return known or "audience"

    def prepare(self, action: Action, rows: Sequence[Row], batch: Batch) -> Request:  # noqa: ARG002
        text = repr([dict(row.fields) for row in rows])
        return Request(action, len(rows), list(rows), len(text), lambda: text)

    def send(self, request: Request) -> Answer:
        self.sent += 1
        if request.action == "add":
            values = {value for row in request.body for value in row.fields.values()}
            assert not self.forbidden & values, "somebody without consent was sent"
        if self.on_send:
            self.on_send()
        fault = self.faults.pop(0) if self.faults else None
        if fault == "throttled":
            raise ThrottledError(1.0)
        if fault == "lost":
            raise UnavailableError
        if fault == "refused":
            raise RefusedError("odd")
        if fault == "denied":
            raise DeniedError("no")
        if fault == "killed_before":
            raise Killed
        if self.works_later:
            receipt = f"job {self.sent:04d}"
            self.jobs[receipt] = request
            if fault == "accepted_then_lost":
                raise UnavailableError
            if fault == "killed_after":
                raise Killed
            return Answer(receipt=receipt)
        answer = self._carry_out(request)
        if fault == "twice":
            answer = self._carry_out(request)
        if fault == "accepted_then_lost":
            raise UnavailableError
        if fault == "killed_after":
            raise Killed
        return answer

    def confirm(self, receipt: str) -> Answer | None:
        """Jobs are worked off in their order, when they were asked for often enough."""
        if receipt in self.jobs and self.patience > 0:
            self.patience -= 1
            return None
        while receipt in self.jobs:
            self.work_off_one()
        return self.done[receipt]

    def work_off(self) -> None:
        while self.jobs:
            self.work_off_one()

    def work_off_one(self) -> None:
        receipt = min(self.jobs)
        self.done[receipt] = self._carry_out(self.jobs.pop(receipt))

    def validate(self, request: Request) -> Answer:  # noqa: ARG002
        return Answer()

    def _carry_out(self, request: Request) -> Answer:
        rejected: dict[int, str] = {}
        for place, row in enumerate(request.body):
            values = tuple(row.fields.get(name, "") for name in DECLARED.identifiers)
            if self.poison & set(values):
                rejected[place] = "poison"
            elif request.action == "add":
                self.rows.add(values)
            else:
                self.rows = {
                    kept
                    for kept in self.rows
                    if not any(a and a == b for a, b in zip(kept, values, strict=True))
                }
        return Answer(rejected)

    def holds(self) -> set[tuple[int, str]]:
        return {(n, value) for row in self.rows for n, value in enumerate(row) if value}


@dataclass
class Clock:
    now: datetime = field(default_factory=lambda: datetime.fromisoformat("2026-06-30"))

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def store() -> duckdb.DuckDBPyConnection:
    return new_store()


def new_store() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"threads": 1})
    create_tables(connection)
    return connection


def sync(
    store: duckdb.DuckDBPyConnection,
    world: World,
    service: Service,
    clock: Clock,
    how: How = "live",
    chosen: Sync = SYNC,
    accept: bool = True,
    folder: Path = Path("unused"),
    rows_at_once: int = 10_000,
) -> RunReport:
    surroundings = Surroundings(
        folder, quiet, clock, clock.sleep, accept, rows_at_once=rows_at_once
    )
    return SyncRunner(store, chosen, DECLARED, world, lambda: service, surroundings).run(how)


def planned(report: RunReport) -> Plan:
    assert report.plan
    return report.plan


def rows(store: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    return store.execute(sql).fetchall()


def people(count: int) -> dict[str, Person]:
    return {
        f"c{number:03d}": Person(f"{number}@a.pl", f"+48{number}", "Jan") for number in range(count)
    }


PERSONS = st.builds(
    Person,
    st.sampled_from(["", "a", "b", "c", "d"]),
    st.sampled_from(["", "1", "2", "3"]),
    st.sampled_from(["Jan", "Ala"]),
    st.sampled_from([None, None, None, "consent", "erasure", "holdout"]),
)
WORLDS = st.dictionaries(st.sampled_from([f"c{n}" for n in range(7)]), PERSONS, max_size=7)


@settings(
    max_examples=1_000,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
)
@given(
    worlds=st.lists(WORLDS, min_size=1, max_size=3),
    faults=st.lists(st.sampled_from([None, None, *FAULTS, "killed_after"]), max_size=14),
    poison=st.sets(st.sampled_from(["b", "2"]), max_size=1),
    works_later=st.booleans(),
    patience=st.lists(st.sampled_from([0, 0, 2, 15, 100]), min_size=3, max_size=3),
    rows_at_once=st.sampled_from([3, 10_000]),
)
def test_after_any_faults_the_destination_holds_exactly_who_may_be_there(
    worlds: Sequence[Mapping[str, Person]],
    faults: list[str | None],
    poison: set[str],
    works_later: bool,
    patience: list[int],
    rows_at_once: int,
) -> None:
    """Kills, time-outs after acceptance, repeated and refused requests, identities that change and
    share addresses: once the faults stop, all of it is right, and every row is in the log once.
    """
    store, clock = new_store(), Clock()
    world = World()
    service = Service(faults=list(faults), poison=poison, works_later=works_later)
    for people_of_day, of_day in zip(worlds, patience, strict=False):
        service.patience = of_day
        world.people = unmistakable(people_of_day)
        world.builds += 1
        service.forbidden = forbidden(world)
        try:
            sync(store, world, service, clock, rows_at_once=rows_at_once)
        except Killed:
            store.execute("rollback") if in_transaction(store) else None
        clock.now += timedelta(days=1)
        if of_day < 100:
            service.work_off()
    service.faults, service.poison, service.patience = [], set(), 0
    service.work_off()
    for _ in range(3):
        clock.now += timedelta(days=8)  # The longest that a dead letter waits.
        sync(store, world, service, clock)
    assert service.holds() == world.wanted()
    assert rows(store, "select count(*) from exports.dead_letters") == [(0,)]
    assert rows(store, "select count(*) from exports.members where status <> 'held'") == [(0,)]
    assert (
        rows(store, "select run_id, place from exports.results group by all having count(*) > 1")
        == []
    )
    uncounted = rows(
        store,
        "select runs.run_id from exports.runs left join exports.results using (run_id) "
        "group by runs.run_id, accepted, rejected, unknown, planned_adds, planned_removals, status "
        "having status = 'succeeded' and count(place) <> planned_adds + planned_removals",
    )
    assert uncounted == []
    sent = service.sent
    assert sync(store, world, service, clock).requests == 0
    assert service.sent == sent, "nothing changed, nothing is sent"


def unmistakable(given_people: Mapping[str, Person]) -> dict[str, Person]:
    """As audiences are read: one member of each identity, none with what a refusing one has."""
    refusing = [p for p in given_people.values() if p.refused_by in ("consent", "erasure")]
    kept: dict[str, Person] = {}
    seen: set[tuple[str, str]] = set()
    for customer, person in sorted(given_people.items()):
        email = "" if person.email in {p.email for p in refusing} else person.email
        phone = "" if person.phone in {p.phone for p in refusing} else person.phone
        refused = person.refused_by
        if refused is None and (email, phone) in seen:
            refused = "duplicate"
        if refused is None:
            seen.add((email, phone))
        kept[customer] = Person(email, phone, person.name, refused)
    return kept


def forbidden(world: World) -> set[str]:
    allowed = {value for _, value in world.wanted()}
    everything = {"a", "b", "c", "d", "1", "2", "3"}
    return everything - allowed


def in_transaction(store: duckdb.DuckDBPyConnection) -> bool:
    try:
        store.execute("begin")
    except duckdb.TransactionException:
        return True
    store.execute("rollback")
    return False


def test_a_tenth_of_a_day_is_all_that_is_sent(store: duckdb.DuckDBPyConnection) -> None:
    world, service, clock = World(people(10)), Service(), Clock()
    first = sync(store, world, service, clock)
    assert (planned(first).adds, first.accepted, service.sent) == (10, 10, 4)
    world.people["c003"] = Person("new@a.pl", "+483", "Jan")
    del world.people["c007"]
    world.builds += 1
    second = sync(store, world, service, clock)
    assert (planned(second).adds, planned(second).removals) == (1, 2)
    assert service.holds() == world.wanted()
    assert sync(store, world, service, clock).requests == 0


def test_whoever_withdrew_is_removed_even_when_much_else_is_held_back(
    store: duckdb.DuckDBPyConnection,
) -> None:
    """Half of the segment is gone by mistake: nobody leaves but who refused."""
    world, service, clock = World(people(300)), Service(), Clock()
    sync(store, world, service, clock)
    for number in range(150):
        world.people[f"c{number:03d}"] = Person("x", "y", "Jan", "holdout")
    world.people["c200"] = Person("200@a.pl", "+48200", "Jan", "consent")
    world.builds += 1
    report = sync(store, world, service, clock, accept=False)
    assert report.status == "held"
    assert report.reason == "150 of 300 members would leave"
    assert (planned(report).removals, planned(report).held_back) == (1, 150)
    assert len(service.rows) == 299
    assert sync(store, world, service, clock, accept=True).status == "succeeded"
    assert len(service.rows) == 149


def test_who_shares_all_with_newcomers_is_removed_before_they_enter(
    store: duckdb.DuckDBPyConnection,
) -> None:
    """Were the removal left out because they have the same address and number, and they never
    arrived, nobody would know that the old row is still there.
    """
    world, service, clock = World({"old": Person("a", "1", "Jan")}), Service(), Clock()
    sync(store, world, service, clock)
    world.people = {"new": Person("a", "", "Jan"), "newer": Person("", "1", "Ala")}
    service.faults = [None, "denied"]
    assert sync(store, world, service, clock).status == "denied"
    world.people = {}
    sync(store, world, service, clock)
    assert service.rows == set()


def test_add_only_removes_nobody_but_who_refused(store: duckdb.DuckDBPyConnection) -> None:
    world, service, clock = World(people(4)), Service(), Clock()
    add_only = SYNC.model_copy(update={"mode": "add_only"})
    sync(store, world, service, clock, chosen=add_only)
    world.people["c000"] = Person("0@a.pl", "+480", "Jan", "holdout")
    world.people["c001"] = Person("1@a.pl", "+481", "Jan", "consent")
    sync(store, world, service, clock, chosen=add_only)
    assert ("0@a.pl", "+480") in service.rows
    assert ("1@a.pl", "+481") not in service.rows


def test_a_poisoned_row_stands_alone_and_waits(store: duckdb.DuckDBPyConnection) -> None:
    """It is tried again after an hour, and at once when the person's data have changed."""
    world, service, clock = World(people(6)), Service(poison={"2@a.pl"}), Clock()
    report = sync(store, world, service, clock)
    assert (report.accepted, report.rejected) == (5, 1)
    [(customer, reason, attempts)] = rows(
        store, "select customer_id, reason, attempts from exports.dead_letters"
    )
    assert (customer, reason, attempts) == ("c002", "poison", 1)
    assert sync(store, world, service, clock).requests == 0
    clock.now += timedelta(hours=1)
    assert sync(store, world, service, clock).rejected == 1
    world.people["c002"] = Person("two@a.pl", "+482", "Jan")
    assert sync(store, world, service, clock).accepted == 1
    assert rows(store, "from exports.dead_letters") == []


def test_a_build_in_the_middle_of_a_run_makes_it_plan_anew(
    store: duckdb.DuckDBPyConnection,
) -> None:
    """Consent that was withdrawn while requests were under way holds for the next of them."""
    world, service, clock = World(people(9)), Service(), Clock()

    def withdraw() -> None:
        if service.sent == 2:
            world.people["c008"] = Person("8@a.pl", "+488", "Jan", "consent")
            world.builds += 1
            service.forbidden = {"8@a.pl"}

    service.on_send = withdraw
    assert sync(store, world, service, clock).status == "succeeded"
    assert service.holds() == world.wanted()
    assert rows(store, "select status from exports.runs order by status") == [
        ("overtaken",),
        ("succeeded",),
    ]


def test_who_is_being_erased_is_left_out_of_a_run_under_way(
    store: duckdb.DuckDBPyConnection,
) -> None:
    world, service, clock = World(people(9)), Service(), Clock()

    def erase() -> None:
        world.being_erased = frozenset({"c008"})

    service.on_send = erase
    sync(store, world, service, clock)
    assert len(service.rows) == 8
    assert ("8@a.pl", "+488") not in service.rows


def test_a_dry_run_writes_payloads_and_nothing_else(
    store: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    world, service, clock = World(people(5)), Service(), Clock()
    report = sync(store, world, service, clock, how="dry_run", folder=tmp_path)
    assert service.sent == 0
    assert rows(store, "from exports.members") == []
    files = sorted((tmp_path / "test" / report.run_id).iterdir())
    assert [file.name for file in files] == ["00001-add.json", "00002-add.json"]
    assert "4@a.pl" in files[1].read_text()


def test_a_destination_that_stays_silent_stops_the_run(store: duckdb.DuckDBPyConnection) -> None:
    world, service, clock = World(people(5)), Service(faults=["lost"] * 6), Clock()
    report = sync(store, world, service, clock)
    assert (report.status, report.unknown) == ("stopped", 5)
    assert rows(store, "select reason, count(*) from exports.results group by 1 order by 1") == [
        ("no_answer", 3),
        ("not_sent", 2),
    ]
    assert sync(store, world, service, clock).accepted == 5
    assert service.holds() == world.wanted()


def test_mistakes_in_syncs_are_named_all_at_once(tmp_path: Path) -> None:
    (tmp_path / "torn.yml").write_text("destination: [")
    (tmp_path / "nowhere.yml").write_text(
        "destination: nowhere\naudience: Best\nsegment: best\nbrand: domowo\n"
    )
    (tmp_path / "empty.yml").write_text("")
    with pytest.raises(SyncError) as error:
        read_syncs(folder=tmp_path)
    assert str(error.value).splitlines() == [
        "syncs/empty.yml: must be keys with values, such as destination: meta",
        "syncs/nowhere.yml: no destination of this name: one of "
        + str(error.value).splitlines()[1].split("one of ")[1],
        "syncs/torn.yml, line 1: is no YAML",
    ]
