"""The syncs: one YAML document each, in the folder syncs/; docs/exports.md explains the keys."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orchestration.activation.destination import Declared, NoOptions, destination_module
from orchestration.paths import PROJECT

SYNCS = PROJECT / "syncs"

# Audiences whose name tells of health or money are blocked by ad platforms, and should be.
_SENSITIVE = re.compile(
    r"health|illness|disease|diabet|cancer|pregnan|depress|medic|patient|obes|disab|therap"
    r"|income|debt|credit|loan|bankrupt|salary|wealth|\brich\b|\bpoor\b|insolven|mortgage"
    r"|zdrow|chor[ao]|ciąż|cukrzyc|lek[ióo]|zadłuż|kredyt|dochod|zarobk|bogac|biedn|pożyczk",
    re.IGNORECASE,
)


class SyncError(Exception):
    """A sync that cannot run; the message names the file and what to do."""


class Limits(BaseModel):
    """How much an audience may change in one run before a person has to look, as parts of 1."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    growth: float = Field(default=0.5, gt=0)
    removals: float = Field(default=0.3, gt=0, le=1)
    members: int = Field(default=100, ge=0)  # Fewer changes than this never need a look.


class Sync(BaseModel):
    """One audience at one destination. `sync_id` is the name of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sync_id: str
    destination: str
    audience: str = Field(min_length=1, max_length=50)
    segment: str
    brand: str
    purpose: str | None = None
    channel: str | None = None
    mode: Literal["mirror", "add_only", "empty"] = "mirror"
    value: str | None = None
    attributes: dict[str, str] = {}
    empty_attributes: Literal["skip", "clear"] = "skip"
    credentials: str | None = None
    options: dict[str, Any] = {}
    limits: Limits = Limits()
    # For accounts whose large requests are refused; None is what the service allows.
    batch_bytes: int | None = Field(default=None, gt=0)

    @property
    def declared(self) -> Declared:
        """What its destination declares, with the size of requests that the sync asks for."""
        declared = destination_module(self.destination).DECLARED
        if self.batch_bytes is None:
            return declared
        return replace(declared, batch_bytes=min(self.batch_bytes, declared.batch_bytes))

    @property
    def consent(self) -> tuple[str, str]:
        """Purpose and channel that members must have consented to."""
        declared = self.declared
        return self.purpose or declared.purpose, self.channel or declared.channel

    def parsed_options(self) -> NoOptions:
        """The options as the destination declares them. Raises pydantic's ValidationError."""
        return self.declared.options.model_validate(self.options)


def read_syncs(names: Sequence[str] = (), folder: Path = SYNCS) -> list[Sync]:
    """Syncs by their names, all when there are none, in the order of their files.

    Raises SyncError, naming all mistakes of all these files.
    """
    files = {file.stem: file for file in sync_files(folder)}
    mistakes = [
        f"no sync {name}: there are {', '.join(files) or 'none'} in syncs/"
        for name in names
        if name not in files
    ]
    syncs = []
    for name, file in files.items():
        if names and name not in names:
            continue
        try:
            syncs.append(_read(file))
        except SyncError as error:
            mistakes.append(str(error))
    if mistakes:
        raise SyncError("\n".join(mistakes))
    return syncs


def sync_files(folder: Path = SYNCS) -> list[Path]:
    """The documents, right or wrong."""
    return sorted(folder.glob("*.yml"))


def _read(file: Path) -> Sync:
    name = f"syncs/{file.name}"
    try:
        document = yaml.safe_load(file.read_text())
        if not isinstance(document, dict):
            raise SyncError(f"{name}: must be keys with values, such as destination: meta")
        sync = Sync.model_validate({"sync_id": file.stem, **document})
        sync.parsed_options()
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", 0) + 1
        raise SyncError(f"{name}, line {line}: is no YAML") from None
    except ModuleNotFoundError as error:
        raise SyncError(f"{name}: {_missing(error)}") from None
    except ValidationError as error:
        told = "; ".join(
            f"{'.'.join(map(str, each['loc'])) or 'document'}: {each['msg'].lower()}"
            for each in error.errors(include_input=False)
        )
        raise SyncError(f"{name}: {told}") from None
    _check(sync, name)
    return sync


def _check(sync: Sync, name: str) -> None:
    word = _SENSITIVE.search(sync.audience)
    if word:
        raise SyncError(
            f'{name}: audience: "{word[0]}" tells of health or money, which ad platforms block and '
            "members must not read: name what they bought or did instead"
        )
    if sync.attributes and not sync.declared.takes_attributes:
        raise SyncError(f"{name}: attributes: {sync.destination} takes none")
    if sync.value and not sync.declared.value_field:
        raise SyncError(f"{name}: value: {sync.destination} knows no value of a member")


def _missing(error: ModuleNotFoundError) -> str:
    if not str(error.name).startswith("orchestration."):
        return needs_package(error)
    known = sorted(file.stem for file in _modules())
    return f"no destination of this name: one of {', '.join(known)}"


def needs_package(error: ModuleNotFoundError) -> str:
    """What to do where a package of a destination is not installed."""
    return f"the package of {error.name} is not there: install the extra exports of pyproject.toml"


def _modules() -> list[Path]:
    folder = Path(__file__).parent / "destinations"
    return [file for file in folder.glob("*.py") if file.stem != "__init__"]
