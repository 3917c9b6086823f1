"""A linkage model: what is compared, what that weighs, and from which weight on two are one."""

import hashlib
import importlib.util
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orchestration.paths import Paths

SWITCH = "SEGMENT_OF_ONE_LINKAGE"
SHIPPED = Path(__file__).parent / "models" / "demo_group.json"


class LinkageError(Exception):
    """Linkage cannot run; the message says what to do."""


@dataclass(frozen=True)
class LinkageModel:
    """Everything that decides how a pair of records is scored, as its file holds it.

    `blocks` lists the columns whose equal values make two records a pair to look at; a value of
    more than `largest_block` records makes none. `personal` names the comparisons that must not
    differ, `home` those that people of one home have in common: what they add counts for review,
    never for a link. Weights are base 2 logarithms of how much likelier it is that the two are
    one: pairs from `review_weight` on are listed, pairs from `merge_weight` on are linked.
    `settings` is Splink's own description of the comparisons with their probabilities.

    `record_count` is how many records it was trained on: among ten times as many, a pair at random
    is one person ten times more seldom.
    """

    version: str
    trained_on: str
    record_count: int
    review_weight: float
    merge_weight: float
    blocks: Sequence[Sequence[str]]
    largest_block: int
    personal: Sequence[str]
    home: Sequence[str]
    settings: dict[str, Any]

    def settings_for(self, record_count: int) -> dict[str, Any]:
        """The settings for so many records, of whom as many have a double as in training."""
        chance = "probability_two_random_records_match"
        scaled = self.settings[chance] * self.record_count / max(record_count, 1)
        return {**self.settings, chance: min(scaled, 0.5)}

    @property
    def fingerprint(self) -> str:
        """A short hash over all of it: another model is another fingerprint."""
        return hashlib.sha256(self._text().encode()).hexdigest()[:8]

    def save(self, file: Path) -> None:
        """Write the model as JSON, in whole or not at all."""
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f".{file.name}")
        draft.write_text(self._text(), encoding="utf-8")
        draft.replace(file)

    @classmethod
    def load(cls, file: Path) -> "LinkageModel":
        """Read a model that `save` wrote. Raises LinkageError when the file is none."""
        try:
            return cls(**json.loads(file.read_text(encoding="utf-8")))
        except (TypeError, ValueError) as error:
            raise LinkageError(f"{file} is no linkage model: {error}") from error

    def _text(self) -> str:
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"


def is_on() -> bool:
    """True when SEGMENT_OF_ONE_LINKAGE is `yes`; it is off unless somebody says so.

    Raises LinkageError when the variable says something else, or Splink is not installed.
    """
    choice = os.environ.get(SWITCH) or "no"
    if choice not in ("yes", "no"):
        raise LinkageError(f"{SWITCH} must be yes or no, it is {choice!r}")
    if choice == "yes":
        require_splink()
    return choice == "yes"


def require_splink() -> None:
    """Raise LinkageError when Splink is not installed."""
    if importlib.util.find_spec("splink") is None:
        raise LinkageError(
            "linkage needs Splink, which is not installed: pip install 'segment-of-one[linkage]', "
            f"or build without {SWITCH}"
        )


def model_in_use(paths: Paths) -> LinkageModel:
    """The model that was trained on the customers of the data folder, else the project's own."""
    trained = paths.linkage_model
    return LinkageModel.load(trained if trained.exists() else SHIPPED)


def describe(paths: Paths) -> str:
    """What a build links with: `off`, or version and fingerprint of the model."""
    if not is_on():
        return "off"
    model = model_in_use(paths)
    return f"{model.version} {model.fingerprint}"
