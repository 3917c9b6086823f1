"""How the time of each model grows with the customers: full builds of three sizes, a process each.
The most memory of each build is told beside it.

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
    builds = [_build(each, progress) for each in sizes]
    seconds = [dict(models) for models, _ in builds]
    figures = {"persons": ", ".join(str(each) for each in sizes)}
    figures["most memory"] = ", ".join(f"{megabytes:,.0f} MB" for _, megabytes in builds)
    figures["all models"] = _growth([sum(models.values()) for models in seconds], sizes)
    for model, longest in seconds[-1].items():
        if longest >= SHORTEST_SECONDS:
            figures[model] = _growth([models[model] for models in seconds], sizes)
    return figures


def _build(persons: int, progress: Callable[[str], None]) -> tuple[list[tuple[str, float]], float]:
    """Seconds of each model in a full build, the slowest first, and its most memory in MB."""
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
        process = subprocess.Popen(
            [sys.executable, *build],
            cwd=PROJECT,
            env={**os.environ, "SEGMENT_OF_ONE_DATA": str(paths.data)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"the build of {persons:,} persons failed, see {log}")
    return model_seconds(paths), usage.ru_maxrss / 1024


def _growth(seconds: list[float], sizes: tuple[int, ...]) -> str:
    exponent = math.log(seconds[-1] / seconds[0]) / math.log(sizes[-1] / sizes[0])
    return f"{', '.join(f'{each:.2f}' for each in seconds)} s, exponent {exponent:.2f}"
