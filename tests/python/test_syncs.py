"""Syncs read a warehouse and fill services: who is sent, who is not, and what is told of it."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.activation import runs, syncs
from orchestration.activation.audience import stop_customers
from orchestration.activation.destination import Declared, DeniedError, connection_of
from orchestration.activation.engine import RunReport
from orchestration.activation.runs import (
    Asked,
    forget_customers,
    how_of_environment,
    opened_exports,
    report_table,
    run_syncs,
)
from orchestration.activation.stand_in.google import Google
from orchestration.activation.stand_in.mautic import PASSWORD, USER, Mautic
from orchestration.activation.stand_in.meta import TOKEN, Meta
from orchestration.activation.stand_in.server import Api, stand_in
from orchestration.activation.syncs import SyncError
from orchestration.demo.exports import show_exports
from orchestration.paths import Paths
from tests.python.conftest import quiet

_WAREHOUSE = """
create schema pii;
create schema segments;
create schema audiences;
create schema marts;
create schema meta;
create schema reference;
create table marts.customer_360 (customer_id varchar, days_since_order integer);
create table pii.match_keys (
    customer_id varchar, email varchar, phone varchar, first_name varchar, last_name varchar,
    street varchar, postal_code varchar, city varchar
);
create table segments.memberships (segment_id varchar, customer_id varchar);
create table segments.catalog as select 'best' as segment_id;
create table audiences.customer_gates (
    customer_id varchar, brand_id varchar, purpose varchar, channel varchar, decided_at timestamp,
    refused_by varchar
);
create table reference.brands as select 'domowo' as brand_id;
create table meta.builds as
select timestamp '2026-06-30 04:00' as started_at, timestamp '2026-06-30 04:10' as finished_at;
"""
_SYNC = """
destination: mautic
audience: Best customers
segment: best
brand: domowo
attributes:
  days: days_since_order
options:
  url: https://mautic.example.com
"""
_SECRET = "canary-secret-4711"


@dataclass
class House:
    """A small warehouse, a document, and a Mautic that the audience is sent to."""

    paths: Paths
    documents: Path
    mautic: Mautic
    environment: Mapping[str, str]
    calls: list[str] = field(default_factory=list)

    def customer(
        self,
        name: str,
        email: str | None,
        refused_by: str | None = None,
        *,
        decided: bool = True,
        days: int | None = 3,
    ) -> None:
        with duckdb.connect(str(self.paths.warehouse)) as warehouse:
            warehouse.execute("insert into marts.customer_360 values (?, ?)", [name, days])
            warehouse.execute(
                "insert into pii.match_keys by name select ? as customer_id, ? as email",
                [name, email],
            )
            warehouse.execute("insert into segments.memberships values ('best', ?)", [name])
            if decided:
                warehouse.execute(
                    "insert into audiences.customer_gates values "
                    "(?, 'domowo', 'marketing', 'email', timestamp '2026-01-01', ?)",
                    [name, refused_by],
                )

    def change(self, sql: str) -> None:
        with duckdb.connect(str(self.paths.warehouse)) as warehouse:
            warehouse.execute(sql)

    def document(self, text: str) -> None:
        (self.documents / "best.yml").write_text(text)

    def sync(self, how: Any = "live", **environment: str) -> RunReport:
        self.calls.clear()
        [report] = run_syncs(
            self.paths, Asked(how=how), quiet, {**self.environment, **environment}, sleep=_no_wait
        )
        return report

    def held(self) -> set[str]:
        [rows] = self.mautic.audiences().values() or [set()]
        return {email for (email,) in rows}

    def fields(self, email: str) -> Mapping[str, Any]:
        [contact] = [c for c in self.mautic.contacts.values() if c.fields["email"] == email]
        return contact.fields


def _no_wait(_seconds: float) -> None:
    """A stand-in is ready at once."""


@contextmanager
def services(apis: Mapping[str, Api]) -> Iterator[tuple[dict[str, str], list[str]]]:
    """The environment of a server with these APIs, and the calls that it gets."""
    with stand_in(apis) as running:
        environment = {f"{name.upper()}_URL": f"{running.url}/{name}" for name in apis}
        tokens = {"META_ACCESS_TOKEN": TOKEN, "GOOGLE_ACCESS_TOKEN": TOKEN}
        login = {"MAUTIC_USER": USER, "MAUTIC_PASSWORD": PASSWORD}
        yield {**environment, **tokens, **login}, running.calls


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    paths = Paths(tmp_path / "data")
    paths.versions.mkdir(parents=True)
    paths.serving.symlink_to(paths.versions / "one")
    with duckdb.connect(str(paths.warehouse)) as warehouse:
        warehouse.execute(_WAREHOUSE)
    documents = tmp_path / "syncs"
    documents.mkdir()
    monkeypatch.setattr(runs, "read_syncs", lambda names: syncs.read_syncs(names, documents))
    monkeypatch.setattr(runs, "sync_files", lambda: syncs.sync_files(documents))
    mautic = Mautic()
    with services({"mautic": mautic}) as (environment, calls):
        made = House(paths, documents, mautic, environment, calls)
        made.document(_SYNC)
        yield made


def test_only_who_may_be_sent_is_sent(house: House) -> None:
    house.customer("anna", "anna@example.com")
    house.customer("ewa", "ewa@example.com", "consent")
    house.customer("jan", "jan@example.com", "holdout")
    house.customer("ola", "ola@example.com", decided=False)
    house.customer("ida", None)
    report = house.sync()
    assert house.held() == {"anna@example.com"}
    assert report.plan
    assert report.plan.refused == {"consent": 2, "holdout": 1, "no_identifier": 1}
    assert "kept back by gates: consent 2, holdout 1, no_identifier 1" in report_table([report])


def test_an_address_of_somebody_who_refused_is_sent_of_nobody(house: House) -> None:
    """A couple shares an address; one of the two has withdrawn."""
    house.customer("anna", "both@example.com")
    house.customer("adam", "both@example.com", "consent")
    house.customer("olga", "too@example.com")
    house.customer("otto", "too@example.com", "holdout")
    house.sync()
    assert house.held() == {"too@example.com"}


def test_two_customers_with_one_address_are_one_member(house: House) -> None:
    house.customer("b", "one@example.com", days=9)
    house.customer("a", "one@example.com", days=1)
    report = house.sync()
    assert report.plan
    assert (report.accepted, report.plan.refused) == (1, {"duplicate": 1})
    assert house.fields("one@example.com")["days"] == 1


def test_a_customer_who_is_gone_or_withdrew_or_moved_leaves_the_old_address(house: House) -> None:
    for name in ("gone", "withdrew", "moved", "stays"):
        house.customer(name, f"{name}@example.com")
    house.sync()
    house.change(
        "delete from marts.customer_360 where customer_id = 'gone';"
        "delete from segments.memberships where customer_id = 'gone';"
        "update audiences.customer_gates set refused_by = 'consent' where customer_id = 'withdrew';"
        "update pii.match_keys set email = 'new@example.com' where customer_id = 'moved'"
    )
    report = house.sync()
    assert house.held() == {"new@example.com", "stays@example.com"}
    assert report.plan
    assert (report.plan.adds, report.plan.removals) == (1, 3)
    assert house.sync().requests == 0
    assert house.calls == []


def test_an_attribute_that_is_not_known_any_more_is_kept_or_cleared(house: House) -> None:
    house.customer("anna", "anna@example.com", days=5)
    house.sync()
    house.change("update marts.customer_360 set days_since_order = null")
    house.sync()
    assert house.fields("anna@example.com")["days"] == 5
    house.document(f"{_SYNC}empty_attributes: clear\n")
    house.change("update marts.customer_360 set days_since_order = 6")
    house.sync()
    house.change("update marts.customer_360 set days_since_order = null")
    house.sync()
    assert not house.fields("anna@example.com").get("days")


def test_who_is_being_erased_is_not_sent(house: House) -> None:
    house.customer("anna", "anna@example.com")
    house.customer("ewa", "ewa@example.com")
    stop_customers(house.paths, ["ewa"])
    house.sync()
    assert house.held() == {"anna@example.com"}


def test_whoever_is_erased_is_forgotten_there_and_here(house: House) -> None:
    """Also by whom shares nothing with others; a second time there is nothing to do."""
    for name in ("anna", "ewa"):
        house.customer(name, f"{name}@example.com")
    house.sync()
    [report] = forget_customers(house.paths, ["ewa", "nobody"], quiet, house.environment)
    assert report.status == "succeeded"
    assert {contact.fields["email"] for contact in house.mautic.contacts.values()} == {
        "anna@example.com"
    }
    assert forget_customers(house.paths, ["ewa", "nobody"], quiet, house.environment) == []
    with opened_exports(house.paths.exports, quiet) as store:
        for table in ("members", "results", "dead_letters"):
            known = store.execute(f"select customer_id from exports.{table}").fetchall()
            assert ("ewa",) not in known, table


def test_a_removal_that_is_owed_to_a_silent_service_is_sent_later(house: House) -> None:
    house.customer("anna", "anna@example.com")
    house.sync()
    nowhere = {**house.environment, "MAUTIC_URL": "http://127.0.0.1:9"}
    [report] = forget_customers(house.paths, ["anna"], quiet, nowhere, _no_wait)
    assert report.status == "stopped"
    assert house.held() == {"anna@example.com"}
    [report] = forget_customers(house.paths, ["anna"], quiet, house.environment, _no_wait)
    assert report.status == "succeeded"
    assert house.mautic.contacts == {}


def test_a_document_that_is_gone_leaves_a_removal_owed(house: House) -> None:
    """Nobody knows any more where to send it; the others are told all the same."""
    house.customer("anna", "anna@example.com")
    house.sync()
    document = (house.documents / "best.yml").read_text()
    (house.documents / "best.yml").unlink()
    said: list[str] = []
    assert forget_customers(house.paths, ["anna"], said.append, house.environment) == []
    assert any("best: nobody was told: " in line for line in said)
    house.document(document)
    [report] = forget_customers(house.paths, ["anna"], quiet, house.environment)
    assert report.status == "succeeded"
    assert house.mautic.contacts == {}


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("update meta.builds set finished_at = null", "the last build did not pass"),
        ("delete from segments.catalog", 'segment_id "best" is not in segments.catalog'),
        ("delete from reference.brands", 'brand_id "domowo" is not in reference.brands'),
    ],
)
def test_nothing_is_sent_from_a_warehouse_that_is_not_to_be_trusted(
    house: House, sql: str, reason: str
) -> None:
    house.customer("anna", "anna@example.com")
    house.change(sql)
    report = house.sync()
    assert report.status == "failed"
    assert reason in str(report.reason)
    assert house.calls == []


def test_nothing_is_sent_while_decisions_wait_that_no_build_has_read(house: House) -> None:
    house.customer("anna", "anna@example.com")
    landed = house.paths.landing / "demo_privacy" / "consent_events" / "2026-06-30.csv"
    landed.parent.mkdir(parents=True)
    landed.write_text("event_id\n1\n")
    report = house.sync()
    assert report.status == "failed"
    assert "1 files of consents or erasure requests have landed" in str(report.reason)
    assert house.calls == []


def test_a_package_that_is_not_installed_is_named(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.document(
        "destination: meta\naudience: Best\nsegment: best\nbrand: domowo\n"
        "options: {ad_account_id: '1'}\n"
    )
    monkeypatch.setitem(sys.modules, "facebook_business.api", None)
    report = house.sync("dry_run")
    assert report.status == "failed"
    assert report.reason == (
        "the package of facebook_business.api is not there: install the extra exports of "
        "pyproject.toml"
    )


def test_an_audience_is_emptied_before_its_document_goes(house: House) -> None:
    """Else nobody would remove from it who withdraws: every run says so."""
    for name in ("anna", "ewa"):
        house.customer(name, f"{name}@example.com")
    house.sync()
    document = house.documents / "best.yml"
    document.rename(house.documents / "worst.yml")
    _, left = run_syncs(house.paths, Asked(how="dry_run"), quiet, house.environment)
    assert (left.sync_id, left.status) == ("best", "failed")
    assert "2 members are still there: put syncs/best.yml back with mode: empty" in str(left.reason)
    (house.documents / "worst.yml").unlink()
    house.document(f"{_SYNC}mode: empty\n")
    report = house.sync()
    assert report.plan
    assert (report.status, report.plan.removals) == ("succeeded", 2)
    assert house.held() == set()
    document.unlink()
    assert run_syncs(house.paths, Asked(how="live"), quiet, house.environment) == []


def test_a_sync_that_has_filled_one_service_does_not_go_on_at_another(
    house: House, tmp_path: Path
) -> None:
    house.customer("anna", "anna@example.com")
    house.sync()
    house.document(
        "destination: files\naudience: Best\nsegment: best\nbrand: domowo\n"
        f"options: {{folder: {tmp_path}}}\n"
    )
    report = house.sync()
    assert report.status == "failed"
    assert "it has filled an audience at mautic" in str(report.reason)


def test_a_folder_holds_a_file_of_the_members(house: House, tmp_path: Path) -> None:
    """A destination whose members are known by their customer_id as well."""
    house.change(
        "alter table pii.match_keys add column gender varchar;"
        "alter table pii.match_keys add column birth_date varchar;"
        "alter table pii.match_keys add column country varchar"
    )
    house.customer("anna", "anna@example.com")
    house.customer("ewa", "ewa@example.com")
    house.document(
        "destination: files\naudience: Best\nsegment: best\nbrand: domowo\n"
        f"options: {{folder: {tmp_path}}}\n"
    )
    house.sync()
    house.change("delete from segments.memberships where customer_id = 'anna'")
    house.sync()
    rows = duckdb.sql(f"select customer_id, email from read_csv('{tmp_path}/*.csv')").fetchall()
    assert rows == [("ewa", "ewa@example.com")]


def test_large_requests_are_halved_where_the_account_asks_for_it(house: House) -> None:
    for number in range(40):
        house.customer(f"c{number}", f"{number}@example.com")
    house.document(f"{_SYNC}batch_bytes: 500\n")
    report = house.sync()
    assert report.accepted == 40
    assert report.requests > 4


def test_a_dry_run_needs_no_secrets_and_calls_nobody(house: House) -> None:
    house.customer("anna", "anna@example.com")
    report = house.sync("dry_run", MAUTIC_USER="", MAUTIC_PASSWORD="")
    assert (report.status, report.requests) == ("succeeded", 1)
    assert house.calls == []
    [payload] = (house.paths.exports / "payloads" / "best").rglob("*.json")
    assert "anna@example.com" in payload.read_text()
    house.sync("dry_run")
    assert len(list((house.paths.exports / "payloads" / "best").iterdir())) == 1


def test_a_validation_changes_nothing_and_says_what_would_be_refused(house: House) -> None:
    house.customer("anna", "anna@example.com")
    house.customer("torn", "no address")
    report = house.sync("validate")
    assert (report.status, report.rejected) == ("refused", 1)
    assert report.reason == "invalid_identifier: 1 rows"
    assert house.mautic.contacts == {}


def test_missing_secrets_are_named_and_wrong_ones_are_in_no_file(house: House) -> None:
    house.customer("anna", "anna@example.com")
    report = house.sync(MAUTIC_USER="", MAUTIC_PASSWORD="")
    assert report.status == "denied"
    assert report.reason == "set the environment variables MAUTIC_USER, MAUTIC_PASSWORD"
    report = house.sync(MAUTIC_USER=_SECRET, MAUTIC_PASSWORD=_SECRET)
    assert report.status == "denied"
    assert _SECRET not in repr(report)
    for file in house.paths.exports.rglob("*"):
        assert not file.is_file() or _SECRET.encode() not in file.read_bytes(), file


def test_secrets_are_found_by_the_name_of_the_credentials() -> None:
    declared = Declared({}, (), "marketing", "email", 1, 1, ("KEY",), ("EXTRA",))
    environment = {"SHOP_B_KEY": "k", "SHOP_B_URL": "http://127.0.0.1:1"}
    connection = connection_of("shop_b", declared, environment, True)
    assert connection.secrets == {"KEY": "k", "EXTRA": ""}
    assert connection.url == "http://127.0.0.1:1"
    with pytest.raises(DeniedError, match="MAIL_KEY"):
        connection_of("mail", declared, environment, True)


def test_the_environment_says_how_syncs_run() -> None:
    assert how_of_environment({}) == "dry_run"
    assert how_of_environment({"SEGMENT_OF_ONE_SYNCS": "live"}) == "live"
    with pytest.raises(SyncError, match="must be one of dry_run, validate, live"):
        how_of_environment({"SEGMENT_OF_ONE_SYNCS": "yes"})


def test_an_unknown_sync_is_named_with_those_that_there_are(house: House) -> None:
    with pytest.raises(SyncError, match="no sync worst: there are best"):
        run_syncs(house.paths, Asked(["worst"]), quiet, house.environment)


def test_the_demo_fills_its_stand_ins_with_who_consented(demo: Paths, tmp_path: Path) -> None:
    """Google holds the neighbours of stores who allow it, and nobody else; nothing moves later."""
    google = Google()
    with services({"meta": Meta(), "google": google, "mautic": Mautic()}) as (environment, calls):
        for expected in (True, False):
            calls.clear()
            reports = run_syncs(
                demo, Asked(how="live"), quiet, environment, tmp_path, sleep=_no_wait
            )
            assert {report.status for report in reports} <= {"succeeded", "held"}
            assert bool(calls) == expected
    with duckdb.connect(str(demo.warehouse), read_only=True) as warehouse:
        allowed = warehouse.execute(
            """
            select keys.google_email, keys.google_phone
            from segments.memberships as members
            inner join marts.consents as consents using (customer_id)
            inner join marts.customers as customers using (customer_id)
            inner join pii.match_keys as keys using (customer_id)
            left join segments.holdouts as holdouts using (customer_id)
            where
                members.segment_id = 'store_neighbours'
                and consents.brand_id = 'domowo'
                and consents.purpose = 'ad_audiences'
                and consents.channel = 'social'
                and consents.is_granted
                and customers.erasure_requested_at is null
                and holdouts.is_global_holdout is not true
            """
        ).fetchall()
    [held] = google.audiences().values()
    values = {value for row in allowed for value in row if value}
    assert {value for row in held for value in row if value} <= values
    assert len(held) > 0.9 * len(allowed) > 100


def test_the_demo_tells_what_the_stand_ins_hold(demo: Paths, tmp_path: Path) -> None:
    for name in ("warehouse.duckdb", "serving.duckdb", "landing", "raw"):
        (tmp_path / name).symlink_to((demo.data / name).resolve())
    told = show_exports(Paths(tmp_path), quiet)
    assert "What the stand-ins hold now" in told
    assert "cdp_vanished_buyers" in told
