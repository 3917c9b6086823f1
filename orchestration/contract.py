"""The data contract of the raw tables, read from the dbt sources in models/staging."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from orchestration.paths import PROJECT


@dataclass(frozen=True)
class Column:
    """One column of a raw table."""

    name: str
    data_type: str
    description: str
    required: bool
    pii: bool
    example: str
    values: tuple[str, ...]
    pattern: str | None
    minimum: float | None
    maximum: float | None


@dataclass(frozen=True)
class Entity:
    """One raw table. A `record` may be delivered again, changed; an `event` happens once.

    `version` names the column that tells when a record changed, `event_at` the column that
    tells when the record or event came to be; an entity without one, such as an order line,
    has the time of the document that it `references` (column -> entity.column).
    """

    group: str
    name: str
    description: str
    kind: Literal["record", "event"]
    key: tuple[str, ...]
    event_at: str | None
    version: str | None
    references: dict[str, str]
    columns: tuple[Column, ...]

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns in the order of the contract."""
        return tuple(column.name for column in self.columns)


@cache
def load_contract(project: Path = PROJECT) -> dict[str, Entity]:
    """All entities by name, in the order of their files."""
    entities: dict[str, Entity] = {}
    for file in sorted((project / "models" / "staging").glob("*/_*__sources.yml")):
        for source in yaml.safe_load(file.read_text())["sources"]:
            for table in source["tables"]:
                entities[table["name"]] = _entity(source["name"], table)
    return entities


def _entity(group: str, table: dict[str, Any]) -> Entity:
    meta = table["config"]["meta"]
    return Entity(
        group=group,
        name=table["name"],
        description=table["description"],
        kind=meta["kind"],
        key=tuple(meta["key"]),
        event_at=meta.get("event_at"),
        version=meta.get("version"),
        references=meta.get("references", {}),
        columns=tuple(_column(column) for column in table["columns"]),
    )


def _column(column: dict[str, Any]) -> Column:
    meta = column["config"]["meta"]
    return Column(
        name=column["name"],
        data_type=column["data_type"],
        description=column["description"],
        required=meta.get("required", False),
        pii=meta.get("pii", False),
        example=str(meta["example"]),
        values=tuple(meta.get("values", ())),
        pattern=meta.get("pattern"),
        minimum=meta.get("min"),
        maximum=meta.get("max"),
    )
