"""How fast one customer's story is read from marts.timeline, against the same rows unordered.

The rows are made, in the columns and the order that the model writes: a full build sorted by
customer and time, then thirty days of increments behind it, each sorted in itself.
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from orchestration.paths import Paths

DEFAULT_SIZE = 10_000_000
ROWS_OF_A_CUSTOMER = 30
DAYS = 30
READS = 200

_ROWS = """
    select
        'message_sent:demo_mail:MS-' || row_no as interaction_id,
        'c' || left(md5((hash(row_no, 'who') % {customers})::varchar), 19) as customer_id,
        timestamp '2024-01-01' + to_seconds((hash(row_no, 'when') % 78000000)::bigint)
            as happened_at,
        ['shop', 'web', 'marketing', 'service'][1 + (hash(row_no, 'dept') % 4)::integer]
            as department,
        ['web', 'email', 'store', 'sms'][1 + (hash(row_no, 'channel') % 4)::integer] as channel,
        ['message_sent', 'session', 'order', 'message_opened'][
            1 + (hash(row_no, 'kind') % 4)::integer
        ] as interaction,
        'domowo' as brand_id,
        'demo_mail:M-' || hash(row_no, 'campaign') % 500 as subject_id,
        'New arrivals ' || hash(row_no, 'campaign') % 500 as detail,
        cast(null as decimal(18, 4)) as amount,
        cast(1 as bigint) as load_id
    from range({first}, {last}) as rows_made (row_no)
"""


def run(size: int | None, progress: Callable[[str], None]) -> dict[str, str]:
    """Milliseconds for one customer of so many rows: ordered, after thirty days, unordered."""
    rows = size or DEFAULT_SIZE
    data = Paths.from_environment().data
    data.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=data, prefix=".timeline-") as folder:
        file = Path(folder) / "timeline.duckdb"
        with duckdb.connect(str(file), config={"threads": 2}) as connection:
            _write(connection, rows, progress)
            ordered = _read(connection, "ordered", rows)
            _append(connection, rows, progress)
            appended = _read(connection, "ordered", rows)
            unordered = _read(connection, "unordered", rows)
    return {
        "rows": f"{rows:,}",
        "one customer": f"{ordered:.1f} ms",
        "one customer, after 30 increments": f"{appended:.1f} ms",
        "one customer, rows unordered": f"{unordered:.1f} ms",
        "unordered, times ordered": f"{unordered / ordered:.1f}",
    }


def _write(
    connection: duckdb.DuckDBPyConnection, rows: int, progress: Callable[[str], None]
) -> None:
    progress(f"writing {rows:,} rows, unordered and ordered")
    made = _ROWS.format(customers=_customers(rows), first=0, last=rows)
    connection.execute(f"create table unordered as {made}")
    connection.execute(
        "create table ordered as select * from unordered "
        "order by customer_id, happened_at, interaction_id"
    )
    connection.execute("checkpoint")


def _append(
    connection: duckdb.DuckDBPyConnection, rows: int, progress: Callable[[str], None]
) -> None:
    """Thirty days, each a thousandth of the rows, as increments write them."""
    progress(f"adding {DAYS} days")
    for day in range(DAYS):
        first = rows + day * (rows // 1000)
        made = _ROWS.format(customers=_customers(rows), first=first, last=first + rows // 1000)
        connection.execute(
            f"insert into ordered {made} order by customer_id, happened_at, interaction_id"
        )
    connection.execute("checkpoint")


def _customers(rows: int) -> int:
    return max(1, rows // ROWS_OF_A_CUSTOMER)


def _read(connection: duckdb.DuckDBPyConnection, table: str, rows: int) -> float:
    """Median milliseconds to read all rows of one customer, in order."""
    milliseconds = []
    for number in range(READS):
        customer = connection.execute(
            "select 'c' || left(md5((? % ?)::varchar), 19)", [number * 7919, _customers(rows)]
        ).fetchall()[0][0]
        began = time.perf_counter()
        connection.execute(
            f"select * from {table} where customer_id = ? order by happened_at, interaction_id",
            [customer],
        ).fetchall()
        milliseconds.append(1000 * (time.perf_counter() - began))
    return statistics.median(milliseconds)
