"""By which marks a raw row says whose it is.

A mark is the name of a record (`system:entity:id`: the row's own, that of the person whom it names,
that of the document it hangs on), or an identifier (`identifier email:...`). The models read the
same columns; who is mapped to whom is theirs (macros/naming/person_record.sql, seeds/systems.csv).
"""

from collections.abc import Collection, Mapping
from graphlib import TopologicalSorter

import duckdb

from orchestration.contract import Entity
from orchestration.ingest.sql import quote_files, quote_name, quote_text
from orchestration.paths import PROJECT
from orchestration.warehouse.functions import register
from orchestration.warehouse.macros import macro_sql

IDENTIFIER = "identifier "  # No system is called so: what begins with it is no name of a record.

# The shop's own tables name accounts, orders and visitors of their own system.
_OF_THE_SHOP = ("accounts", "orders", "order_lines", "returns")
_PEOPLE = ("accounts", "loyalty_cards", "contacts")
_NAMES_OF_PEOPLE = {
    "account_id": ("account_system", "accounts"),
    "card_id": ("card_system", "loyalty_cards"),
    "contact_id": ("source_system", "contacts"),
}
_DOCUMENTS = {
    "order_id": ("account_system", "orders"),
    "receipt_id": ("card_system", "receipts"),
    "cart_id": ("source_system", "carts"),
    "case_id": ("source_system", "cases"),
    "message_id": ("source_system", "messages"),
}
# Identifiers that carry the system of their id.
_IDS = {
    "account_id": ("account", "account_system"),
    "friend_account_id": ("account", "account_system"),
    "card_id": ("card", "card_system"),
    "contact_id": ("contact", "source_system"),
    "visitor_id": ("cookie", "account_system"),
}
_EMAILS = ("email", "friend_email")


def prepare(connection: duckdb.DuckDBPyConnection) -> bool:
    """Give a connection, and all cursors of its database, what the SQL of marks reads: functions,
    and seeds as tables of a catalogue `erasing` in memory. False when they have it already.
    """
    known = "select 1 from duckdb_databases() where database_name = 'erasing'"
    if connection.execute(known).fetchall():
        return False
    register(connection)
    connection.execute("attach ':memory:' as erasing")
    for seed in ("systems", "brands"):
        file = quote_files([PROJECT / "seeds" / f"{seed}.csv"])
        connection.execute(
            f"create table erasing.{seed} as from read_csv({file}, all_varchar = true)"
        )
    return True


def parents_first(contract: Mapping[str, Entity]) -> list[Entity]:
    """The entities in an order in which a document comes before what hangs on it."""
    graph = {
        entity.name: sorted({name for _, _, name in _documents(entity)} & set(contract))
        for entity in contract.values()
    }
    return [contract[name] for name in TopologicalSorter(graph).static_order()]


def marks_query(entity: Entity, relation: str, columns: Collection[str], keys: str) -> str:
    """SQL that gives the rows of `relation` with their `keys` (a select list), own_name, marks,
    happened_at (NULL when nobody knows), and written: what was typed for e-mails and phones, with
    the mark that it makes.

    `columns` are those that the relation has of the contract, beside source_system.
    """
    names = sorted({*entity.column_names, "brand_id"})
    given = [
        f"{quote_name(name) if name in columns else 'null'}::varchar as {quote_name(name)}"
        for name in names
    ]
    times = [quote_name(name) for name in (entity.version, entity.event_at) if name]
    written = [f"{{'mark': {mark}, 'text': {text}}}" for mark, text in _written(entity)]
    return f"""
        with given as (
            select {keys}, source_system, {", ".join(given)} from {relation}
        ),
        owned as (
            select
                given.*,
                {_system_of(entity, "account_system")} as account_system,
                {_system_of(entity, "card_system")} as card_system,
                brands.calling_code
            from given
            left join erasing.systems as systems on given.source_system = systems.source_system
            left join erasing.brands as brands on given.brand_id = brands.brand_id
        )
        select
            * exclude (
                {", ".join(map(quote_name, names))},
                source_system, account_system, card_system, calling_code
            ),
            {_name("source_system", entity.name, *entity.key)} as own_name,
            list_filter([{", ".join(_marks(entity))}], lambda mark: mark is not null) as marks,
            try_cast(coalesce({", ".join([*times, "null"])}) as timestamp) as happened_at,
            {f"[{', '.join(written)}]" if written else "[]::struct(mark varchar, text varchar)[]"}
                as written
        from owned
    """


def email_sql(typed: str) -> str:
    """SQL of the e-mail identifier in a typed text."""
    return macro_sql("email_identifier", macro_sql("normalise_email", typed))


def phone_sql(typed: str, calling_code: str) -> str:
    """SQL of the phone number in a typed text."""
    return macro_sql("normalise_phone", typed, calling_code)


def hash_sql(mark: str) -> str:
    """SQL of the keyed hash of a mark, as registry.erased_records keeps it."""
    return macro_sql("erased_record", mark)


def is_document(entity: Entity) -> bool:
    """Whether rows of other entities may hang on one of this entity."""
    known = {name for _, name in (*_NAMES_OF_PEOPLE.values(), *_DOCUMENTS.values())}
    return entity.name in known


def _system_of(entity: Entity, column: str) -> str:
    if entity.name in _OF_THE_SHOP:
        return "given.source_system"
    return f"coalesce(systems.{column}, given.source_system)"


def _name(system: str, entity: str, *key: str) -> str:
    ids = " || ':' || ".join(map(quote_name, key))
    return f"{system} || {quote_text(f':{entity}:')} || {ids}"


def _marks(entity: Entity) -> list[str]:
    identifiers = [
        f"{quote_text(f'{IDENTIFIER}{kind}:')} || {value}" for kind, value in _ids(entity)
    ]
    return [
        _name("source_system", entity.name, *entity.key),
        *_names_of_person(entity),
        *_names_of_documents(entity),
        *identifiers,
        *(mark for mark, _ in _written(entity)),
    ]


def _names_of_person(entity: Entity) -> list[str]:
    """SQL of the record of the person whom the row names, unless it is one itself."""
    if entity.name == "identifiers":
        return ["source_system || ':' || record_entity || ':' || record_id"]
    if entity.name in _PEOPLE:
        return []
    names = [
        _name(system, name, column)
        for column, (system, name) in _NAMES_OF_PEOPLE.items()
        if column in entity.column_names
    ]
    return [f"coalesce({', '.join(names)})"] if names else []


def _documents(entity: Entity) -> list[tuple[str, str, str]]:
    """Column, system and entity of each document that a row may hang on."""
    return [
        (column, "source_system" if column in entity.references else system, name)
        for column, (system, name) in _DOCUMENTS.items()
        if column in entity.column_names and name != entity.name
    ]


def _names_of_documents(entity: Entity) -> list[str]:
    """SQL of the documents on which the row hangs: by the contract, or as it names nobody else.

    The order of a referral is the friend's, and the friend has an account.
    """
    people = [
        quote_name(name)
        for name in (*_NAMES_OF_PEOPLE, "email", "phone")
        if name in entity.column_names
    ]
    names = []
    for column, system, document in _documents(entity):
        name = _name(system, document, column)
        if people and column not in entity.references:
            name = f"case when coalesce({', '.join(people)}) is null then {name} end"
        names.append(name)
    return names


def _ids(entity: Entity) -> list[tuple[str, str]]:
    """Kind and SQL of the identifiers that the row names by an id."""
    return [
        (kind, f"{system} || ':' || {quote_name(column)}")
        for column, (kind, system) in _IDS.items()
        if column in entity.column_names
    ]


def _written(entity: Entity) -> list[tuple[str, str]]:
    """SQL of the marks of identifiers that people type, and of what was typed."""
    found = [
        (f"'{IDENTIFIER}email:' || {email_sql(column)}", column)
        for column in _EMAILS
        if column in entity.column_names
    ]
    if "phone" in entity.column_names:
        found.append((f"'{IDENTIFIER}phone:' || {phone_sql('phone', 'calling_code')}", "phone"))
    if entity.name == "identifiers":
        found.append((f"{quote_text(IDENTIFIER)} || id_type || ':' || {_other()}", "id_value"))
    return found


def _other() -> str:
    """As models/staging/identity/stg_identity__identifiers.sql reads them."""
    return f"""case id_type
            when 'email' then {email_sql("id_value")}
            when 'phone' then {phone_sql("id_value", "calling_code")}
            when 'account' then account_system || ':' || id_value
            when 'cookie' then account_system || ':' || id_value
            when 'card' then card_system || ':' || id_value
            when 'social' then lower(trim(id_value))
            when 'app_device' then lower(trim(id_value))
            when 'fingerprint' then trim(id_value)
            else source_system || ':' || id_value
        end"""
