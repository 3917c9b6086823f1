"""dbt in this process: the parsed project and one build of it."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.artifacts.schemas.results import NodeStatus, TestStatus
from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest
from dbt_common.events.base_types import EventMsg

from orchestration.paths import PROJECT, Paths

_QUIET = ("--quiet", "--log-level", "none", "--no-use-colors", "--no-print")
_PASSED = {NodeStatus.Success, TestStatus.Pass, TestStatus.Warn, NodeStatus.NoOp}


class DbtError(Exception):
    """dbt could not parse or build the project; the message says what failed and why."""


@dataclass(frozen=True)
class NodeResult:
    """What became of one model, seed or test."""

    unique_id: str
    name: str
    status: str
    passed: bool
    seconds: float
    failures: int
    message: str


def parse(paths: Paths) -> Manifest:
    """The project's manifest; fast when nothing has changed since the last time.

    What dbt saves for the next time holds no path: it serves in every data folder.
    """
    _point_profile_to(Path(paths.warehouse.name))
    # Nobody reads the artefacts; what is saved for the next time is none of them.
    result = dbtRunner().invoke(["parse", "--no-write-json", *_places(paths), *_QUIET])
    if not isinstance(result.result, Manifest):
        raise DbtError(f"dbt cannot read the project: {_first_lines(result.exception)}")
    return result.result


def manifest_json(manifest: Manifest) -> dict[str, Any]:
    """The manifest as dbt's artefact; its file may be half written by another process."""
    content: dict[str, Any] = manifest.writable_manifest().to_dict(omit_none=False)
    return content


def build(
    manifest: Manifest,
    paths: Paths,
    warehouse: Path,
    as_of: date,
    load_id: int,
    tested_load_id: int | None,
    accept_identity_changes: bool,
    links: bool,
    progress: Callable[[str], None],
    listeners: Sequence[Callable[[EventMsg], None]] = (),
) -> list[NodeResult]:
    """Build and test all seeds, models and data tests in `warehouse` as of a date and a load.

    Rows of loads up to `tested_load_id` passed their tests in an earlier build. With
    `accept_identity_changes` a build may merge or move as many customers as it likes; with
    `links` it links those who are probably one person.

    Unit tests are left out: they test the code, not the data. Returns one result a node, also
    when some failed; raises DbtError when dbt could not even begin. `listeners` hear every
    event of dbt.
    """
    _point_profile_to(warehouse)
    variables = {
        "as_of": as_of.isoformat(),
        "load_id": load_id,
        "tested_load_id": tested_load_id,
        "accept_identity_changes": accept_identity_changes,
        "linkage": links,
    }
    # dbt scans the environment for secrets at every line that it logs: no lines, no scans.
    arguments = [
        "build",
        *("--exclude-resource-type", "unit_test"),
        *("--vars", json.dumps(variables)),
        *_places(paths),
        *_QUIET,
    ]
    teller = _Teller(progress)
    try:
        invocation = dbtRunner(manifest=manifest, callbacks=[teller.tell, *listeners]).invoke(
            arguments
        )
    finally:
        # One open file for all nodes keeps what they read in memory; it would stay open after.
        DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
    if invocation.result is None or not hasattr(invocation.result, "results"):
        raise DbtError(_first_lines(invocation.exception))
    return [_node_result(result) for result in invocation.result.results]


def run_operation(manifest: Manifest, paths: Paths, macro: str, arguments: dict[str, Any]) -> None:
    """Run a macro in the warehouse; raises DbtError when it fails."""
    _point_profile_to(paths.warehouse)
    errors: list[str] = []

    def listen(event: EventMsg) -> None:
        # dbt tells what went wrong in a macro to listeners only.
        if event.info.name == "RunningOperationCaughtError":
            errors.append(event.data.exc)

    try:
        invocation = dbtRunner(manifest=manifest, callbacks=[listen]).invoke(
            ["run-operation", macro, "--args", json.dumps(arguments), *_places(paths), *_QUIET]
        )
    finally:
        DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
    if not invocation.success:
        raise DbtError(_first_lines(errors[0] if errors else invocation.exception))


class _Teller:
    """Tells progress: one line for each model as it ends, and for each test that did not pass."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        self._progress = progress

    def tell(self, event: EventMsg) -> None:
        if event.info.name == "LogModelResult":
            data = event.data
            relation = f"{data.node_info.node_relation.schema}.{data.node_info.node_relation.alias}"
            self._progress(f"model {relation:<44} {data.status:<10} {data.execution_time:6.2f} s")
        elif event.info.name == "LogTestResult" and event.data.status != "pass":
            data = event.data
            rows = f", {data.num_failures:,} rows" if data.num_failures else ""
            self._progress(f"test  {data.name:<44} {data.status}{rows}")


def _node_result(result: Any) -> NodeResult:
    return NodeResult(
        unique_id=result.node.unique_id,
        name=result.node.name,
        status=str(result.status),
        passed=result.status in _PASSED,
        seconds=result.execution_time,
        failures=result.failures or 0,
        message=_first_lines(result.message),
    )


def _first_lines(message: object) -> str:
    """At most three lines of a message: enough to say where, too little to hold rows."""
    return " ".join(str(message or "").strip().splitlines()[:3])


def _point_profile_to(warehouse: Path) -> None:
    # profiles.yml reads the path from the environment, so that dbt on its own works as well.
    os.environ["SEGMENT_OF_ONE_WAREHOUSE"] = str(warehouse)
    os.environ["DO_NOT_TRACK"] = "1"


def _target(paths: Paths) -> Path:
    return paths.data / "dbt"


def _places(paths: Paths) -> tuple[str, ...]:
    return (
        *("--project-dir", str(PROJECT)),
        *("--profiles-dir", str(PROJECT)),
        *("--target-path", str(_target(paths))),
        *("--log-path", str(paths.logs)),
    )
