"""Check the rules of segments in seconds, without a build: from the contract and the seeds."""

import csv
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from orchestration.paths import PROJECT
from orchestration.segments.rules import compile_rules

RULES = PROJECT / "seeds" / "segments" / "segment_rules.csv"
COLUMNS = (
    "segment_id",
    "title",
    "rule",
    "valid_from",
    "valid_until",
    "owner",
    "channels",
    "suggested_action",
)


class RulesFileError(Exception):
    """A file of rules that cannot be read at all."""


def check_rules(file: Path, as_of: date) -> list[dict[str, Any]]:
    """What would come of each rule of a file in a build of that day."""
    return compile_rules(read_rules(file), known_inputs(as_of))


def read_rules(file: Path) -> list[dict[str, Any]]:
    """The rows of a file of rules, numbered as the build numbers them: the names are line 1."""
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            reader = csv.DictReader(lines, strict=True)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise RulesFileError(f"line 1: the columns of {file.name} are {','.join(COLUMNS)}")
            return [{**row, "row_number": line} for line, row in enumerate(_rows(reader, file), 2)]
    except OSError as error:
        raise RulesFileError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise RulesFileError(f"{file.name} is not in UTF-8") from None
    except csv.Error as error:
        raise RulesFileError(f"{file.name} is no CSV: {error}") from None


def _rows(reader: "csv.DictReader[str]", file: Path) -> Iterator[dict[str, str]]:
    for line, row in enumerate(reader, 2):
        if None in row or None in row.values():
            raise RulesFileError(
                f"line {line}: {file.name} has {len(COLUMNS)} values in a line; a rule with a "
                'comma stands in double quotes, like "x in (1, 2)"'
            )
        yield row


def known_inputs(as_of: date) -> dict[str, Any]:
    """What rules may read, as models/segments/rules/rules.sql tells the compiler."""
    contract = yaml.safe_load(
        (PROJECT / "models/marts/customers/_marts_customers__models.yml").read_text()
    )
    [columns] = (
        {column["name"]: column["data_type"] for column in model["columns"]}
        for model in contract["models"]
        if model["name"] == "customer_360"
    )
    stages = _seed_values("lifecycle_stages", "stage")
    rfm_segments = _seed_values("rfm_segments", "rfm_segment")
    in_sql = sorted(file.stem for file in (PROJECT / "models/segments").rglob("seg_*.sql"))
    return {
        "as_of": as_of.isoformat(),
        "columns": columns,
        "segments": [
            *(f"lifecycle_{stage}" for stage in stages),
            *(f"rfm_{segment}" for segment in rfm_segments),
            *(name.removeprefix("seg_") for name in in_sql),
        ],
        "values": {
            "lifecycle_stage": stages,
            "rfm_segment": [*rfm_segments, "prospect"],
        },
    }


def _seed_values(seed: str, column: str) -> list[str]:
    with (PROJECT / "seeds" / f"{seed}.csv").open(encoding="utf-8", newline="") as lines:
        return sorted({row[column] for row in csv.DictReader(lines)})
