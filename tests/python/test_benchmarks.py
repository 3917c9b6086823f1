"""Each benchmark runs to its end on a small group, lest it rot; figures are not judged."""

from pathlib import Path

import pytest

from orchestration.benchmarks import accuracy, build, identity, linkage
from orchestration.linkage.model import SWITCH
from orchestration.paths import Paths
from tests.python.conftest import data_folder, quiet


def test_the_build_benchmark_prints_all_its_figures(tmp_path: Path) -> None:
    with data_folder(Paths(tmp_path)):
        figures = build.run(1_000, quiet)
    for name in ("bare SQL wall", "dbt wall", "Dagster wall", "increment wall"):
        assert float(figures[name].split()[0]) > 0, name
    assert figures["nothing new wall"]


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
