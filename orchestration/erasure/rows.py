"""Which rows of raw tables, landed files and quarantine are an erased person's.

The names that say whose a row is decide (marks). What is written in rows of others is found as
well: an address of the person in a note about somebody else, the name on a gift.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from orchestration.contract import Entity, load_contract
from orchestration.erasure.marks import IDENTIFIER, is_document, marks_query, parents_first
from orchestration.erasure.tombstones import erased_query
from orchestration.ingest.ledger import read_ledger
from orchestration.ingest.sql import quote_files, quote_name, quote_text
from orchestration.paths import Paths

_SHORTEST = 6  # Characters of what is searched for: fewer are found by chance.
_NAMES = ("first_name", "last_name", "street")
# What is not ASCII is a letter, save for invisible spaces; classes of Unicode take long to compile.
_LETTER = r"a-z0-9\x{a1}-\x{1fff}\x{2070}-\x{10ffff}"
_BEFORE = rf"(?:^|[^{_LETTER}_.%+-])"
_AFTER = rf"(?:$|[^{_LETTER}_.-]|[.](?:$|[^{_LETTER}]))"


@dataclass(frozen=True)
class Trace:
    """What a person's rows say that nobody else's do, in lower case: texts (addresses and numbers
    as they were typed, and as the models write them), names with their street, and ids.
    """

    request_id: str
    texts: tuple[str, ...]
    names: tuple[tuple[str, ...], ...]
    ids: tuple[str, ...]


def follow(connection: duckdb.DuckDBPyConnection, paths: Paths) -> list[Trace]:
    """Add to the temporary table `marks` the documents of the people whose marks it has, and tell
    what of them is written in raw tables. The connection is one to the warehouse.
    """
    connection.execute("create or replace temp table texts (request_id varchar, text varchar)")
    connection.execute(
        "create or replace temp table names (request_id varchar, "
        + ", ".join(f"{name} varchar" for name in _NAMES)
        + ")"
    )
    for entity in parents_first(load_contract()):
        for relation, columns in _raw_relations(connection, paths, entity):
            _follow(connection, entity, relation, columns)
    connection.execute(f"""
        insert into texts
        select request_id, unnest([value, ltrim(value, '+')])
        from (
            select request_id, regexp_replace(mark, '^{IDENTIFIER}(email|phone):', '') as value
            from marks
            where regexp_matches(mark, '^{IDENTIFIER}(email|phone):')
        )
    """)
    rows = connection.execute(f"""
        with written as (
            select request_id, lower(trim(text)) as text
            from texts
            where length(trim(text)) >= {_SHORTEST}
            group by all
        ),
        named as (
            select
                request_id,
                list(distinct [{", ".join(f"lower({name})" for name in _NAMES)}]) as names
            from names
            group by request_id
        ),
        numbered as (
            select request_id, list(distinct regexp_replace(mark, '^.*:', '')) as ids
            from marks
            group by request_id
        )
        select
            numbered.request_id,
            list(written.text order by written.text) filter (written.text is not null),
            any_value(named.names),
            any_value(numbered.ids)
        from numbered
        left join written using (request_id)
        left join named using (request_id)
        group by numbered.request_id
        order by numbered.request_id
    """).fetchall()
    return [
        Trace(
            request_id,
            tuple(texts or ()),
            tuple(sorted(map(tuple, named or ()))),
            tuple(sorted(ids)),
        )
        for request_id, texts, named, ids in rows
    ]


def _follow(
    connection: duckdb.DuckDBPyConnection, entity: Entity, relation: str, columns: Collection[str]
) -> None:
    is_named = set(_NAMES) <= set(columns)
    keys = ", ".join(f"{name} as own_{name}" for name in _NAMES) if is_named else "1 as key"
    connection.execute(f"""
        create or replace temp table found as
        with marked as ({marks_query(entity, relation, columns, keys)}),
        borne as (
            select *, unnest(marks) as mark from marked
        )
        select borne.* exclude (mark, marks, happened_at), marks.request_id
        from borne
        inner join marks using (mark)
    """)
    connection.execute("""
        insert into texts
        select marks.request_id, each.text
        from (select unnest(written) as each from found)
        inner join marks on each.mark = marks.mark
        group by all
    """)
    if is_document(entity):
        connection.execute("""
            insert into marks
            select own_name, min(request_id)
            from found
            where own_name not in (select mark from marks)
            group by own_name
        """)
    if is_named:
        theirs = ", ".join(f"own_{name}" for name in _NAMES)
        both = " and ".join(f"lower(others.{name}) = lower(own_{name})" for name in _NAMES)
        # A namesake in the same street keeps what only the two of them have.
        connection.execute(f"""
            insert into names
            select request_id, {theirs}
            from found
            where
                {" and ".join(f"own_{name} <> ''" for name in _NAMES)}
                and not exists (
                    from {relation} as others
                    where {both} and others.source_system || ':{entity.name}:' || {entity.key[0]}
                        not in (select own_name from found)
                )
            group by all
        """)


def _raw_relations(
    connection: duckdb.DuckDBPyConnection, paths: Paths, entity: Entity
) -> Iterator[tuple[str, list[str]]]:
    """The raw files of an entity, and the table raw_tables.<entity>, with their columns."""
    relations = [raw_relation(paths, entity), own_relation(connection, entity)]
    for relation in filter(None, relations):
        yield relation, contract_columns(connection, entity, relation)


def raw_relation(paths: Paths, entity: Entity) -> str | None:
    """SQL of all raw files of an entity; None without any."""
    loads = [load for load in read_ledger(paths) if load.entity == entity.name and load.raw_file]
    files = quote_files(paths.raw / str(load.raw_file) for load in loads)
    options = "hive_partitioning = false, union_by_name = true"
    return f"read_parquet({files}, {options})" if loads else None


def own_relation(connection: duckdb.DuckDBPyConnection, entity: Entity) -> str | None:
    """SQL of the table raw_tables.<entity> of the warehouse with row_number; None without it."""
    columns = connection.execute(
        "select lower(column_name) from duckdb_columns() where schema_name = 'raw_tables' "
        "and database_name = current_database() and table_name = $name",
        {"name": entity.name},
    ).fetchall()
    if not columns:
        return None
    system = "" if ("source_system",) in columns else ", 'warehouse' as source_system"
    return f"(select rowid as row_number, *{system} from raw_tables.{quote_name(entity.name)})"


def contract_columns(
    connection: duckdb.DuckDBPyConnection, entity: Entity, relation: str
) -> list[str]:
    """The columns of the contract that a relation has."""
    described = connection.execute(f"describe select * from {relation}").fetchall()
    return sorted({name.lower() for name, *_ in described} & set(entity.column_names))


# --- Rows that go -------------------------------------------------------------------------------


def prepare_rows(
    connection: duckdb.DuckDBPyConnection, hashes: Mapping[str, str], traces: Sequence[Trace]
) -> None:
    """Make the tables `erasing.requests` and `erasing.texts`: which request a hash is of, and which
    texts. `marked_rows` and `written_rows` read them.
    """
    texts = [
        (trace.request_id, text, pattern_of([text])) for trace in traces for text in trace.texts
    ]
    for table, columns, rows in (
        ("requests", ("record_hash", "request_id"), list(hashes.items())),
        ("texts", ("request_id", "text", "pattern"), texts),
    ):
        arrays = [
            pa.array([row[place] for row in rows], pa.string()) for place in range(len(columns))
        ]
        connection.register("arrived", pa.table(arrays, names=list(columns)))
        connection.execute(f"create table erasing.{table} as from arrived")
        connection.unregister("arrived")


def marked_rows(entity: Entity, relation: str, columns: Collection[str], keys: str) -> str:
    """SQL of the rows that bear a tombstone: their keys, and the request ('' of an earlier one)."""
    return f"""
        select erased.* exclude (record_hash), coalesce(requests.request_id, '') as request_id
        from ({erased_query(entity, relation, columns, keys)}) as erased
        left join erasing.requests as requests using (record_hash)
    """


def written_rows(relation: str, keys: str, text: str, texts: Collection[str]) -> str:
    """SQL of the rows in whose `text` one of the people's texts stands: their keys, the request,
    the word, and whether it stands alone: an address within another is not the person's.
    """
    found = f"regexp_matches(lower({text}), {quote_text(any_of(texts))})" if texts else "false"
    return f"""
        select
            said.* exclude (said_text),
            texts.request_id,
            texts.text as word,
            regexp_matches(said.said_text, texts.pattern) as is_alone
        from (select {keys}, lower({text}) as said_text from {relation} where {found}) as said
        inner join erasing.texts as texts on contains(said.said_text, texts.text)
    """


def gift_rows(
    relation: str, columns: Collection[str], keys: str, traces: Sequence[Trace]
) -> str | None:
    """SQL of the orders that went to the person, by name and street, as `written_rows`: the word
    is the recipient's name. None where nobody is named.
    """
    names = [(trace.request_id, *name) for trace in traces for name in trace.names]
    if not names or not {"recipient_name", "delivery_street"} <= set(columns):
        return None
    values = ", ".join(f"({', '.join(map(quote_text, name))})" for name in names)
    return f"""
        select {keys}, named.request_id, orders.recipient_name as word, true as is_alone
        from {relation} as orders
        inner join (values {values}) as named (request_id, first_name, last_name, street)
            on
                contains(lower(orders.delivery_street), named.street)
                and contains(lower(orders.recipient_name), named.first_name)
                and contains(lower(orders.recipient_name), named.last_name)
    """


def any_of(texts: Collection[str]) -> str:
    """A regular expression, of RE2, of any of these texts in lower case; "" when there is none."""
    return "|".join(map(_literal, sorted(texts)))


def pattern_of(texts: Collection[str]) -> str:
    """As `any_of`, where the text stands alone: within an address is another address."""
    return f"{_BEFORE}(?:{any_of(texts)}){_AFTER}" if texts else ""


def alone(words: Collection[str]) -> re.Pattern[str]:
    """The pattern of `pattern_of` for Python, without what stands beside it, in whatever case.

    In JSON a letter may be written by its number.
    """
    written = {form for word in words for form in (word, json.dumps(word)[1:-1])}
    found = "|".join(map(re.escape, sorted(written, key=len, reverse=True)))
    return re.compile(rf"(?<![\w.%+-])(?:{found})(?![\w-]|\.\w)", re.IGNORECASE)


def _literal(text: str) -> str:
    return re.sub(r"[^\w@]", lambda sign: f"\\x{{{ord(sign[0]):x}}}", text)
