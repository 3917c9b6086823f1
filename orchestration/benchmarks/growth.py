"""How the time of each model grows with the customers: full builds of three sizes, a process each.

A model is linear when its time grows no faster than the persons; the exponent of its growth is
log(time ratio) / log(persons ratio) between the smallest and the largest size.
"""

import math
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date

from orchestration.benchmarks.build import model_seconds
from orchestration.paths import PROJECT, Paths

UNTIL = date(2026, 6, 30)
DEFAULT_SIZE = 200_000
# A model that takes less at the largest size is start-up and noise.
SHORTEST_SECONDS = 0.5


def run(size: int | None, progress: Callable[[str], None]) -> dict[str, str]:
    """Build groups of a quarter, a half and all of `size` persons; seconds and growth by model."""
    persons = size or DEFAULT_SIZE
    sizes = (persons // 4, persons // 2, persons)
    seconds = [dict(_build(each, progress)) for each in sizes]
    figures = {"persons": ", ".join(str(each) for each in sizes)}
    figures["all models"] = _growth([sum(models.values()) for models in seconds], sizes)
    for model, longest in seconds[-1].items():
        if longest >= SHORTEST_SECONDS:
            figures[model] = _growth([models[model] for models in seconds], sizes)
    return figures


def _build(persons: int, progress: Callable[[str], None]) -> list[tuple[str, float]]:
    """Seconds of each model in a full build of so many persons, the slowest first."""
    from orchestration.demo.generator import make_demo

    paths = Paths(Paths.from_environment().data / "bench" / f"growth-{persons}")
    if not (paths.truth / "planted.json").exists():
        make_demo(paths, persons, 1, UNTIL, progress)
    for file in paths.data.glob("warehouse.duckdb*"):
        file.unlink()
    progress(f"full build of {persons:,} persons")
    build = ("-m", "orchestration", "build", "--force", "--as-of", UNTIL.isoformat())
    log = paths.data / "bench.log"
    with log.open("a") as output:
        ended = subprocess.run(
            [sys.executable, *build],
            cwd=PROJECT,
            env={**os.environ, "SEGMENT_OF_ONE_DATA": str(paths.data)},
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if ended.returncode != 0:
        raise RuntimeError(f"the build of {persons:,} persons failed, see {log}")
    return model_seconds(paths)


def _growth(seconds: list[float], sizes: tuple[int, ...]) -> str:
    exponent = math.log(seconds[-1] / seconds[0]) / math.log(sizes[-1] / sizes[0])
    return f"{', '.join(f'{each:.2f}' for each in seconds)} s, exponent {exponent:.2f}"
