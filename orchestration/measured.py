"""A part of a benchmark as a process of its own, so that its memory is its own."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

from orchestration.paths import PROJECT


@dataclass(frozen=True)
class Part:
    """What a part told as JSON in its last line, its seconds from start to end, and the most
    memory that it held, in MB.
    """

    told: Any
    seconds: float
    megabytes: float


def run_part(module: str, *arguments: object) -> Part:
    """Run a module of the project with arguments. Raises RuntimeError when it fails.

    Whatever needs much memory belongs into a part too: the most that a process held counts for
    all that it starts.
    """
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", module, *(str(argument) for argument in arguments)],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    told = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{module} failed: {' '.join(str(each) for each in arguments)}")
    seconds = time.perf_counter() - began
    return Part(json.loads(told.splitlines()[-1]), seconds, usage.ru_maxrss / 1000)
