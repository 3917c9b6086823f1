"""Remembers which loads have passed their checks, so that a failed one goes on failing.

Without it the next build would find nothing new, check nothing, and publish what was refused.
"""

import json
from collections.abc import Iterable, Sequence

from orchestration.ingest.ledger import Load
from orchestration.paths import Paths


def unchecked(paths: Paths, ledger: Sequence[Load]) -> tuple[Load, ...]:
    """The loads of the ledger, refused files aside, that have not passed yet."""
    passed = _read(paths)
    return tuple(
        load for load in ledger if load.error is None and load.load_id > passed.get(load.entity, 0)
    )


def mark_passed(paths: Paths, ledger: Sequence[Load], entities: Iterable[str]) -> None:
    """Note that all loads of these entities have passed, or were accepted by a person."""
    passed = _read(paths)
    for entity in entities:
        passed[entity] = max((load.load_id for load in ledger if load.entity == entity), default=0)
    file = paths.raw / "passed.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".tmp")
    draft.write_text(json.dumps(passed, indent=2, sort_keys=True))
    draft.replace(file)


def _read(paths: Paths) -> dict[str, int]:
    file = paths.raw / "passed.json"
    if not file.exists():
        return {}
    content: dict[str, int] = json.loads(file.read_text())
    return content
