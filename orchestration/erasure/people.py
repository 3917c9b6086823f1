"""Who is meant by a request, and by which marks the rows of the person are known.

The records of a person are those that the identity graph of the last build says; an identifier is
the person's own when no other customer's record holds it. Who shares a phone or a device loses
nothing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import duckdb

from orchestration.erasure.marks import IDENTIFIER, email_sql, hash_sql, phone_sql
from orchestration.warehouse.macros import macro_sql

Verdict = Literal["known", "unknown", "erased before", "unclear"]

_CUSTOMER = re.compile(r"c[0-9a-f]{19}")

# Grain: one row per name that was given and customer whom it may mean: of the records that hold an
# identifier, and the one whose graph it joins.
_MEANT = """
create or replace temp table meant as
with held as (
    select asked.*, records.customer_id
    from asked
    inner join entities.identifier_sightings as seen using (id_type, id_value)
    inner join identity.records as records using (record_key)
),
joined as (
    select asked.*, clusters.customer_id
    from asked
    inner join identity.identifiers as known using (id_type, id_value)
    inner join identity.clusters as clusters using (node)
),
recorded as (
    select asked.*, records.customer_id
    from asked
    left join entities.sales_documents as documents on asked.id_value = documents.document_key
    inner join identity.records as records
        on coalesce(documents.record_key, asked.id_value) = records.record_key
    where asked.id_type = 'record'
),
published as (
    select asked.*, coalesce(ids.current_customer_id, ids.customer_id) as customer_id
    from asked
    inner join marts.customer_id_history as ids on asked.id_value = ids.customer_id
    where asked.id_type = 'customer' and ids.status <> 'erased'
)
from held union from joined union from recorded union from published
"""

# Grain: one row per mark of somebody who is to be forgotten, with the request.
_MARKS = """
create or replace temp table marks as
with people as (
    select forgotten.request_id, ids.customer_id
    from forgotten
    inner join marts.customer_id_history as ids
        on forgotten.customer_id = coalesce(ids.current_customer_id, ids.customer_id)
),
given as (
    select asked.*
    from asked
    semi join answered on asked.request_id = answered.request_id
),
own_records as (
    select people.request_id, records.record_key
    from identity.records as records
    inner join people using (customer_id)
    union
    select request_id, id_value from given where id_type = 'record'
),
nearby as (
    select seen.id_type, seen.id_value
    from entities.identifier_sightings as seen
    semi join own_records using (record_key)
    union
    select id_type, id_value from given where id_type not in ('record', 'customer')
),
holders as (
    select
        nearby.id_type,
        nearby.id_value,
        seen.record_key,
        mine.request_id,
        records.customer_id is null as is_nobodys
    from nearby
    left join entities.identifier_sightings as seen using (id_type, id_value)
    left join own_records as mine using (record_key)
    left join identity.records as records using (record_key)
),
judged as (
    select
        holders.id_type,
        holders.id_value,
        coalesce(min(holders.request_id), min(given.request_id)) as request_id,
        bool_and(holders.request_id is not null or holders.record_key is null) as is_alone,
        bool_and(holders.request_id is not null or holders.is_nobodys) as is_without_rivals,
        bool_or(given.request_id is not null) as is_given
    from holders
    left join given using (id_type, id_value)
    group by holders.id_type, holders.id_value
),
own as (
    select judged.*
    from judged
    left join identity.identifiers as known using (id_type, id_value)
    left join identity.clusters as clusters using (node)
    where
        known.status is distinct from 'blocked'
        and (
            judged.is_alone
            -- Records of nobody, those of tests, go with whom the graph gives the identifier to.
            or (
                judged.is_without_rivals
                and known.status is distinct from 'shared'
                and coalesce(
                    clusters.customer_id in (select customer_id from people), judged.is_given
                )
            )
        )
),
found as (
    select request_id, record_key as mark from own_records
    union all
    select request_id, '{identifier}' || id_type || ':' || id_value from own
    union all
    select own.request_id, holders.record_key
    from own
    inner join holders using (id_type, id_value)
    where holders.record_key is not null
    union all
    select request_id, record_key from delivered
)
select mark, min(request_id) as request_id from found group by mark
"""


@dataclass(frozen=True)
class Request:
    """One person who asked. `named` are identifiers as the graph writes them, type and value;
    a customer id and the name of a record are among them, of the types customer and record.

    `rows` are the names of the raw rows that brought the request. `request_id` is a keyed hash,
    `place` says which request it is without a value. Times are UTC without saying so.
    """

    request_id: str
    place: str
    asked_at: datetime
    named: tuple[tuple[str, str], ...]
    rows: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What became clear of a request. Whoever is not unclear is erased wherever found, also who is
    known by nothing but what others say; `reason` says what is unclear.
    """

    request: Request
    verdict: Verdict
    customer_id: str | None = None
    reason: str | None = None


def given_requests(
    connection: duckdb.DuckDBPyConnection, who: Sequence[str], asked_at: datetime
) -> list[Request]:
    """A request for each text: a customer id, a record, an e-mail address or a phone number.

    A phone number without a calling code is one of no country, and so names nobody.
    """
    requests = []
    for number, text in enumerate(who, start=1):
        named = _read(connection, text.strip())
        [(request_id,)] = connection.execute(
            f"select left({macro_sql('keyed_hash', '$text')}, 12)",
            {"text": f"erasure:{named[0] if named else number}"},
        ).fetchall()
        requests.append(Request(request_id, f"name {number} of {len(who)}", asked_at, named))
    return requests


def delivered_requests(connection: duckdb.DuckDBPyConnection) -> list[Request]:
    """The requests that source systems have delivered; those that were fulfilled are gone."""
    request_id = macro_sql("keyed_hash", "'erasure request:' || request_key")
    rows = connection.execute(
        f"""
        select
            left({request_id}, 12) as request_id,
            min(requested_at) as asked_at,
            list({{'kind': id_type, 'value': id_value}} order by id_type, id_value),
            request_key
        from entities.erasure_requests
        group by request_key
        order by asked_at, request_id
        """
    ).fetchall()
    return [
        Request(
            request_id,
            f"delivered request {request_id}",
            asked_at,
            tuple((each["kind"], each["value"]) for each in named),
            (_row_name(request_key),),
        )
        for request_id, asked_at, named, request_key in rows
    ]


def answer(connection: duckdb.DuckDBPyConnection, requests: Sequence[Request]) -> list[Answer]:
    """Whom each request means, as the last build knows it. Nobody is guessed."""
    connection.execute(
        "create or replace temp table asked (request_id varchar, id_type varchar, id_value varchar)"
    )
    named = [(request.request_id, *pair) for request in requests for pair in request.named]
    if named:
        connection.executemany("insert into asked values (?, ?, ?)", named)
    connection.execute(_MEANT)
    customers: dict[str, list[set[str]]] = {}
    for request_id, meant in connection.execute(
        "select request_id, list(customer_id) from meant where customer_id is not null "
        "group by request_id, id_type, id_value"
    ).fetchall():
        customers.setdefault(request_id, []).append(set(meant))
    erased = _erased_before(connection)
    return [
        _judge(request, customers.get(request.request_id, []), request.request_id in erased)
        for request in requests
    ]


def find_marks(connection: duckdb.DuckDBPyConnection, answers: Sequence[Answer]) -> None:
    """Make the temporary table `marks`: mark, request_id, of all whom the answers erase."""
    connection.execute("""
        create or replace temp table answered (request_id varchar);
        create or replace temp table forgotten (request_id varchar, customer_id varchar);
        create or replace temp table delivered (request_id varchar, record_key varchar);
    """)
    for each in answers:
        request_id = each.request.request_id
        connection.execute("insert into answered values (?)", [request_id])
        if each.customer_id:
            connection.execute(
                "insert into forgotten values (?, ?)", [request_id, each.customer_id]
            )
        for name in each.request.rows:
            connection.execute("insert into delivered values (?, ?)", [request_id, name])
    connection.execute(_MARKS.format(identifier=IDENTIFIER))


def customer_ids(connection: duckdb.DuckDBPyConnection, current: Sequence[str]) -> list[str]:
    """All ids that these customers ever had."""
    rows = connection.execute(
        "select customer_id from marts.customer_id_history "
        "where list_contains($current, coalesce(current_customer_id, customer_id)) "
        "order by customer_id",
        {"current": list(current)},
    ).fetchall()
    return [customer_id for (customer_id,) in rows]


def _judge(request: Request, meant: Sequence[set[str]], was_erased: bool) -> Answer:
    alone = {customer for customers in meant if len(customers) == 1 for customer in customers}
    if not request.named:
        reason = (
            "is no customer id, record, e-mail address or phone number with its calling code: "
            "write it in full"
        )
        return Answer(request, "unclear", reason=reason)
    if len(alone) > 1:
        reason = (
            f"names {len(alone)} customers: nobody is erased; make explain tells why they are not "
            "one, then name each of them by the customer id"
        )
        return Answer(request, "unclear", reason=reason)
    if alone:
        return Answer(request, "known", alone.pop())
    if meant:
        reason = (
            f"is shared by {max(map(len, meant))} customers: nobody is erased; ask the person for "
            "another identifier (account, card, order), or name the customer id"
        )
        return Answer(request, "unclear", reason=reason)
    return Answer(request, "erased before" if was_erased else "unknown")


def _erased_before(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """The requests of which a name has a tombstone."""
    mark = f"if(id_type = 'record', '', '{IDENTIFIER}' || id_type || ':') || id_value"
    rows = connection.execute(
        f"""
        select request_id
        from asked
        where
            {hash_sql(f"({mark})")} in (select record_hash from registry.erased_records)
            or id_value in (select customer_id from registry.erased_customers)
        """
    ).fetchall()
    return {request_id for (request_id,) in rows}


def _read(connection: duckdb.DuckDBPyConnection, text: str) -> tuple[tuple[str, str], ...]:
    """What a text names; nothing when it cannot be read."""
    if _CUSTOMER.fullmatch(text):
        return (("customer", text),)
    if "@" not in text and text.count(":") >= 2:
        return (("record", text),)
    kind, sql = (
        ("email", email_sql("typed")) if "@" in text else ("phone", phone_sql("typed", "''"))
    )
    [(value,)] = connection.execute(
        f"select {sql} from (select $text::varchar as typed)", {"text": text}
    ).fetchall()
    return ((kind, value),) if value else ()


def _row_name(request_key: str) -> str:
    system, request_id = request_key.split(":", 1)
    return f"{system}:erasure_requests:{request_id}"
