"""Decides for each row of an open file whether it can be loaded, and why not.

Only what a typed table needs is decided here: the row can be read, its values have the types
of the contract, required ones are there, it is not from the future and not there already.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from orchestration.contract import Column, Entity
from orchestration.ingest.readers import FRACTIONS, INTEGERS, TEXT, OpenFile, base_type
from orchestration.ingest.sql import quote_files, quote_name, quote_text

CLOCK_SKEW = timedelta(days=1)
PLANNED = {"ended_at", "closed_at", "discontinued_at"}  # may well lie in the future
DAYS = {"DATE", "TIMESTAMP"}
FIRST_YEAR, LAST_YEAR = 1900, 2100

INTEGER = r"[+-]?\d+"
NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
DATE = r"\d{4}-\d{2}-\d{2}"
TIMESTAMP = DATE + r"([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}(:?\d{2})?)?)?"


def reject_bad_rows(
    connection: duckdb.DuckDBPyConnection, entity: Entity, opened: OpenFile, now: datetime
) -> None:
    """Create `checked`, with typed columns, and the table `rejected` (_row, reason).

    Of several reasons the first counts. The session's time zone and `now` must be UTC.
    """
    columns = [(quote_name(c.name), c) for c in entity.columns]
    connection.execute(f"""
        create temp {"view" if opened.is_columnar else "table"} checked as
        with typed as (
            select
                _row,
                _error,
                _extra,
                {_list(f"{name} as {_given(c)}" for name, c in columns)},
                {_list(f"{_typed(c, opened.types[c.name])} as {name}" for name, c in columns)}
            from given
        ),
        plausible as (
            select * replace ({_list(f"{_plausible(c)} as {name}" for name, c in columns)})
            from typed
        )
        select
            _row,
            {_reason(entity, opened.types, now)} as _reason,
            _extra,
            {_list(name for name, _ in columns)}
        from plausible
    """)
    connection.execute("""
        create temp table rejected as
        select _row, _reason as reason from checked where _reason is not null
    """)


def reject_duplicates(
    connection: duckdb.DuckDBPyConnection, entity: Entity, earlier: Sequence[Path]
) -> None:
    """Add to `rejected` what repeats an earlier row of the file or a row of earlier raw files.

    An event is repeated when its key is, a record when its key and its version are.
    """
    parts = _identity(entity)
    keys = ", ".join(f"key_{number}" for number in range(len(parts)))
    selected = ", ".join(f"{part} as key_{number}" for number, part in enumerate(parts))
    connection.execute(f"""
        create temp view keys as
        select _row, {selected} from checked anti join rejected using (_row)
    """)
    # Hashes find the few keys that may be repeated, so that only these are sorted.
    connection.execute(f"""
        insert into rejected
        with suspects as (
            select hash({keys}) as key_hash from keys group by key_hash having count(*) > 1
        ),
        counted as (
            select _row, row_number() over (partition by {keys} order by _row) as occurrence
            from keys
            where hash({keys}) in (select key_hash from suspects)
        )
        select _row, 'duplicate key' from counted where occurrence > 1
    """)
    if not earlier:
        return
    first, last = connection.execute("select min(key_0), max(key_0) from keys").fetchall()[0]
    connection.execute(
        f"""
        insert into rejected
        with earlier as (
            select {selected}
            from read_parquet({quote_files(earlier)}, hive_partitioning = false)
            where {parts[0]} between ? and ?
        )
        select _row, 'duplicate key' from keys semi join earlier using ({keys})
        """,
        [first, last],
    )


def latest_event_at(entity: Entity) -> str:
    """SQL of the latest time at which something happened; NULL where the entity has no time."""
    times = [quote_name(name) for name in (entity.version, entity.event_at) if name]
    return f"max(greatest({', '.join(times) or 'null::timestamp'}))"


def _identity(entity: Entity) -> list[str]:
    """SQL of the values that no two rows have in common."""
    key = [quote_name(name) for name in entity.key]
    times = [quote_name(name) for name in (entity.version, entity.event_at) if name]
    if entity.kind == "record" and times:
        key.append(f"coalesce({', '.join(times)})")
    return key


def _reason(entity: Entity, given_types: Mapping[str, str], now: datetime) -> str:
    """SQL of the first reason not to load a row; NULL for a good one. It shows no value."""
    columns = entity.columns
    latest = (now + CLOCK_SKEW).isoformat(sep=" ")
    reasons = [
        *(
            (f"contains({_given(c)}, chr(0))", "NUL byte")
            for c in columns
            if given_types[c.name] == TEXT
        ),
        (r"contains(_extra, '\u0000')", "NUL byte"),
        *(
            (
                f"{quote_name(c.name)} is null and {_given(c)} is not null",
                f"wrong type in {c.name}: expected {c.data_type}",
            )
            for c in columns
        ),
        *((f"{quote_name(c.name)} is null", f"missing {c.name}") for c in columns if c.required),
        *(
            (f"{quote_name(c.name)} > timestamp '{latest}'", f"future date in {c.name}")
            for c in columns
            if base_type(c.data_type) in DAYS and c.name.endswith("_at") and c.name not in PLANNED
        ),
    ]
    cases = [f"when {failed} then {quote_text(reason)}" for failed, reason in reasons]
    return "case when _error is not null then _error " + " ".join(cases) + " end"


def _typed(column: Column, given_type: str) -> str:
    """SQL of the value in the type of the contract; NULL when it is of another type."""
    value, wanted = quote_name(column.name), column.data_type
    if given_type.upper() == wanted.upper():
        return value
    if given_type == TEXT:
        return _parsed(value, wanted)
    if base_type(given_type) in FRACTIONS and base_type(wanted) in INTEGERS:
        return f"case when {value} = trunc({value}) then try_cast({value} as {wanted}) end"
    if base_type(wanted) == "DATE":
        return f"try_cast(try_cast({value} as timestamp) as date)"
    return f"try_cast({value} as {wanted})"


def _parsed(text: str, wanted: str) -> str:
    """SQL that reads a text strictly: a cast alone takes 1.5 and 1_0 for an integer.

    It would also drop the offset of a time, were it not cast as one with a time zone first.
    """
    match base_type(wanted):
        case "BOOLEAN":
            return (
                f"case when lower({text}) in ('true', 't', 'yes', '1') then true "
                f"when lower({text}) in ('false', 'f', 'no', '0') then false end"
            )
        case "DATE":
            return _matching(text, DATE, f"try_cast({text} as date)")
        case "TIMESTAMP":
            as_utc = f"try_cast(try_cast({text} as timestamptz) as timestamp)"
            return _matching(text, TIMESTAMP, as_utc)
        case kind:
            pattern = INTEGER if kind in INTEGERS else NUMBER
            return _matching(text, pattern, f"try_cast({text} as {wanted})")


def _matching(text: str, pattern: str, value: str) -> str:
    return f"case when regexp_full_match({text}, {quote_text(pattern)}) then {value} end"


def _plausible(column: Column) -> str:
    """SQL of the typed value; NULL when it is no real date or no finite number."""
    value = quote_name(column.name)
    if base_type(column.data_type) in DAYS:
        return f"case when year({value}) between {FIRST_YEAR} and {LAST_YEAR} then {value} end"
    if base_type(column.data_type) == "DOUBLE":
        return f"case when isfinite({value}) then {value} end"
    return value


def _given(column: Column) -> str:
    """Name of what the file gave for the column."""
    return quote_name(f"given {column.name}")


def _list(items: Iterable[str]) -> str:
    return ",\n                ".join(items)
