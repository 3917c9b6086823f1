"""An audience as one file, in a folder on this machine or elsewhere.

Beside the file stands a hidden one with the members, which only this module reads: whoever takes
the file away, or opens and saves it, changes nothing of who is in the audience. A request changes
the members first, the file after that; each is replaced whole. After a crash between the two the
engine sends the request again, and the same members come out.

All values are texts, also in Parquet: a column has the same type whoever is a member.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from orchestration.activation.destination import (
    Action,
    Answer,
    Batch,
    DeniedError,
    Request,
    Row,
)
from orchestration.activation.wire import json_text, tag_of

# Removals need the customer_id alone. The address and the number are identifiers as well, so that
# the engine withholds one that somebody shares with a person who refused.
IDENTIFIERS = ("customer_id", "email", "phone")
COLUMNS = (
    *IDENTIFIERS,
    "first_name",
    "last_name",
    "gender",
    "birth_date",
    "street",
    "postal_code",
    "city",
    "country",
)
BATCH_ROWS = 100_000
BATCH_BYTES = 1_000_000_000

_SCHEMA = pa.schema([(name, pa.string()) for name in COLUMNS])
# What a spreadsheet would calculate. A number with a sign, such as a phone number, stays.
_FORMULA = r"^[=+\-@\t\r]"
_NUMBER = r"^[+-][0-9]+([.][0-9]+)?$"


class Folder(Protocol):
    """Where files stand. Both methods raise UnavailableError, and DeniedError where nothing may be
    read or written.
    """

    def read(self, name: str) -> bytes | None:
        """A whole file; None when there is none."""

    def replace(self, name: str, content: bytes) -> None:
        """Put a file in the place of another, so that a reader has one of them whole."""


@dataclass(frozen=True)
class Layout:
    """How the file is written. `guarded` texts of a CSV are never a formula in a spreadsheet: one
    that would be gets an apostrophe before it.
    """

    format: Literal["csv", "parquet"] = "csv"
    guarded: bool = False


class MemberFile:
    """A destination that keeps an audience as a file. Attributes are columns at its end."""

    def __init__(self, folder: Folder, layout: Layout) -> None:
        """Nothing is read or written."""
        self._folder = folder
        self._layout = layout
        self._tag: str | None = None

    def open(self, audience: str, known: str | None) -> str:
        """The name of the file without its ending. A new audience begins without members.

        Raises DeniedError where another sync has members under this name.
        """
        tag = known or tag_of(audience)
        if known is None:
            members = self._folder.read(_hidden(tag))
            if members is not None and _read(members).num_rows:
                raise DeniedError(
                    f"the folder holds members of another sync in {_hidden(tag)}: "
                    "give the audience another name, or remove that file"
                )
            self._folder.replace(_hidden(tag), _kept(_SCHEMA.empty_table()))
        self._tag = tag
        return tag

    def prepare(self, action: Action, rows: Sequence[Row], batch: Batch) -> Request:  # noqa: ARG002
        """The rows as columns of texts; of a removal the ids of the customers."""
        # Whoever stands there twice is the last of them.
        last = {row.customer_id: row.fields for row in rows}
        if action == "add":
            table = _table(last)
        else:
            table = pa.table({"customer_id": pa.array(list(last), pa.string())})
        # No service takes it as it is; what matters is what is held in memory.
        return Request(action, len(rows), table, table.nbytes, lambda: _text(action, table))

    def send(self, request: Request) -> Answer:
        """Change the members, then the file."""
        if self._tag is None:
            raise DeniedError("the audience is not open")
        before = self._folder.read(_hidden(self._tag))
        if before is None:
            raise DeniedError(
                f"{_hidden(self._tag)} is gone, and with it who is a member: put it back, "
                "or send the audience anew by a sync of another name"
            )
        members = changed(_read(before), request.action, request.body)
        self._folder.replace(_hidden(self._tag), _kept(members))
        self._folder.replace(f"{self._tag}.{self._layout.format}", self._shown(members))
        return Answer()

    def validate(self, request: Request) -> Answer:  # noqa: ARG002
        """A file takes every row."""
        return Answer()

    def _shown(self, members: pa.Table) -> bytes:
        if self._layout.format == "parquet":
            return _parquet(members)
        return _csv(members, self._layout.guarded)


def changed(members: pa.Table, action: Action, batch: pa.Table) -> pa.Table:
    """Members after a batch, by customer_id. A row takes the place of the one before it whole."""
    left = pc.invert(pc.is_in(members["customer_id"], value_set=batch["customer_id"]))
    stayed = members.filter(left)
    if action != "add":
        return stayed
    together = pa.concat_tables([stayed, batch], promote_options="default")
    return together.sort_by("customer_id")


def _hidden(tag: str) -> str:
    return f".{tag}.members"


def _table(people: Mapping[str, Mapping[str, Any]]) -> pa.Table:
    names = dict.fromkeys(COLUMNS)
    for fields in people.values():
        names |= dict.fromkeys(fields)
    columns = {name: [_cell(each.get(name)) for each in people.values()] for name in names}
    columns["customer_id"] = [*people]
    return pa.table({name: pa.array(cells, pa.string()) for name, cells in columns.items()})


def _cell(value: Any) -> str | None:
    """The text of a value: dates as ISO 8601, true and false, lists as JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool | list | tuple | dict):
        return json_text(value)
    return str(value)


def _text(action: Action, table: pa.Table) -> str:
    head = json.dumps({"action": action})[:-1]
    return f'{head}, "members": {json_text(table.to_pylist())}}}'


def _read(content: bytes) -> pa.Table:
    try:
        return pa.ipc.open_file(content).read_all()
    except pa.ArrowInvalid:
        raise DeniedError("the hidden file of members was changed: put it back") from None


def _kept(table: pa.Table) -> bytes:
    """Arrow, which is read and written faster than Parquet."""
    content = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(content, table.schema, options=options) as file:
        file.write_table(table)
    return content.getvalue()


def _parquet(table: pa.Table) -> bytes:
    content = io.BytesIO()
    pq.write_table(table, content, compression="zstd")
    return content.getvalue()


def _csv(table: pa.Table, guarded: bool) -> bytes:
    """RFC 4180 in UTF-8. What is unknown is empty, and an empty text is in quotes."""
    if guarded:
        table = pa.table({name: _guarded(table[name]) for name in table.column_names})
    content = io.BytesIO()
    options = pyarrow.csv.WriteOptions(eol="\r\n", quoting_header="needed")
    pyarrow.csv.write_csv(table, content, options)
    return content.getvalue()


def _guarded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    is_formula = pc.and_not(
        pc.match_substring_regex(column, _FORMULA), pc.match_substring_regex(column, _NUMBER)
    )
    if not pc.any(is_formula).as_py():
        return column
    return pc.if_else(is_formula, pc.binary_join_element_wise("'", column, ""), column)
