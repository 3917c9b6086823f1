"""Each benchmark runs to its end on a small group, lest it rot; figures are not judged."""

from pathlib import Path

import pytest

from orchestration.benchmarks import (
    accuracy,
    build,
    exports,
    growth,
    identity,
    linkage,
    predictions,
    segments,
    timeline,
    truth,
)
from orchestration.linkage.model import SWITCH
from orchestration.paths import Paths
from tests.python.conftest import data_folder, quiet

pytestmark = pytest.mark.usefixtures("parsed_project")


def test_the_build_benchmark_prints_all_its_figures(tmp_path: Path) -> None:
    with data_folder(Paths(tmp_path)):
        figures = build.run(1_000, quiet)
    for name in ("bare SQL wall", "dbt wall", "Dagster wall", "increment wall"):
        assert float(figures[name].split()[0]) > 0, name
    assert figures["nothing new wall"]
    assert len([name for name in figures if name.startswith("slowest model")]) == 10


def test_the_growth_benchmark_prints_all_its_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    times = {250: 1.0, 500: 2.0, 1_000: 16.0}
    monkeypatch.setattr(
        growth, "_build", lambda persons, _progress: ([("orders", times[persons])], persons)
    )
    assert growth.run(1_000, quiet) == {
        "persons": "250, 500, 1000",
        "most memory": "250 MB, 500 MB, 1,000 MB",
        "all models": "1.00, 2.00, 16.00 s, exponent 2.00",
        "orders": "1.00, 2.00, 16.00 s, exponent 2.00",
    }


def test_the_timeline_benchmark_prints_all_its_figures(tmp_path: Path) -> None:
    with data_folder(Paths(tmp_path)):
        figures = timeline.run(30_000, quiet)
    assert figures["rows"] == "30,000"
    for value in list(figures.values())[1:]:
        assert float(value.split()[0]) > 0


def test_the_segments_benchmark_finds_the_same_members_as_the_statement(tmp_path: Path) -> None:
    with data_folder(Paths(tmp_path)):
        figures = segments.run(2_000, quiet)
    assert figures["rules"] == f"{segments.RULES}"
    assert figures["members"].endswith(", of all rules the same")
    for value in list(figures.values())[3:]:
        assert float(value.split()[0]) > 0


def test_the_predictions_benchmark_scores_everybody(tmp_path: Path) -> None:
    with data_folder(Paths(tmp_path)):
        figures = predictions.run(2_000, quiet)
    # Each buyer over both brands, and at each.
    assert figures["buyers"].startswith("2,000, ")
    [scores] = [value for name, value in figures.items() if name.startswith("score")]
    assert 2_000 < int(scores.split()[4].replace(",", "")) < 6_000
    for value in list(figures.values())[1:]:
        assert float(value.split()[0]) > 0


def test_the_truth_benchmark_finds_what_is_planted(demo: Paths) -> None:
    for label, found in truth.measure(demo.warehouse, demo.truth).items():
        assert found.precision >= truth.GOAL, label
        assert found.recall >= truth.GOAL, label


def test_the_identity_benchmark_prints_all_its_figures(tmp_path: Path) -> None:
    with data_folder(Paths(tmp_path)):
        figures = identity.run(5_000, quiet)
    assert [name.removeprefix("5,000 ties, ") for name in figures] == [
        "SciPy",
        "components",
        "components, times SciPy",
        "most memory at a limit of 1GB",
        "all models in full",
        "10 new ones",
        "new ones, of the full build",
    ]
    for value in figures.values():
        assert float(value.split()[0].replace(",", "")) > 0


def test_the_accuracy_benchmark_prints_all_its_figures(tmp_path: Path) -> None:
    with data_folder(Paths(tmp_path)):
        figures = accuracy.run(1_000, quiet)
    assert list(figures) == ["persons", "pairwise precision", "pairwise recall", "pairwise F1"]
    assert all(0.8 < float(value.split()[0]) <= 1 for value in list(figures.values())[1:])


def test_the_linkage_benchmark_prints_all_its_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SWITCH, "no")  # The benchmark switches it on.
    monkeypatch.setattr(linkage, "DATA_SETS", {"fake_1000": linkage.FAKE_1000})
    with data_folder(Paths(tmp_path)):
        figures = linkage.run(1_000, quiet)
    if not figures.get("fake_1000", "").startswith("left out"):
        assert float(figures["fake_1000, cluster F1"].split()[0]) > 0.5
        assert figures["fake_1000, cost"].endswith("MB")
    for name in ("demo, by customer_id", "demo, by customer_id_linked"):
        assert float(figures[name].split()[1].rstrip(",")) > 0.98, name
    for name in ("precision", "recall", "F1"):
        assert 0 < float(figures[f"demo, identifiers hidden, cluster {name}"]) <= 1


def test_the_exports_benchmark_sends_a_change_alone_and_then_nothing(tmp_path: Path) -> None:
    with data_folder(Paths(tmp_path)):
        figures = exports.run(20_000, quiet)
    for name in ("meta", "google"):
        assert figures[f"{name}, mirror: rows"] == "20,000 in 2 requests, succeeded"
        assert figures[f"{name}, change: rows"] == "30 in 2 requests, succeeded"
        assert figures[f"{name}, nothing: rows"] == "0 in 0 requests, succeeded"
        assert figures[f"{name}, nothing: held"] == "19,990"
