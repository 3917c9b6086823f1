"""What waits for its gates and what builds show: a table of candidates beside each published one.

Whoever prepares predictions holds candidates first. They replace what is published in one step,
after every gate has passed; until then readers have what they had.
"""

from datetime import date
from typing import Any

import duckdb

from orchestration.predictions.model import TrainingError


def candidates(table: str) -> str:
    """The name of the table in which candidates of a published table wait."""
    return f"predictions.{table}_candidates"


def hold(warehouse: duckdb.DuckDBPyConnection, table: str) -> None:
    """Begin with no candidates, whatever an earlier job has left."""
    warehouse.execute(
        f"create or replace table {candidates(table)} as select * from predictions.{table} limit 0"
    )


def add(warehouse: duckdb.DuckDBPyConnection, table: str, rows: Any) -> None:
    """Add a table of Arrow or a data frame, whose columns are those of the published table."""
    warehouse.register("added", rows)
    warehouse.execute(f"insert into {candidates(table)} by name select * from added")
    warehouse.unregister("added")


def publish(warehouse: duckdb.DuckDBPyConnection, table: str, *beside: str) -> int:
    """Replace what is published of a table, and of those beside it, by the candidates, all in one
    step; how many rows the table has.
    """
    warehouse.execute("begin")
    for each in (table, *beside):
        warehouse.execute(f"delete from predictions.{each}")
        warehouse.execute(f"insert into predictions.{each} by name from {candidates(each)}")
        warehouse.execute(f"drop table {candidates(each)}")
    warehouse.execute("commit")
    [(count,)] = warehouse.execute(f"select count(*) from predictions.{table}").fetchall()
    return int(count)


def day_of_build(warehouse: duckdb.DuckDBPyConnection) -> date:
    """The last day that the last finished build knows. Raises TrainingError without one."""
    [(as_of,)] = warehouse.execute(
        "select arg_max(as_of, finished_at) from meta.builds where finished_at is not null"
    ).fetchall()
    if as_of is None:
        raise TrainingError("no build has passed yet: make build first")
    return date.fromisoformat(str(as_of))


def buyer_count(warehouse: duckdb.DuckDBPyConnection) -> int:
    """How many customers have ever bought."""
    [(buyers,)] = warehouse.execute(
        "select count(distinct customer_id) from features.purchases"
    ).fetchall()
    return int(buyers)
