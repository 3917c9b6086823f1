"""Opens a landed file in DuckDB as two views that are alike for every format.

`given`    a row for each record: _row (1-based; blank lines and continued lines count),
           _error (why it cannot be read, or NULL), what the file gives for each column of the
           contract (texts trimmed, NULL when empty), _extra (JSON object of the other columns,
           NULL when there are none).
`records`  _row and record, what to keep of a row that goes to quarantine.
"""

import csv
import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from orchestration.contract import Column, Entity
from orchestration.ingest.csv_dialect import Dialect, choose_dialect
from orchestration.ingest.files import LandedFile, RefusedFileError
from orchestration.ingest.sql import quote_files, quote_name, quote_text

LONGEST_VALUE = 1000  # lines that one quoted value may fill; an unclosed quote would fill more
NOT_BLANK = "regexp_matches(text, '[^ ]')"
TEXT = "VARCHAR"
INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"}
UNSIGNED = {"UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"}
FRACTIONS = {"FLOAT", "DOUBLE", "DECIMAL"}
TIMES = {"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE"}
CASTABLE = {
    "TIMESTAMP": TIMES | {"DATE"},
    "DATE": TIMES,
    "INTEGER": INTEGERS | UNSIGNED | FRACTIONS,
    "BIGINT": INTEGERS | UNSIGNED | FRACTIONS,
    "DECIMAL": INTEGERS | UNSIGNED | FRACTIONS,
    "DOUBLE": INTEGERS | UNSIGNED | FRACTIONS,
}


@dataclass(frozen=True)
class OpenFile:
    """What is known of a file before its rows are checked.

    `rows` are counted in the file itself. `types` has the DuckDB type of each contract column
    in `given`. `record_text` is SQL that makes a text of `record`. To read a few columns of a
    columnar file again costs less than to keep a copy of what was read. `header_lines` stand
    before the first row of a CSV file; there are none in other files.
    """

    rows: int
    types: dict[str, str]
    new_columns: tuple[str, ...]
    record_text: str
    is_columnar: bool
    header_lines: int = 0


def open_file(connection: duckdb.DuckDBPyConnection, file: LandedFile, entity: Entity) -> OpenFile:
    """Create the views `given` and `records`, or refuse the file."""
    if file.format == "parquet":
        return _open_parquet(connection, file, entity)
    _read_lines(connection, file)
    return (_open_csv if file.format == "csv" else _open_ndjson)(connection, entity)


def lines_of(
    connection: duckdb.DuckDBPyConnection, opened: OpenFile, rows: Iterable[int]
) -> set[int]:
    """The lines, counted from 1, that rows of an open text file stand on."""
    first = {row + opened.header_lines for row in rows}
    if not opened.header_lines:
        return first
    joined = connection.execute("select line, last_line from joined").fetchall()
    return first.union(*(range(line, last + 1) for line, last in joined if line in first))


def base_type(data_type: str) -> str:
    """A type in upper case, without length or precision."""
    return data_type.upper().split("(")[0].strip()


# --- columns ---------------------------------------------------------------------------------


def _match_columns(names: Sequence[str], entity: Entity) -> tuple[dict[str, str], tuple[str, ...]]:
    """The file's name for each column of the contract, and its other columns."""
    normal = [name.strip().lower() for name in names]
    known = {
        column: name
        for column, name in zip(normal, names, strict=True)
        if column in entity.column_names
    }
    new = tuple(name for name in names if name not in known.values())
    missing = [c.name for c in entity.columns if c.required and c.name not in known]
    if missing:
        raise RefusedFileError(_explain_missing(missing, [name.strip() for name in new]))
    twice = sorted({name for name in normal if normal.count(name) > 1})
    if twice:
        raise RefusedFileError(f'two columns are called "{twice[0]}": remove or rename one')
    return known, new


def _explain_missing(missing: list[str], new: list[str]) -> str:
    if len(missing) > 1:
        return f"required columns {', '.join(map(quote_name, missing))} are missing"
    message = f"required column {quote_name(missing[0])} is missing"
    close = difflib.get_close_matches(missing[0], new, n=1) or (new if len(new) == 1 else [])
    if not close:
        return message
    return f"{message}; the file has {quote_name(close[0])}: was it renamed?"


def _given_columns(entity: Entity, values: Mapping[str, str]) -> str:
    """Select list of the contract's columns; one that the file lacks is a typed NULL."""
    return ",\n            ".join(
        f"{values.get(column.name, f'null::{column.data_type}')} as {quote_name(column.name)}"
        for column in entity.columns
    )


def _types(entity: Entity, types: Mapping[str, str]) -> dict[str, str]:
    return {column.name: types.get(column.name, column.data_type) for column in entity.columns}


def _extra(values: Mapping[str, str]) -> str:
    """SQL of the JSON object of values that are not NULL; NULL when there are none."""
    if not values:
        return "null::varchar"
    pairs = ", ".join(f"{quote_text(name)}, {value}" for name, value in values.items())
    return f"nullif(json_merge_patch('{{}}', json_object({pairs})), '{{}}')::varchar"


def _clean(text: str) -> str:
    return f"nullif(trim({text}), '')"


# --- lines of text ---------------------------------------------------------------------------


def _read_lines(connection: duckdb.DuckDBPyConnection, file: LandedFile) -> None:
    """Create `lines` (line, text) and `unreadable` (line, text, kind) from a text file.

    Lines and not DuckDB's CSV records: its reader stops at mixed line ends, lets an unclosed
    quote swallow the rows that follow, and does not tell the number of a row. A delimiter that
    no line can contain makes a line of each record; they come in the order of the file.
    """
    connection.execute(f"""
        create temp table lines as
        select row_number() over () as line, text
        from read_csv(
            {quote_files([file.path])}, compression = '{file.compression}',
            columns = {{'text': 'varchar'}}, auto_detect = false, header = false,
            delim = E'\\n', quote = '', escape = '', strict_mode = false, store_rejects = true
        )
    """)
    connection.execute("""
        create temp table unreadable as
        select line::bigint as line, min(csv_line) as text, min(lower(error_type)) as kind
        from reject_errors
        group by line
    """)
    if _number(connection, "select count(*) from unreadable"):
        _count_unreadable_lines(connection)


def _count_unreadable_lines(connection: duckdb.DuckDBPyConnection) -> None:
    """Make `line` the number in the file, where unreadable lines stand between the others."""
    connection.execute("""
        create or replace temp table lines as
        with skipped as (
            select line, row_number() over (order by line) as skipped from unreadable
        ),
        gaps as (
            select line - skipped + 1 as first_after, max(skipped) as skipped
            from skipped
            group by line - skipped
        )
        select lines.line + coalesce(gaps.skipped, 0) as line, lines.text
        from lines
        asof left join gaps on lines.line >= gaps.first_after
    """)


# --- CSV -------------------------------------------------------------------------------------


def _open_csv(connection: duckdb.DuckDBPyConnection, entity: Entity) -> OpenFile:
    header_line, dialect = _read_header(connection, entity)
    known, new = _match_columns(dialect.names, entity)
    _join_lines(connection, header_line, dialect)
    value = {
        name: _clean(f"fields[{position}]") for position, name in enumerate(dialect.names, start=1)
    }
    connection.execute(f"""
        create temp view records as
        select line - {header_line} as _row, text as record, null as _error
        from lines
        anti join continued using (line)
        where line > {header_line} and {NOT_BLANK}
        union all
        select line - {header_line}, text, null from joined
        union all
        select line - {header_line}, text, 'unreadable: ' || kind from unreadable
    """)
    connection.execute(f"""
        create temp view given as
        with split as (
            select
                _row,
                _error,
                contains(record, '"')
                    and not regexp_full_match(record, {quote_text(dialect.record)}) as is_broken,
                contains(record, chr(0)) as has_nul,
                {dialect.split("record")} as fields
            from records
        )
        select
            _row,
            case
                when _error is not null then _error
                when is_broken then 'unreadable: broken quotes'
                when has_nul then 'NUL byte'
                when len(fields) < {len(dialect.names)} then 'unreadable: too few columns'
                when len(fields) > {len(dialect.names)} then 'unreadable: too many columns'
            end as _error,
            {_given_columns(entity, {column: value[name] for column, name in known.items()})},
            {_extra({name: value[name] for name in new})} as _extra
        from split
    """)
    rows = _number(
        connection,
        f"""
        select
            (select count(*) from lines where line > {header_line} and {NOT_BLANK})
            - (select count(*) from lines semi join continued using (line) where {NOT_BLANK})
            + (select count(*) from joined)
            + (select count(*) from unreadable)
    """,
    )
    types = _types(entity, dict.fromkeys(known, TEXT))
    return OpenFile(rows, types, new, "record", False, header_line)


def _read_header(connection: duckdb.DuckDBPyConnection, entity: Entity) -> tuple[int, Dialect]:
    """Number of the first line that is not blank, and how it is written."""
    found = connection.execute(
        f"select line, text from lines where {NOT_BLANK} order by line limit 1"
    ).fetchall()
    unreadable = connection.execute("select min(line) from unreadable").fetchall()[0][0]
    if unreadable is not None and (not found or unreadable < found[0][0]):
        raise RefusedFileError("the header is not UTF-8: save the file as UTF-8")
    if not found:
        raise RefusedFileError("empty file: no header")
    line, text = found[0]
    try:
        return line, choose_dialect(text, entity.column_names)
    except csv.Error as error:
        raise RefusedFileError("the header cannot be read: deliver the file again") from error


def _join_lines(connection: duckdb.DuckDBPyConnection, header_line: int, dialect: Dialect) -> None:
    """Create `joined` (line, text) of records over several lines, and `continued` (line).

    A line whose quote stays open goes on up to the next line with an odd number of quotes,
    provided that this makes a record with the right number of columns. Otherwise it alone is
    broken, and the lines that follow are records of their own.
    """
    connection.execute(f"""
        create temp table joined as
        with odd as (
            select line, text, lead(line) over (order by line) as last_line
            from lines
            where line > {header_line}
                and (length(text) - length(replace(text, '"', ''))) % 2 = 1
        ),
        open as (
            select line as first_line, unnest(range(line, last_line + 1)) as line, last_line
            from odd
            where last_line - line < {LONGEST_VALUE}
                and not regexp_full_match(text, {quote_text(dialect.record)})
        ),
        candidates as (
            select
                open.first_line,
                open.last_line,
                string_agg(coalesce(lines.text, ''), chr(10) order by lines.line) as text
            from open
            join lines using (line)
            group by open.first_line, open.last_line
            having count(*) = open.last_line - open.first_line + 1
        ),
        records as (
            select first_line, last_line, text, max(last_line) over (
                order by first_line rows between unbounded preceding and 1 preceding
            ) as reached
            from candidates
            where regexp_full_match(text, {quote_text(dialect.record)})
                and len({dialect.split("text")}) = {len(dialect.names)}
        )
        select first_line as line, last_line, text
        from records
        where first_line > coalesce(reached, 0)
    """)
    connection.execute("""
        create temp table continued as
        select unnest(range(line, last_line + 1)) as line from joined
    """)


# --- NDJSON ----------------------------------------------------------------------------------


def _open_ndjson(connection: duckdb.DuckDBPyConnection, entity: Entity) -> OpenFile:
    connection.execute(f"""
        create temp view records as
        with texts as (
            select line as _row, text as record, null as _error
            from lines
            where {NOT_BLANK}
            union all
            select line, text, 'unreadable: ' || kind from unreadable
        )
        select
            _row,
            record,
            case
                when _error is not null then _error
                when not json_valid(record) then 'not valid JSON'
                when json_type(record) != 'OBJECT' then 'not valid JSON'
            end as _error
        from texts
    """)
    names = [
        name
        for (name,) in connection.execute("""
            select distinct unnest(case when _error is null then json_keys(record) end) as name
            from records
            order by name
        """).fetchall()
    ]
    known, new = _match_columns(names, entity) if names else ({}, ())
    given = {column: _clean(f"fields[{n}]") for n, column in enumerate(known, start=1)}
    pointers = ", ".join(quote_text(f"/{name}") for name in known.values())
    known_as_null = json.dumps(dict.fromkeys(known.values()))
    other = f"""
            nullif(
                json_merge_patch('{{}}', json_merge_patch(record, {quote_text(known_as_null)})),
                '{{}}'
            )::varchar"""
    connection.execute(f"""
        create temp view given as
        with objects as (
            select
                *,
                case when _error is null then json_extract_string(record, [{pointers}]) end
                    as fields
            from records
        )
        select
            _row,
            _error,
            {_given_columns(entity, given)},
            {f"case when _error is null then {other} end" if new else "null::varchar"} as _extra
        from objects
    """)
    rows = _number(
        connection,
        f"""
        select
            (select count(*) from lines where {NOT_BLANK})
            + (select count(*) from unreadable)
    """,
    )
    return OpenFile(rows, _types(entity, dict.fromkeys(known, TEXT)), new, "record", False)


# --- Parquet ---------------------------------------------------------------------------------


def _open_parquet(
    connection: duckdb.DuckDBPyConnection, file: LandedFile, entity: Entity
) -> OpenFile:
    files = quote_files([file.path])
    source = f"read_parquet({files}, file_row_number = true, hive_partitioning = false)"
    try:
        rows = _number(connection, f"select sum(num_rows) from parquet_file_metadata({files})")
        described = connection.execute(
            f"describe select * exclude (file_row_number) from {source}"
        ).fetchall()
    except duckdb.Error as error:
        raise RefusedFileError("cannot be read as Parquet: deliver the file again") from error
    types = {name: data_type for name, data_type, *_ in described}
    known, new = _match_columns(list(types), entity)
    given = {
        column.name: _give(column, known[column.name], types[known[column.name]])
        for column in entity.columns
        if column.name in known
    }
    connection.execute(f"""
        create temp view given as
        select
            file_row_number + 1 as _row,
            null::varchar as _error,
            {_given_columns(entity, {column: value for column, (value, _) in given.items()})},
            {_extra({name: quote_name(name) for name in new})} as _extra
        from {source}
    """)
    packed = ", ".join(f"{quote_name(name)} := {quote_name(name)}" for name in types)
    connection.execute(f"""
        create temp view records as
        select file_row_number + 1 as _row, struct_pack({packed}) as record
        from {source}
    """)
    given_types = {column: data_type for column, (_, data_type) in given.items()}
    return OpenFile(rows, _types(entity, given_types), new, "to_json(record)::varchar", True)


def _give(column: Column, name: str, data_type: str) -> tuple[str, str]:
    """SQL and type of a Parquet column: its own where a cast keeps the value, else text."""
    value, found, wanted = quote_name(name), base_type(data_type), base_type(column.data_type)
    if found == wanted != TEXT or found in CASTABLE.get(wanted, ()):
        return value, data_type
    if found in {"FLOAT", "DOUBLE"}:  # pandas makes 7.0 of the key 7 where another is missing
        text = rf"regexp_replace({value}::varchar, '\.0$', '')"
        return f"case when isfinite({value}) then {text} end", TEXT
    return _clean(f"{value}::varchar"), TEXT


def _number(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(connection.execute(query).fetchall()[0][0] or 0)
