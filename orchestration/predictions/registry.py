"""What is known of trained models: versions, evaluations, and which one is the champion.

The tables are in the schema predictions of the warehouse, the models themselves below
data/predictions: model.json, LightGBM's text for the trees, and in `judged` the same recipe as it
was learnt a horizon earlier, which is the one that can be judged.
"""

import subprocess
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb

from orchestration.paths import PROJECT
from orchestration.predictions.backtest import Judgement
from orchestration.predictions.model import Model
from orchestration.predictions.snapshots import FEATURES

_JUDGED = "judged"


@dataclass(frozen=True)
class Version:
    """A model and its twin of a horizon earlier."""

    model: Model
    judged: Model


def save(version: Version, folder: Path) -> None:
    """Write both models below a folder, by version."""
    version.judged.save(folder / version.model.version / _JUDGED)
    version.model.save(folder / version.model.version)


def load(version: str, folder: Path) -> Version:
    """Both models of a version."""
    return Version(Model.load(folder / version), Model.load(folder / version / _JUDGED))


def champion(warehouse: duckdb.DuckDBPyConnection) -> str | None:
    """The version whose predictions are published, None before the first."""
    found = warehouse.execute(
        "select model_version from predictions.models where status = 'champion'"
    ).fetchall()
    return str(found[0][0]) if found else None


def free_version(warehouse: duckdb.DuckDBPyConnection, as_of: date) -> str:
    """The day until which a model learns, numbered when it is not the first one of that day."""
    [(count,)] = warehouse.execute(
        "select count(*) from predictions.models where as_of = ?", [as_of]
    ).fetchall()
    return f"{as_of}-{count + 1}" if count else f"{as_of}"


def challenger(warehouse: duckdb.DuckDBPyConnection) -> str | None:
    """The newest version that passed its gates and waits to be compared with the champion."""
    found = warehouse.execute(
        "select model_version from predictions.models where status = 'challenger' "
        "order by trained_at desc, model_version desc limit 1"
    ).fetchall()
    return str(found[0][0]) if found else None


def record(
    warehouse: duckdb.DuckDBPyConnection,
    model: Model,
    judgement: Judgement,
    gain: tuple[float, float] | None,
    champion_fails: bool,
) -> None:
    """Write a challenger and its evaluation.

    `gain` bounds by how much its Brier score is lower than that of the champion, None without one.
    """
    trained_at = datetime.now(UTC).replace(tzinfo=None)
    warehouse.execute(
        "insert into predictions.models values (?, ?, ?, ?, ?, ?, ?, ?, ?, 'challenger', null)",
        [
            model.version,
            model.as_of,
            trained_at,
            git_state(),
            list(FEATURES),
            list(model.learnt_from),
            *(gain or (None, None)),
            champion_fails,
        ],
    )
    for each in judgement.measures:
        warehouse.execute(
            "insert into predictions.evaluations values (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                model.version,
                judgement.cutoff,
                each.horizon,
                each.group,
                each.customer_count,
                each.name,
                each.value,
                each.heuristic,
            ],
        )
    for (group, horizon), bins in judgement.bins.items():
        for number, each_bin in enumerate(bins, start=1):
            warehouse.execute(
                "insert into predictions.calibration_bins values (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    model.version,
                    judgement.cutoff,
                    horizon,
                    group,
                    number,
                    each_bin.count,
                    each_bin.predicted,
                    each_bin.actual,
                ],
            )


def set_status(
    warehouse: duckdb.DuckDBPyConnection, version: str, status: str, reason: str | None
) -> None:
    """Say what became of a version; a new champion retires the one before."""
    if status == "champion":
        warehouse.execute(
            "update predictions.models set status = 'retired', reason = ? "
            "where status = 'champion' and model_version <> ?",
            [f"replaced by {version}", version],
        )
    warehouse.execute(
        "update predictions.models set status = ?, reason = ? where model_version = ?",
        [status, reason, version],
    )


def git_state() -> str:
    """The commit of the project, marked as dirty when files were changed since."""
    told = subprocess.run(
        ["git", "-C", str(PROJECT), "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
        timeout=10,
    )
    return told.stdout.strip() or "no repository"
