"""DuckDB files without what deleting has left in them: DuckDB frees space, and clears none."""

from collections.abc import Collection
from pathlib import Path

import duckdb

from orchestration.ingest.sql import quote_name, quote_text


def rewrite(file: Path, schemas: Collection[str]) -> None:
    """Write a DuckDB file anew with the rows that the tables of some schemas have now.

    Views and other schemas are gone. The new file takes the place of the old one as a whole; nobody
    may have the old one open.
    """
    draft = file.with_name(f".erasing-{file.name}")
    draft.unlink(missing_ok=True)
    with duckdb.connect(str(file)) as old:
        old.execute("checkpoint")  # Else a log beside it would be taken for one of the new file.
    with duckdb.connect(str(draft)) as new:
        new.execute(f"attach {quote_text(str(file))} as old (read_only)")
        tables = new.execute(
            "select schema_name, table_name, sql from duckdb_tables() where database_name = 'old' "
            "and list_contains($schemas, schema_name) order by all",
            {"schemas": list(schemas)},
        ).fetchall()
        for schema, table, sql in tables:
            name = f"{quote_name(schema)}.{quote_name(table)}"
            new.execute(f"create schema if not exists {quote_name(schema)}")
            new.execute(sql)
            new.execute(f"insert into {name} from old.{name}")
        new.execute("detach old")
    draft.replace(file)
