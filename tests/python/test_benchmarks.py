"""Each benchmark runs to its end on a small group, lest it rot; figures are not judged."""

from pathlib import Path

from orchestration.benchmarks import build
from orchestration.paths import Paths
from tests.python.conftest import data_folder, quiet


def test_the_build_benchmark_prints_all_its_figures(tmp_path: Path) -> None:
    with data_folder(Paths(tmp_path)):
        figures = build.run(1_000, quiet)
    for name in ("bare SQL wall", "dbt wall", "Dagster wall", "increment wall"):
        assert float(figures[name].split()[0]) > 0, name
    assert figures["nothing new wall"]
