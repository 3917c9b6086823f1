"""After an erasure no file tells of the person, and everybody else's rows stand."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from orchestration.activation import runs, syncs
from orchestration.activation.audience import read_stopped
from orchestration.activation.match_keys import unkeyed_hashes
from orchestration.activation.runs import opened_exports
from orchestration.activation.stand_in.mautic import Mautic
from orchestration.contract import load_contract
from orchestration.definitions import build_definitions
from orchestration.erasure.compaction import rewrite
from orchestration.erasure.erase import Eraser, Told
from orchestration.erasure.files import switch
from orchestration.erasure.journal import Journal, Move, journal_folder, read_journal, write_journal
from orchestration.erasure.marks import marks_query, prepare
from orchestration.erasure.rows import Trace, alone, pattern_of
from orchestration.erasure.tombstones import PepperError
from orchestration.erasure.writing import Touched, change_table
from orchestration.ingest.ledger import read_ledger
from orchestration.ingest.loader import find_new_files, load_new_files
from orchestration.launch import BuildError
from orchestration.paths import Paths
from orchestration.warehouse.functions import register
from orchestration.warehouse.lock import build_lock
from orchestration.warehouse.registry import ErasureError
from tests.python.conftest import build, copy_built, data_folder, quiet
from tests.python.test_erasure import one_of_two_at_a_device
from tests.python.test_syncs import services

OLD_ID = "c0000000000000000000"
KILLED_AT = ("entomb", "forget", "stage", "scrub", "rebuild", "clean", "search")
# What compares customers with one another, or counts them, changes when one is gone.
RELATIVE_COLUMNS = ("load_id", "r_score", "f_score", "m_score", "rfm_segment")
RELATIVE = {
    *("conversion_funnel", "lifecycle_funnel", "mailbox_provider_health", "source_coverage"),
    *("customer_behaviour", "customer_brand_groups", "customer_channels", "customer_contact_times"),
    *("customer_rfm", "customer_rfm_history", "rfm_cut_points", "lookalike_audiences"),
}
# Ids in the contract that are no person's, and of nothing that a person has.
OF_NOBODY = {
    *("brand_id", "product_id", "replacement_product_id", "accessory_of_product_id"),
    *("campaign_id", "store_id", "till_id", "content_id"),
}
_SYNC = """
destination: mautic
audience: Best customers
segment: champions
brand: domowo
options:
  url: https://mautic.example.com
"""


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Person:
    """Somebody in the demo group, and what nobody else has."""

    customer_id: str
    values: dict[str, str]
    own: set[str] = field(default_factory=set)

    @property
    def searched(self) -> set[str]:
        """What must be nowhere: the own values as they are, and their hashes without a key."""
        texts = {value.lower() for value in self.own}
        hashes = {found for value in self.own for found in unkeyed_hashes({"email": value})}
        hashes |= {found for value in self.own for found in unkeyed_hashes({"phone": value})}
        return texts | hashes | {hashlib.sha256(text.encode()).hexdigest() for text in texts}


@dataclass
class Erasure:
    """One erasure of several people, of a data folder that was built before."""

    paths: Paths
    before: Paths
    anna: Person
    ewa: Person
    device: str
    shared_phone: str
    told: list[Told]
    said: list[str]
    refusals: list[str]
    environment: Mapping[str, str]
    mautic: Mautic

    @property
    def erased(self) -> list[str]:
        return query(self.paths.warehouse, "select customer_id from registry.erased_customers")

    def proofs(self) -> list[dict[str, object]]:
        return [json.loads(file.read_text()) for file in sorted(self.paths.erasure.glob("*.json"))]

    def run(self, *who: str, environment: Mapping[str, str] | None = None) -> list[Told]:
        with data_folder(self.paths):
            return eraser(self.paths, environment or self.environment).erase(who)


def query(file: Path, sql: str, parameters: Mapping[str, object] | None = None) -> list[str]:
    with duckdb.connect(str(file), read_only=True) as connection:
        return [value for (value,) in connection.execute(sql, dict(parameters or {})).fetchall()]


def eraser(
    paths: Paths, environment: Mapping[str, str], progress: Callable[[str], None] = quiet
) -> Eraser:
    return Eraser(paths, progress, environment, lambda _seconds: None, 60)


def person(warehouse: Path, customer_id: str) -> Person:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        found = connection.execute(
            "select email, phone, first_name, last_name, street from pii.customers "
            "where customer_id = ?",
            [customer_id],
        )
        names = [each[0] for each in found.description or ()]
        values = dict(zip(names, found.fetchall()[0], strict=True))
        own = connection.execute(
            """
            select seen.id_value
            from entities.identifier_sightings as seen
            left join identity.records as records using (record_key)
            where seen.id_type in ('email', 'phone')
            group by seen.id_type, seen.id_value
            having bool_and(records.customer_id is not distinct from ?)
            """,
            [customer_id],
        ).fetchall()
    return Person(customer_id, values, {value for (value,) in own})


def somebody(warehouse: Path) -> str:
    """A customer with an account, several orders, an address of their own and a phone."""
    return query(
        warehouse,
        """
        select min(customer_id)
        from marts.customers
        inner join pii.customers as personal using (customer_id)
        where
            order_count > 3 and personal.street is not null
            and personal.phone is not null and personal.email is not null
            and erasure_requested_at is null
        """,
    )[0]


def ask(paths: Paths, anna: Person, ewa: Person, shared_phone: str) -> None:
    """Three people ask to be forgotten, in a raw table that has been built; one has two ids."""
    requests = [
        ("E-1", "email", anna.values["email"]),
        ("E-2", "email", ewa.values["email"]),
        ("E-3", "phone", shared_phone),
    ]
    with duckdb.connect(str(paths.warehouse)) as warehouse:
        warehouse.execute("create schema if not exists raw_tables")
        warehouse.execute(
            "create table raw_tables.erasure_requests (source_system varchar, "
            "request_id varchar, requested_at timestamp, email varchar, phone varchar)"
        )
        for request_id, kind, value in requests:
            deliver_request(warehouse, request_id, kind, value)
        warehouse.execute(
            "insert into marts.customer_id_history by name "
            "select * replace (? as customer_id, 'merged' as status) "
            "from marts.customer_id_history where customer_id = ?",
            [OLD_ID, anna.customer_id],
        )


def deliver_request(
    warehouse: duckdb.DuckDBPyConnection, request_id: str, kind: str, value: str
) -> None:
    """As a raw table of the warehouse brings it, and a build reads it."""
    named = {"id": request_id, "value": value}
    warehouse.execute(
        f"insert into raw_tables.erasure_requests by name select 'demo_shop' as source_system, "
        f"$id as request_id, timestamp '2026-06-30' as requested_at, $value as {kind}",
        named,
    )
    warehouse.execute(
        "insert into entities.erasure_requests values "
        "('demo_shop:' || $id, timestamp '2026-06-30', $kind, $value, 1)",
        {**named, "kind": kind},
    )


def plant(paths: Paths, anna: Person, other_account: str) -> bytes:
    """Leave the person where nobody thinks of; what the landed file has to say at the end."""
    email, street = anna.values["email"], anna.values["street"]
    [account] = query(
        paths.warehouse,
        "select max(source_record_id) from identity.records where customer_id = $id "
        "and source_entity = 'accounts'",
        {"id": anna.customer_id},
    )
    notes = paths.landing / "demo_service" / "notes" / "2026-07-01.csv"
    head = "note_id,brand_id,noted_at,account_id,email,department,action,effect,text\r\n"
    start = "domowo,2026-06-30T10:00:00"
    mine = f'N-1,{start},{account},,service,called,none,"two\r\nlines"\r\n'
    other = f"N-2,{start},{other_account},,service,called,none,nothing\r\n"
    told = f'N-3,{start},{other_account},,service,called,none,"ask {email.upper()}, soon"\r\n'
    like = f"N-4,{start},{other_account},,service,called,none,ask x{email}\r\n"
    bad = f"N-5,{start},,{email},service,called,none,one,column,too,many\r\n"
    notes.write_bytes((head + mine + other + told + like + bad).encode())
    with data_folder(paths):
        load_new_files(paths, load_contract(), datetime.now(UTC).replace(tzinfo=None), quiet)
    text = f"{email} {anna.values['first_name']} {anna.values['last_name']} {street}"
    for place in (
        "logs/dbt.log",
        "reports/data_docs/page.html",
        "dagster/history/old.txt",
        "exports/payloads/best/1/00001-add.json",
        "warehouse.duckdb.damaged-20260101T000000",
        "replays/2026-01-01/note.txt",
        "serving/serving-20200101T000000000000Z-aaaa.duckdb",
    ):
        file = paths.data / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    blank = told.replace(email.upper(), "erased")
    return (head + "\r\n\r\n" + other + blank + like + "\r\n").encode()


def hold_at_destination(paths: Paths, customer: Person) -> None:
    """A destination took the person, and rejected a later change."""
    with opened_exports(paths.exports, quiet) as store:
        store.execute(
            "insert into exports.members by name select 'best' as sync_id, $id as customer_id, "
            "'held' as status, [$email] as identifiers, 'x' as content_hash, 'r' as run_id, "
            "1 as place, timestamp '2026-06-30' as requested_at",
            {"id": customer.customer_id, "email": customer.values["email"]},
        )
        store.execute(
            "insert into exports.dead_letters by name "
            "select 'best' as sync_id, $id as customer_id, "
            "'add' as action, 'x' as content_hash, 'bad' as reason, 1 as attempts, "
            "timestamp '2026-06-30' as first_failed_at, timestamp '2026-06-30' as next_try_at",
            {"id": customer.customer_id},
        )


def kill_at(step: str, said: list[str]) -> Callable[[str], None]:
    def tell(line: str) -> None:
        said.append(line)
        if line == f"== {step}":
            raise Killed

    return tell


def erase_in_pieces(
    paths: Paths, environment: Mapping[str, str], said: list[str]
) -> tuple[list[Told], list[str]]:
    """Begin while a build runs, and be killed before every step; builds are tried in between."""
    refusals = []
    with data_folder(paths):
        with ExitStack() as running:
            running.enter_context(build_lock(paths.lock, "the build", 0, quiet))

            def let_it_end(line: str) -> None:
                said.append(line)
                if line.startswith("waiting for the build"):
                    running.close()
                if line == "== entomb":
                    raise Killed

            with pytest.raises(Killed):
                eraser(paths, environment, let_it_end).erase(())
        for step in KILLED_AT:
            with pytest.raises(Killed):
                eraser(paths, environment, kill_at(step, said)).erase(())
            if step == "scrub":
                with pytest.raises(BuildError) as refused:
                    build(paths)
                refusals.append(str(refused.value))
                journal = read_journal(paths)
                assert journal
                switch(paths, journal.moves[::2])  # Killed while files take their places.
        return eraser(paths, environment, said.append).erase(()), refusals


@pytest.fixture(scope="module")
def erasure(demo: Paths, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Erasure]:
    """All that the demo's sources ask for, and two people of ours."""
    root = tmp_path_factory.mktemp("erase")
    paths = copy_built(demo, Paths(root / "data"))
    ewa_id, device = one_of_two_at_a_device(paths.warehouse)
    anna, ewa = person(paths.warehouse, somebody(paths.warehouse)), person(paths.warehouse, ewa_id)
    [shared_phone] = query(
        paths.warehouse,
        "select min(id_value) from identity.identifiers "
        "where status = 'shared' and id_type = 'phone'",
    )
    [other_account] = query(
        paths.warehouse,
        "select min(source_record_id) from identity.records where source_entity = 'accounts' "
        "and not list_contains($ids, customer_id)",
        {"ids": [anna.customer_id, ewa.customer_id]},
    )
    ask(paths, anna, ewa, shared_phone)
    landed = plant(paths, anna, other_account)
    hold_at_destination(paths, anna)
    documents = root / "syncs"
    documents.mkdir()
    (documents / "best.yml").write_text(_SYNC)
    mautic = Mautic()
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch, services({"mautic": mautic}) as (environment, _):
        patch.setattr(runs, "read_syncs", lambda names: syncs.read_syncs(names, documents))
        nowhere = {**environment, "MAUTIC_URL": "http://127.0.0.1:9"}
        told, refusals = erase_in_pieces(paths, nowhere, said)
        notes = paths.landing / "demo_service" / "notes" / "2026-07-01.csv"
        assert notes.read_bytes() == landed
        yield Erasure(
            *(paths, demo, anna, ewa, device, shared_phone),
            *(told, said, refusals, environment, mautic),
        )


def files_that_hold(paths: Paths, texts: set[str], aside: str = "-") -> list[str]:
    """Every file with one of the texts in it, whether DuckDB packed it or not; the text `aside` is
    somebody else's.
    """
    return sorted(
        str(file.relative_to(paths.data))
        for file in paths.data.rglob("*")
        if file.is_file() and holds(file, texts, aside)
    )


def holds(file: Path, texts: set[str], aside: str = "-") -> bool:
    return any(
        text.encode() in content.replace(aside.lower().encode(), b"")
        for content in contents(file)
        for text in texts
    )


def contents(file: Path) -> Iterator[bytes]:
    """The bytes of a file, and each of its tables as text."""
    whole = file.read_bytes().lower()
    yield whole
    is_database = whole[8:12] == b"duck"
    if file.suffix != ".parquet" and not is_database:
        return
    with duckdb.connect() as connection:
        relations = [f"read_parquet('{file}')"]
        if is_database:
            connection.execute(f"attach '{file}' as held (read_only)")
            relations = [
                f'held."{schema}"."{table}"'
                for schema, table in connection.execute(
                    "select schema_name, table_name from duckdb_tables() "
                    "where database_name = 'held'"
                ).fetchall()
            ]
        for relation in relations:
            [(rows,)] = connection.execute(
                f"select lower(string_agg(row_text, chr(10))) from (select cast(row as varchar) "
                f"as row_text from {relation} as row)"
            ).fetchall()
            yield (rows or "").encode()


def test_no_file_holds_the_person(erasure: Erasure) -> None:
    """E-mails, phones and their hashes; names with a street; all of it but what is owed."""
    anna = erasure.anna
    name = f"{anna.values['first_name']} {anna.values['last_name']}".lower()
    searched = anna.searched | erasure.ewa.searched
    assert files_that_hold(erasure.before, searched)
    like = f"x{anna.values['email']}"
    assert files_that_hold(erasure.paths, searched, like) == ["exports/store.duckdb"]
    for file in (erasure.paths.warehouse, erasure.paths.serving.resolve()):
        assert not holds(file, {name})
    assert not journal_folder(erasure.paths).exists()
    orders = (erasure.paths.raw / "orders").rglob("*.parquet")
    [addresses] = query(
        erasure.paths.warehouse,
        "select count(*) from read_parquet($files, union_by_name = true) "
        "where lower(recipient_name) = $name and delivery_street = $street",
        {"files": list(map(str, orders)), "name": name, "street": anna.values["street"]},
    )
    assert int(addresses) == 0


def test_everybody_elses_rows_are_unchanged(erasure: Erasure) -> None:
    """Whatever names a customer in the marts, save for what compares customers."""
    changed = []
    with duckdb.connect() as connection:
        register(connection)
        connection.execute("set TimeZone = 'UTC'")
        for name, paths in (("before", erasure.before), ("after", erasure.paths)):
            connection.execute(f"attach '{paths.warehouse}' as {name} (read_only)")
        tables = connection.execute(
            """
            select schema_name, table_name, string_agg(column_name, ', ' order by column_name)
            from duckdb_columns() inner join duckdb_tables()
            using (database_name, schema_name, table_name)
            where
                database_name = 'after' and schema_name in ('marts', 'pii', 'audiences')
                and not list_contains($relative, column_name)
            group by all
            having bool_or(column_name = 'customer_id')
            """,
            {"relative": RELATIVE_COLUMNS},
        ).fetchall()
        # Whoever had a device with one of them has it alone now.
        near = connection.execute(
            "select customer_id from after.entities.identifier_sightings "
            "inner join after.identity.records using (record_key) where id_value = $device",
            {"device": erasure.device},
        ).fetchall()
        assert len(tables) > 30
        for schema, table, columns in tables:
            rows = [
                f"select {columns} from {name}.{schema}.{table} "
                "where not list_contains($ids, customer_id)"
                for name in ("before", "after")
            ]
            [(different,)] = connection.execute(
                f"select count(*) from ((({rows[0]}) except all ({rows[1]})) "
                f"union all (({rows[1]}) except all ({rows[0]})))",
                {"ids": [*erasure.erased, OLD_ID, *(customer_id for (customer_id,) in near)]},
            ).fetchall()
            if different and table not in RELATIVE:
                changed.append((table, different))
    assert changed == []


def test_all_ids_say_that_they_were_erased(erasure: Erasure) -> None:
    """The one that was merged away too; whoever shared a device has it alone now."""
    assert {OLD_ID, erasure.anna.customer_id, erasure.ewa.customer_id} <= set(erasure.erased)
    assert read_stopped(erasure.paths) >= set(erasure.erased)
    assert query(
        erasure.paths.warehouse,
        "select status from marts.customer_id_history where list_contains($ids, customer_id)",
        {"ids": [erasure.anna.customer_id, erasure.ewa.customer_id]},
    ) == ["erased", "erased"]
    assert query(
        erasure.paths.warehouse,
        "select status from identity.identifiers where id_value = $device",
        {"device": erasure.device},
    ) == ["conducting"]


def test_a_request_waits_for_a_build_and_builds_wait_for_half_written_files(
    erasure: Erasure,
) -> None:
    assert any(line.startswith("waiting for the build") for line in erasure.said)
    assert ["make erase" in refusal for refusal in erasure.refusals] == [True]
    for step in ("entomb", "scrub", "rebuild"):  # Begun twice each, done once.
        assert erasure.said.count(f"== {step}") >= 2
    assert find_new_files(erasure.paths) == []


def test_whoever_shares_an_identifier_is_not_erased_by_it(erasure: Erasure) -> None:
    [unclear] = [told for told in erasure.told if told.is_open]
    assert "is shared by" in unclear.line
    assert erasure.shared_phone not in unclear.line
    held = "select count(*) from entities.identifier_sightings where id_value = $phone"
    phone = {"phone": erasure.shared_phone}
    now, then = (query(paths.warehouse, held, phone) for paths in (erasure.paths, erasure.before))
    assert now == then


def test_the_proof_says_what_where_and_when_and_nothing_personal(erasure: Erasure) -> None:
    proofs = [proof for proof in erasure.proofs() if proof["result"] == "erased"]
    assert len(proofs) == len([told for told in erasure.told if "erased: " in told.line])
    [proof] = [proof for proof in proofs if proof["destinations"] == ["best"]]
    rows, tables = proof["rows"], proof["tables"]
    assert isinstance(rows, dict)
    assert isinstance(tables, dict)
    assert rows["landing"] > 3
    assert rows["raw"] > 3
    assert rows["quarantine"] == 1
    assert tables["marts.orders"] > 3
    assert proof["erased_at"] <= proof["finished_at"]  # type: ignore[operator]
    for each in proofs:
        for customer_id in erasure.erased:
            assert customer_id not in json.dumps(each)


def test_an_old_file_brings_nobody_back(erasure: Erasure, tmp_path: Path) -> None:
    """A backup of the files is landed again under other names; what is refused has no values."""
    paths = Paths(tmp_path / "data")
    shutil.copytree(erasure.paths.registry, paths.registry)
    for entity in ("accounts", "orders", "order_lines"):
        shutil.copytree(
            erasure.before.landing / "demo_shop" / entity, paths.landing / "demo_shop" / entity
        )
    now = datetime.now(UTC).replace(tzinfo=None)
    with data_folder(paths):
        load_new_files(paths, load_contract(), now, quiet)
    refused = {
        entity: sum(
            load.reasons.get("erased", 0) for load in read_ledger(paths) if load.entity == entity
        )
        for entity in ("accounts", "orders", "order_lines")
    }
    assert min(refused.values()) >= 1
    searched = erasure.anna.searched | erasure.ewa.searched
    held = files_that_hold(paths, searched)
    assert held
    assert all(file.startswith("landing/") for file in held)
    with data_folder(paths), pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGMENT_OF_ONE_PEPPER", "another")
        shutil.rmtree(paths.raw)
        with pytest.raises(PepperError, match="Set the one from before"):
            load_new_files(paths, load_contract(), now, quiet)


def test_under_another_pepper_nobody_is_erased(
    erasure: Erasure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proofs could not be continued, and the tombstones would be of two kinds."""
    monkeypatch.setenv("SEGMENT_OF_ONE_PEPPER", "another")
    with pytest.raises(PepperError, match="Set the one from before"):
        erasure.run("nobody@nowhere.example")
    assert not journal_folder(erasure.paths).exists()


def test_a_destination_that_was_silent_is_told_later(erasure: Erasure) -> None:
    """Until then the proof says that a removal is owed. Nobody is built again for it."""
    [owing] = [proof for proof in erasure.proofs() if proof["owed"]]
    assert owing["owed"] == ["best"]
    builds = "select count(*) from meta.builds"
    before = query(erasure.paths.warehouse, builds)
    told = erasure.run()
    assert [each.is_open for each in told] == [True]  # The phone of several is still asked about.
    assert [proof["owed"] for proof in erasure.proofs() if proof["destinations"]] == [[]]
    assert query(erasure.paths.warehouse, builds) == before
    like = f"x{erasure.anna.values['email']}"
    assert files_that_hold(erasure.paths, erasure.anna.searched, like) == []


def test_twice_is_done_already_and_an_unknown_person_is_proved_unknown(erasure: Erasure) -> None:
    builds = "select count(*) from meta.builds"
    before = query(erasure.paths.warehouse, builds)
    email = erasure.anna.values["email"]
    told = erasure.run(email.upper(), "nobody@nowhere.example", "no name", erasure.anna.customer_id)
    lines = {each.place: each.line for each in told}
    assert lines["name 1 of 4"].startswith("erased before, nothing found since: ")
    assert lines["name 2 of 4"].startswith("nothing found: ")
    assert "write it in full" in lines["name 3 of 4"]
    assert lines["name 4 of 4"].startswith("erased before, nothing found since: ")
    assert not any(email in line.lower() for line in lines.values())
    [proof] = [proof for proof in erasure.proofs() if proof["result"] == "nothing found"]
    assert proof["rows"] == {}
    assert query(erasure.paths.warehouse, builds) == before


def test_the_daily_job_works_off_what_was_delivered(erasure: Erasure) -> None:
    """It builds in the middle of its run. Who shares a phone is left for a person to read."""
    ola = person(erasure.paths.warehouse, somebody(erasure.paths.warehouse))
    assert files_that_hold(erasure.paths, ola.searched)
    with duckdb.connect(str(erasure.paths.warehouse)) as warehouse:
        deliver_request(warehouse, "E-4", "email", ola.values["email"])
    with data_folder(erasure.paths):
        job = build_definitions().resolve_job_def("erase")
        with dg.DagsterInstance.ephemeral() as instance:
            result = job.execute_in_process(instance=instance)
            said = [str(each).lower() for each in instance.all_logs(result.run_id)]
    [made] = result.asset_materializations_for_node("erasures")
    assert (made.metadata["answered"].value, made.metadata["open"].value) == (1, 1)
    [check] = result.get_asset_check_evaluations()
    assert not check.passed
    assert files_that_hold(erasure.paths, ola.searched) == []
    assert ola.customer_id in erasure.erased
    assert said
    assert not [line for line in said if any(text in line for text in ola.searched)]


def test_every_column_that_names_somebody_makes_a_mark() -> None:
    """Else rows of an entity, or a column, that is new in the contract would be left behind."""
    values = {"email": "anna@brak.pl", "phone": "+48501502503"}
    markless = []
    with duckdb.connect() as connection:
        prepare(connection)
        for entity in load_contract().values():
            for column in entity.column_names:
                kind = next((each for each in values if column.endswith(each)), None)
                if column in OF_NOBODY or not (kind or column.endswith("_id")):
                    continue
                value = values[kind] if kind else "X-17"
                names = dict.fromkeys(entity.key, "'-'") | {column: f"'{value}'"}
                given = ", ".join(f"{text} as {name}" for name, text in names.items())
                row = f"(select 'demo_shop' as source_system, {given})"
                query = marks_query(entity, row, list(names), "1 as place")
                [(marks,)] = connection.execute(f"select marks from ({query})").fetchall()
                if not any(value in mark for mark in marks):
                    markless.append((entity.name, column))
    assert markless == []


@pytest.mark.parametrize(
    ("text", "is_alone"),
    [
        ("anna@brak.pl", True),
        ("write to <ANNA@brak.pl>, please", True),
        ("she is anna@brak.pl.", True),
        ("mailto:anna@brak.pl?subject=order", True),
        ('{"note": "\\u0061sk anna@brak.pl"}', True),
        ("xanna@brak.pl", False),
        ("joanna.anna@brak.pl", False),
        ("anna@brak.pl.example", False),
        ("anna@brak.play", False),
        ("Łanna@brak.pl", False),
    ],
)
def test_an_address_within_another_is_not_the_persons(text: str, is_alone: bool) -> None:
    """The same in what finds a word in tables, and in what takes it out."""
    word = "anna@brak.pl"
    assert bool(alone([word]).search(text)) is is_alone
    pattern = pattern_of([word])
    assert query_text("select regexp_matches($text, $pattern)", text.lower(), pattern) is is_alone


def query_text(sql: str, text: str, pattern: str) -> object:
    return duckdb.execute(sql, {"text": text, "pattern": pattern}).fetchall()[0][0]


def test_a_file_that_came_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    """Nor does one come back that its source has removed."""
    moves = []
    for name in ("same", "newer", "removed"):
        target, draft = tmp_path / name, tmp_path / f".erasing-{name}"
        target.write_text("as it was")
        draft.write_text("without the person")
        moves.append(Move(draft.name, target.name, target.stat().st_mtime_ns))
    os.utime(tmp_path / "newer", ns=(1, 1))
    (tmp_path / "removed").unlink()
    switch(Paths(tmp_path), moves)
    held = {file.name: file.read_text() for file in tmp_path.iterdir()}
    assert held == {"same": "without the person", "newer": "as it was"}


def test_whoever_is_found_at_the_end_is_looked_for_again(tmp_path: Path) -> None:
    """The erasure stays open, and names files, nobody."""
    paths = Paths(tmp_path)
    note = tmp_path / "notes.txt"
    note.write_text("ask anna@brak.pl")
    steps = ["entomb", "remember", "forget", "stage", "scrub", "renew", "rebuild", "clean"]
    trace = Trace("request", ("anna@brak.pl",), (), ())
    write_journal(paths, Journal("2026-06-30", "2026-07-01", [], {}, [trace], done=steps))
    with pytest.raises(ErasureError, match="1 files still hold somebody") as raised:
        eraser(paths, {}).erase(())
    assert "notes.txt" in str(raised.value)
    assert "anna" not in str(raised.value)
    journal = read_journal(paths)
    assert journal
    assert journal.done == ["entomb", "remember", "forget"]


def test_a_table_of_the_warehouse_loses_rows_and_words() -> None:
    with duckdb.connect() as warehouse:
        warehouse.execute("create table notes (place integer, note varchar, told varchar)")
        warehouse.execute("""
            insert into notes values
                (1, 'of the person', null),
                (2, 'ask ANNA@brak.pl or xanna@brak.pl', null),
                (3, 'nothing', 'anna@brak.pl')
        """)
        change_table(warehouse, "notes", Touched({0: "r"}, {1: {"anna@brak.pl": "r"}}))
        assert warehouse.execute("from notes order by place").fetchall() == [
            (2, "ask erased or xanna@brak.pl", None),
            (3, "nothing", "anna@brak.pl"),
        ]


def test_a_compacted_file_has_nothing_of_what_was_deleted(tmp_path: Path) -> None:
    """Views and other schemas go; a log that a killed process left is read before."""
    file = tmp_path / "store.duckdb"
    with duckdb.connect(str(file)) as store:
        store.execute("create schema kept; create schema dropped")
        store.execute("create table kept.people (email varchar not null, place integer)")
        store.execute("create table dropped.people as select 'anna@brak.pl' as email")
        store.execute("insert into kept.people values ('anna@brak.pl', 1), ('ewa@brak.pl', 2)")
        store.execute("checkpoint")
        store.execute("delete from kept.people where place = 1")
    rewrite(file, ("kept",))
    assert b"anna@brak.pl" not in file.read_bytes()
    assert sorted(tmp_path.iterdir()) == [file]
    with duckdb.connect(str(file)) as store:
        assert store.execute("from kept.people").fetchall() == [("ewa@brak.pl", 2)]
        with pytest.raises(duckdb.ConstraintException):
            store.execute("insert into kept.people values (null, 3)")
