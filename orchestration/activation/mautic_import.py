"""Brings back what Mautic knows: contacts, their tags and stage, and who may not be contacted.

They land as files of the data contract, one for each entity and reading, so that the next load
takes them like those of any other source. Only what has not landed yet is written. What Mautic
does not tell and so cannot come back: contacts that were deleted there, and when somebody became
contactable again.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from orchestration.activation.wire import call, json_text, told

# Tags of our own audiences say nothing new.
_OUR_TAGS = "cdp_"
_PAGE = 200
_CHANNELS = {"email": "email", "sms": "sms", "notification": "web_push"}
# Unsubscribed, and taken off by hand. A bounce, reason 2, is no decision of the person.
_DECIDED = {1, 3}

Rows = Mapping[str, list[dict[str, Any]]]


def import_contacts(
    client: httpx.Client, landing: Path, system: str, brand_id: str, now: datetime
) -> dict[str, int]:
    """Read all contacts of Mautic and land what is new; how many rows of each entity landed.

    `client` is of `destinations.mautic.open_api`, `system` the name of the source. Raises what a
    destination raises; nothing has landed then.
    """
    rows = contract_rows(read_contacts(client), read_stages(client), brand_id)
    landed = {}
    for entity, found in rows.items():
        folder = landing / system / entity
        before = set(_landed(folder))
        new = [json_text(row) for row in found]
        new = [line for line in new if line not in before]
        if new:
            _write(folder / f"{now:%Y-%m-%d_%H%M%S}.ndjson", new)
        landed[entity] = len(new)
    return landed


def read_contacts(client: httpx.Client) -> Iterator[Mapping[str, Any]]:
    """All contacts in the order of their ids, as Mautic tells them; visitors without a name too."""
    last = 0
    while True:
        # By the last id, not by a number of rows: a contact that is deleted meanwhile would push
        # another one out of the pages.
        where = {
            "where[0][col]": "id",
            "where[0][expr]": "gt",
            "where[0][val]": str(last),
            "orderBy": "id",
            "orderByDir": "ASC",
            "limit": str(_PAGE),
        }
        found = told(call(client, "GET", f"/contacts?{httpx.QueryParams(where)}"))["contacts"]
        contacts = sorted(_values(found), key=_contact_id)
        if not contacts:
            return
        yield from contacts
        last = _contact_id(contacts[-1])


def read_stages(client: httpx.Client) -> dict[int, str]:
    """The name of each stage by its id."""
    found = told(call(client, "GET", "/stages?limit=1000"))["stages"]
    return {int(stage["id"]): str(stage["name"]) for stage in _values(found)}


def contract_rows(
    contacts: Iterator[Mapping[str, Any]] | Sequence[Mapping[str, Any]],
    stages: Mapping[int, str],
    brand_id: str,
) -> Rows:
    """Rows of `contacts`, `attributes` and `consent_events` for whoever has an address or a phone.

    The attributes are `mautic_stage` and `mautic_tags`, the latter in the order of the alphabet.
    """
    rows: dict[str, list[dict[str, Any]]] = {
        "contacts": [],
        "attributes": [],
        "consent_events": [],
    }
    for contact in contacts:
        fields = contact["fields"]["all"]
        if not (fields.get("email") or fields.get("mobile") or fields.get("phone")):
            continue
        rows["contacts"].append(_contact(contact, fields, brand_id))
        rows["attributes"] += _attributes(contact, stages, brand_id)
        rows["consent_events"] += _withdrawals(contact, brand_id)
    return rows


def _contact(
    contact: Mapping[str, Any], fields: Mapping[str, Any], brand_id: str
) -> dict[str, Any]:
    unsubscribed = any(entry["channel"] == "email" for entry in _decisions(contact))
    return {
        "contact_id": str(contact["id"]),
        "brand_id": brand_id,
        "created_at": contact["dateAdded"],
        "updated_at": _changed_at(contact),
        "email": fields.get("email") or None,
        "phone": fields.get("mobile") or fields.get("phone") or None,
        "first_name": fields.get("firstname") or None,
        "last_name": fields.get("lastname") or None,
        # That nobody unsubscribed does not mean that they ever subscribed.
        "is_subscribed": False if unsubscribed else None,
    }


def _attributes(
    contact: Mapping[str, Any], stages: Mapping[int, str], brand_id: str
) -> Iterator[dict[str, Any]]:
    """Both attributes, also when there is none: that takes an earlier value back."""
    stage = contact.get("stage")
    tags = sorted(each["tag"] for each in contact.get("tags") or ())
    values = {
        "mautic_stage": stages.get(int(stage["id"])) if stage else None,
        "mautic_tags": ",".join(tag for tag in tags if not tag.startswith(_OUR_TAGS)) or None,
    }
    observed_at = contact.get("dateModified") or contact["dateAdded"]
    for attribute, value in values.items():
        yield {
            "attribute_id": f"{contact['id']}:{attribute}:{observed_at}",
            "brand_id": brand_id,
            "observed_at": observed_at,
            "contact_id": str(contact["id"]),
            "attribute": attribute,
            "value": value,
        }


def _withdrawals(contact: Mapping[str, Any], brand_id: str) -> Iterator[dict[str, Any]]:
    for entry in _decisions(contact):
        yield {
            "event_id": f"do_not_contact:{entry['id']}",
            "brand_id": brand_id,
            "occurred_at": entry["dateAdded"],
            "purpose": "marketing",
            "channel": _CHANNELS[entry["channel"]],
            "decision": "withdrawn",
            "contact_id": str(contact["id"]),
        }


def _decisions(contact: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What the person decided not to get, on channels that the project knows."""
    return [
        entry
        for entry in contact.get("doNotContact") or ()
        if int(entry["reason"]) in _DECIDED and entry["channel"] in _CHANNELS
    ]


def _changed_at(contact: Mapping[str, Any]) -> str | None:
    """When the contact last changed, do-not-contact included, which Mautic counts as no change."""
    times = [contact.get("dateModified"), *(entry["dateAdded"] for entry in _decisions(contact))]
    return max(filter(None, times), key=datetime.fromisoformat, default=None)


def _contact_id(contact: Mapping[str, Any]) -> int:
    return int(contact["id"])


def _values(found: Any) -> list[Mapping[str, Any]]:
    """PHP writes an empty object as a list."""
    return list(found.values()) if isinstance(found, dict) else list(found)


def _landed(folder: Path) -> Iterator[str]:
    """The rows that landed before, as they were written."""
    for file in sorted(folder.glob("*.ndjson")):
        yield from file.read_text().splitlines()


def _write(file: Path, lines: Sequence[str]) -> None:
    """A file appears as a whole or not at all: the loader skips unfinished ones."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".tmp")
    unfinished.write_text("".join(f"{line}\n" for line in lines))
    unfinished.replace(file)
