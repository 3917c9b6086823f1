"""The page docs/data_contract.md, written from the contract itself."""

from collections.abc import Iterable, Mapping

from orchestration.contract import Column, Entity

_INTRODUCTION = """# The data contract

What a source system delivers so that the project understands it. This page is written from
`models/staging/*/_*__sources.yml` (`python -m orchestration contract`); a test keeps it true.

- A file lies at `landing/<system>/<entity>/<any name>` and ends in `.csv`, `.parquet`, `.ndjson`
  or `.jsonl`; the text formats may be compressed (`.gz`, `.zst`). `<system>` is your name for the
  source: lower case letters, digits and `_`. `<entity>` is one of the headings below.
- Every entity is optional, and so is every column that is not required. Several systems may feed
  one entity; ids need to be unique within their system only.
- Timestamps are UTC (`2026-05-04 12:00:00`) or carry their offset (`2026-05-04T14:00:00+02:00`).
  Decimals have a point. Empty text is NULL.
- A **record** may be delivered again when it changes: its latest version counts. An **event**
  happens once: a second row with the same key is a duplicate and goes to quarantine.
- A date in a file's name (`2026-06-30.csv`, `orders_20260630.parquet`) is the day that the file
  was delivered: a replay of an earlier day does not see it. A file without a date is history.
- If a system names accounts or cards of another system, as an e-mail tool names the shop's
  accounts, add a row to `seeds/systems.csv`. A new brand is a row in `seeds/brands.csv`.
- Raw tables that are in the warehouse already need no files: put them, with the same columns,
  into the schema `raw_tables`.

Rows that cannot be loaded wait in `data/quarantine/<entity>/` with their reason; the rest loads.
Columns that are not in the contract are kept in the raw column `_extra` and reported.
"""


def contract_page(contract: Mapping[str, Entity]) -> str:
    """The whole page as Markdown."""
    sections = (_section(entity) for entity in contract.values())
    return "\n".join([_INTRODUCTION, *sections])


def _section(entity: Entity) -> str:
    lines = [
        f"## {entity.name}",
        "",
        f"{entity.description} Kind: {entity.kind}. Key: {', '.join(entity.key)}.",
        "",
        "| column | type | required | meaning | example |",
        "|---|---|---|---|---|",
        *_rows(entity.columns),
        "",
    ]
    return "\n".join(lines)


def _rows(columns: Iterable[Column]) -> Iterable[str]:
    for column in columns:
        required = "yes" if column.required else ""
        values = f" One of: {', '.join(column.values)}." if column.values else ""
        personal = " Personal." if column.pii else ""
        yield (
            f"| {column.name} | {column.data_type} | {required} "
            f"| {column.description}{values}{personal} | {column.example} |"
        )
