"""What Mautic knows comes back as files of the data contract, each row once."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from orchestration.activation.destination import Connection, DeniedError
from orchestration.activation.destinations.mautic import MauticOptions, open_api
from orchestration.activation.mautic_import import contract_rows, import_contacts
from orchestration.activation.stand_in.mautic import PASSWORD, USER, Contact, Mautic
from orchestration.activation.stand_in.server import stand_in
from orchestration.contract import load_contract
from orchestration.ingest.loader import create_raw_views, load_new_files
from orchestration.paths import PROJECT, Paths

FIRST = datetime(2026, 7, 1, 4, 0, 0)  # noqa: DTZ001
SECOND = datetime(2026, 7, 2, 4, 0, 0)  # noqa: DTZ001


@contextmanager
def served(api: Mautic, password: str = PASSWORD) -> Iterator[httpx.Client]:
    with stand_in({"mautic": api}) as server:
        secrets = {"USER": USER, "PASSWORD": password}
        yield open_api(MauticOptions(), Connection(f"{server.url}/mautic", secrets))


def contact(number: int, **more: Any) -> Contact:
    fields = {"email": f"a{number}@example.com", "firstname": "Łukasz", "mobile": "+48501502503"}
    return Contact(number, fields, **more)


def blocked(number: int, channel: str, reason: int) -> dict[str, Any]:
    return {
        "id": number,
        "dateAdded": "2026-06-05T10:00:00+02:00",
        "reason": reason,
        "comments": "",
        "channel": channel,
        "channelId": None,
    }


def holding(*contacts: Contact) -> Mautic:
    return Mautic(contacts={each.contact_id: each for each in contacts})


def loaded(paths: Paths, sql: str) -> list[tuple[Any, ...]]:
    """Rows of a query after the next load, of which no row may stay behind."""
    contract = load_contract()
    load_new_files(paths, contract, SECOND, lambda _line: None)
    assert not list(paths.quarantine.rglob("*.parquet"))
    with closing(duckdb.connect()) as connection:
        create_raw_views(connection, paths, contract)
        return connection.execute(sql).fetchall()


def test_contacts_tags_stages_and_withdrawals_come_back(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    api = holding(
        contact(1, stage=2, tags={"vip", "newsletter", "cdp_best"}),
        contact(2, blocked=[blocked(7, "email", 1), blocked(8, "sms", 3)]),
        contact(3, blocked=[blocked(9, "email", 2), blocked(10, "fax", 1)]),
        Contact(4, {"firstname": "a visitor"}),
    )
    with served(api) as client:
        landed = import_contacts(client, paths.landing, "mautic", "domowo", FIRST)
    assert landed == {"contacts": 3, "attributes": 6, "consent_events": 2}
    assert loaded(
        paths,
        "select source_system, contact_id, email, phone, first_name, is_subscribed "
        "from raw.contacts order by contact_id",
    ) == [
        ("mautic", "1", "a1@example.com", "+48501502503", "Łukasz", None),
        ("mautic", "2", "a2@example.com", "+48501502503", "Łukasz", False),
        ("mautic", "3", "a3@example.com", "+48501502503", "Łukasz", None),
    ]
    assert loaded(
        paths,
        "select contact_id, attribute, value from raw.attributes "
        "where value is not null order by all",
    ) == [("1", "mautic_stage", "active"), ("1", "mautic_tags", "newsletter,vip")]
    assert loaded(
        paths,
        "select contact_id, purpose, channel, decision, occurred_at::text "
        "from raw.consent_events order by channel",
    ) == [
        ("2", "marketing", "email", "withdrawn", "2026-06-05 08:00:00"),
        ("2", "marketing", "sms", "withdrawn", "2026-06-05 08:00:00"),
    ]


def test_only_what_is_new_lands_again(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    api = holding(contact(1, stage=1), contact(2))
    with served(api) as client:
        import_contacts(client, paths.landing, "mautic", "domowo", FIRST)
        files = sorted(paths.landing.rglob("*"))
        again = import_contacts(client, paths.landing, "mautic", "domowo", SECOND)
        assert again == {"contacts": 0, "attributes": 0, "consent_events": 0}
        assert sorted(paths.landing.rglob("*")) == files
        api.contacts[1].stage = None
        api.contacts[1].changed_at = "2026-07-01T12:00:00+00:00"
        api.contacts[2].blocked.append(blocked(7, "email", 1))
        changed = import_contacts(client, paths.landing, "mautic", "domowo", SECOND)
    assert changed == {"contacts": 2, "attributes": 2, "consent_events": 1}
    assert loaded(
        paths,
        "select attribute, value from raw.attributes where contact_id = '1' "
        "and attribute = 'mautic_stage' order by observed_at",
    ) == [("mautic_stage", "new"), ("mautic_stage", None)]


def test_more_contacts_than_a_page_all_come_back(tmp_path: Path) -> None:
    with served(holding(*(contact(number) for number in range(1, 402)))) as client:
        landed = import_contacts(client, tmp_path, "mautic", "domowo", FIRST)
    assert landed["contacts"] == 401


def test_nobody_at_mautic_lands_nothing(tmp_path: Path) -> None:
    with served(Mautic()) as client:
        import_contacts(client, tmp_path, "mautic", "domowo", FIRST)
    assert list(tmp_path.rglob("*")) == []


def test_a_bad_password_lands_nothing(tmp_path: Path) -> None:
    with served(holding(contact(1)), "wrong") as client, pytest.raises(DeniedError):
        import_contacts(client, tmp_path, "mautic", "domowo", FIRST)
    assert list(tmp_path.rglob("*")) == []


def test_rows_have_the_columns_of_the_contract_and_all_that_are_required() -> None:
    shown = {
        "id": 5,
        "dateAdded": "2026-01-01T08:00:00+00:00",
        "fields": {"all": {"email": "a@example.com"}},
        "tags": [],
        "stage": None,
        "doNotContact": [blocked(1, "email", 1)],
    }
    contract = load_contract()
    for entity, rows in contract_rows([shown], {}, "domowo").items():
        required = {column.name for column in contract[entity].columns if column.required}
        for row in rows:
            assert set(row) <= set(contract[entity].column_names)
            assert required <= {name for name, value in row.items() if value is not None}
            assert json.loads(json.dumps(row)) == row


def test_the_command_lands_what_is_new_and_says_how_much(tmp_path: Path) -> None:
    with stand_in({"mautic": holding(contact(1), contact(2))}) as server:
        environment = {
            **os.environ,
            "SEGMENT_OF_ONE_DATA": str(tmp_path),
            "MAUTIC_URL": f"{server.url}/mautic",
            "MAUTIC_USER": USER,
            "MAUTIC_PASSWORD": PASSWORD,
        }
        command = [sys.executable, "-m", "orchestration", "import-mautic", "domowo"]
        done = subprocess.run(
            command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
        )
    assert "contacts        2 new rows" in done.stdout, done.stderr
    assert len(list((tmp_path / "landing" / "mautic" / "contacts").iterdir())) == 1
    environment |= {"MAUTIC_PASSWORD": ""}
    done = subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, "set the environment variables MAUTIC_PASSWORD\n")
