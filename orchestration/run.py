"""What the steps of one build share: its workspace, its lock, its progress and step times."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from orchestration.erasure.journal import require_whole_files
from orchestration.paths import Paths
from orchestration.warehouse.lock import build_lock
from orchestration.warehouse.workspace import (
    Workspace,
    choose_workspace,
    set_aside_if_unreadable,
)

# A build is due every day: a warning after two hours, a failure at half a day.
FRESHNESS = dg.FreshnessPolicy.time_window(
    warn_window=timedelta(hours=26), fail_window=timedelta(hours=36)
)


@dataclass
class BuildRun:
    """One build in progress. `seconds` fills with the wall time of each step.

    `accepts_failed_checks` lets raw rows in that failed their checks: a person has looked.
    """

    workspace: Workspace
    accepts_failed_checks: bool
    progress: Callable[[str], None]
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Tell and time one step."""
        self.progress(f"== {name}")
        began = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - began


def build_run_resource(
    progress: Callable[[str], None] | None = None,
    started: Callable[[BuildRun], None] | None = None,
    wait_seconds: float = 600,
) -> dg.ResourceDefinition:
    """The resource `run`: holds the build lock from the first step of a run to its end.

    Config `as_of` is the last day that the build knows, today (UTC) when it is left out.
    Progress goes where the caller says, else to the log of the run; `started` hears of the run
    once it has the lock.
    """

    @dg.resource(
        config_schema={
            "as_of": dg.Field(
                str, is_required=False, description="Last day that the build knows, YYYY-MM-DD."
            ),
            "accept": dg.Field(
                bool, default_value=False, description="Let rows in that failed their checks."
            ),
        },
        description="The build in progress; one at a time.",
    )
    def run(context: dg.InitResourceContext) -> Iterator[BuildRun]:
        tell = progress or _tell_log(context)
        text = context.resource_config.get("as_of")
        today = datetime.now(UTC).date()
        as_of = date.fromisoformat(text) if text else today
        if as_of > today:
            # Every later build would lie before it, and so be a replay that nobody reads.
            raise dg.Failure(f"as_of {as_of} lies in the future: build up to today, {today}")
        paths = Paths.from_environment()
        # The warehouse is opened under the lock only: outside it, another build may have it.
        with build_lock(paths.lock, "the build", wait_seconds, tell):
            require_whole_files(paths)
            set_aside_if_unreadable(paths.warehouse, tell)
            workspace = choose_workspace(paths, as_of)
            build = BuildRun(workspace, context.resource_config["accept"], tell)
            if started:
                started(build)
            yield build

    return run


def _tell_log(context: dg.InitResourceContext) -> Callable[[str], None]:
    def tell(line: str) -> None:
        if context.log is not None:
            context.log.info(line)

    return tell
