"""Runs the Dagster jobs in this process, for the command line, benchmarks and tests."""

import os
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb

from orchestration.definitions import build_definitions
from orchestration.paths import Paths
from orchestration.run import BuildRun, build_run_resource
from orchestration.warehouse.lock import explain_open_error, is_disk_full
from orchestration.warehouse.serving import read_meta
from orchestration.warehouse.workspace import code_version


class BuildError(Exception):
    """A build that failed; the message says which step and why."""


def dagster_home(paths: Paths) -> Path:
    """The folder of Dagster's own records, made when it is missing."""
    home = paths.data / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    _copy_as_a_whole(Path(__file__).parent / "dagster.yaml", home / "dagster.yaml")
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def run_build(
    paths: Paths,
    as_of: date,
    progress: Callable[[str], None],
    wait_seconds: float = 600,
    accept: bool = False,
) -> BuildRun:
    """Run the job `build` as of a date.

    `accept` lets raw rows in that failed their checks. Returns the run, which knows where its
    result is and the seconds of each step. Raises BuildError when a step fails: readers then
    keep what was published last.
    """
    config = {"as_of": as_of.isoformat(), "accept": accept}
    run, _ = _run_job("build", config, paths, progress, wait_seconds)
    return run


def train_linkage(
    paths: Paths, progress: Callable[[str], None]
) -> dict[str, dg.MetadataValue[Any]]:
    """Run the job `train_linkage` on the last build; what it tells of the model, by name.

    Raises BuildError when it fails: the model before then stays.
    """
    _, result = _run_job("train_linkage", {}, paths, progress, wait_seconds=600)
    [made] = result.asset_materializations_for_node("linkage__model")
    return dict(made.metadata)


def predict(paths: Paths, progress: Callable[[str], None], trains: bool) -> None:
    """Run the job `predict` on the last build, and `train_predictions` before it if asked to or
    when there is no model yet.

    Raises BuildError when a gate fails, what was published last stays, and when the last build was
    one of another version of the project.
    """
    if read_meta(paths.serving).get("code_version") != code_version():
        raise BuildError("the project has changed since the last build: run make build first")
    jobs = ["predict"]
    if trains or not any(paths.predictions.glob("*/model.json")):
        jobs.insert(0, "train_predictions")
    for job in jobs:
        try:
            _run_job(job, {}, paths, progress, wait_seconds=600)
        except BuildError as error:
            raise BuildError(
                f"{error}; what was predicted before stays. Progress tells the figures of each "
                "gate, docs/predictions.md what a gate asks"
            ) from None


def _run_job(
    name: str,
    config: dict[str, Any],
    paths: Paths,
    progress: Callable[[str], None],
    wait_seconds: float,
) -> tuple[BuildRun, dg.ExecuteInProcessResult]:
    """Run a job in this process, `config` being that of the resource `run`."""
    dagster_home(paths)
    runs: list[BuildRun] = []
    run = build_run_resource(progress, runs.append, wait_seconds)
    job = build_definitions({"run": run}).resolve_job_def(name)
    with dg.DagsterInstance.get() as instance:
        result = job.execute_in_process(
            instance=instance,
            raise_on_error=False,
            run_config={
                "resources": {"run": {"config": config}},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
        )
    if not result.success:
        raise BuildError(_why(result, paths))
    return runs[0], result


def _copy_as_a_whole(source: Path, target: Path) -> None:
    """Copy a file so that another process that reads the target never finds half of it."""
    part = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copyfile(source, part)
    part.replace(target)


def _why(result: dg.ExecuteInProcessResult, paths: Paths) -> str:
    """The first failed step and the message of the error that it began with."""
    for event in result.all_events:
        error = getattr(event.event_specific_data, "error", None)
        if event.is_failure and error is not None:
            while error.cause is not None:
                error = error.cause
            message = error.message.strip().split(": ", 1)[-1]
            if error.cls_name == "IOException" or is_disk_full(Exception(message)):
                message = explain_open_error(duckdb.IOException(message), paths.warehouse)
            return f"{event.step_key or 'start'}: {message}"
    return "the build failed; see the log of the run in Dagster's UI (make ui)"
