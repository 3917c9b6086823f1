"""Runs dbt's unit tests: every business rule at its borders, on rows written by hand."""

import os
import shutil
from pathlib import Path

from dbt.cli.main import dbtRunner

from orchestration.paths import PROJECT, Paths


def test_every_rule_at_its_borders(demo: Paths, tmp_path: Path) -> None:
    """dbt asks the types of the inputs of a built warehouse; the rows are the tests' own."""
    warehouse = tmp_path / "warehouse.duckdb"
    shutil.copyfile(demo.warehouse, warehouse)
    os.environ["SEGMENT_OF_ONE_WAREHOUSE"] = str(warehouse)
    arguments = [
        *("test", "--select", "test_type:unit", "--quiet"),
        *("--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)),
        *("--target-path", str(tmp_path / "target"), "--log-path", str(tmp_path / "logs")),
    ]
    invocation = dbtRunner().invoke(arguments)
    assert invocation.exception is None
    every_result = invocation.result.results  # type: ignore[union-attr]
    results = [result for result in every_result if result.node.resource_type == "unit_test"]
    assert len(results) > 100
    failed = {result.node.name: result.message for result in results if result.status != "pass"}
    assert failed == {}
