"""Sends the audiences of syncs/ to stand-ins of their services, and tells what these hold."""

import shutil
from collections.abc import Callable, Mapping

from orchestration.activation.runs import Asked, report_table, run_syncs
from orchestration.activation.stand_in import google, mautic, meta
from orchestration.activation.stand_in.server import Api, StandIn, stand_in
from orchestration.paths import Paths


def show_exports(paths: Paths, progress: Callable[[str], None]) -> str:
    """Mirror every audience of the project to a server on loopback; the runs and what it holds.

    The server is busy at the second request and loses an answer later on, as services do. What is
    remembered of it goes with it, in a folder of its own.
    """
    folder = paths.exports / "demo"
    shutil.rmtree(folder, ignore_errors=True)
    apis: dict[str, Api] = {
        "meta": meta.Meta(),
        "google": google.Google(),
        "mautic": mautic.Mautic(),
    }
    with stand_in(apis) as running:
        running.faults.extend([None, "throttled", "accepted_then_lost"])
        reports = run_syncs(
            paths, Asked(how="live"), progress, _environment(running), folder, sleep=_do_not_wait
        )
    held = [
        f"{name:<8} {audience}: {len(rows):,} members"
        for name, api in apis.items()
        for audience, rows in sorted(api.audiences().items())
    ]
    return "\n".join([report_table(reports), "", "What the stand-ins hold now", *held])


def _environment(running: StandIn) -> Mapping[str, str]:
    return {
        **{f"{name.upper()}_URL": f"{running.url}/{name}" for name in running.apis},
        "META_ACCESS_TOKEN": meta.TOKEN,
        "GOOGLE_ACCESS_TOKEN": google.TOKEN,
        "MAUTIC_USER": mautic.USER,
        "MAUTIC_PASSWORD": mautic.PASSWORD,
    }


def _do_not_wait(_seconds: float) -> None:
    """A stand-in is ready at once."""
