"""Splink on a connection of DuckDB: quiet, and without leaving a table behind."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb
from splink import DuckDBAPI, Linker

_SCRATCH = "linkage_scratch"

# Splink talks at length, and its messages may hold values of the records.
_QUIET = logging.CRITICAL


@contextmanager
def splink_session(
    records: duckdb.DuckDBPyRelation,
    connection: duckdb.DuckDBPyConnection,
    settings: dict[str, Any],
    blocks: Sequence[Sequence[str]],
    largest_block: int,
) -> Iterator[Linker]:
    """A Splink linker over `records`, a relation of `connection`, that pairs what shares a block.

    Splink's tables hold personal data: they are made in memory, beside the file of the connection,
    and are gone at the end.
    """
    with connection.cursor() as cursor:
        [(home, schema)] = cursor.execute("select current_database(), current_schema()").fetchall()
        cursor.execute(f"attach ':memory:' as {_SCRATCH}")
        try:
            cursor.execute(
                f"create table {_SCRATCH}.records as "
                + _with_blocks(records, blocks, largest_block)
            )
            cursor.execute(f"use {_SCRATCH}")
            registered = DuckDBAPI(cursor).register(cursor.table("records"))
            rules = [
                {"blocking_rule": f"l.block_{place} = r.block_{place}", "sql_dialect": "duckdb"}
                for place in range(len(blocks))
            ]
            yield Linker(
                registered,
                {**settings, "blocking_rules_to_generate_predictions": rules},
                log_level=_QUIET,
            )
        finally:
            cursor.execute(f'use "{home}"."{schema}"')
            cursor.execute(f"detach {_SCRATCH}")


def _with_blocks(
    records: duckdb.DuckDBPyRelation, blocks: Sequence[Sequence[str]], largest_block: int
) -> str:
    """The records with a column for each block: NULL for a value of too many records."""
    keys = [
        f"case when count(*) over (partition by {names}) <= {largest_block} and {known} "
        f"then hash({names}) end as block_{place}"
        for place, block in enumerate(blocks)
        for names in [", ".join(f'"{column}"' for column in block)]
        for known in [" and ".join(f'"{column}" is not null' for column in block)]
    ]
    return f"select *, {', '.join(keys)} from ({records.sql_query()})"
