"""Files: an audience as CSV or Parquet in a folder of this machine, or one that is mounted here.

A file knows audiences alone: whoever is forgotten leaves it, and copies of it are not followed.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pydantic import field_validator

from orchestration.activation.destination import (
    Connection,
    Declared,
    DeniedError,
    Destination,
    NoOptions,
    UnavailableError,
)
from orchestration.activation.member_file import (
    BATCH_BYTES,
    BATCH_ROWS,
    COLUMNS,
    IDENTIFIERS,
    Layout,
    MemberFile,
)
from orchestration.ingest.ledger import sync_folder


class FilesOptions(NoOptions):
    """The folder, which has to be there, and the format. A file of the format that a sync had
    before stays as it is: remove it.

    `guard_formulas` keeps a spreadsheet from calculating what somebody gave as a name; turn it off
    for a program that has to read every text as it is.
    """

    folder: Path
    format: Literal["csv", "parquet"] = "csv"
    guard_formulas: bool = True

    @field_validator("folder")
    @classmethod
    def _from_the_root(cls, folder: Path) -> Path:
        if not folder.is_absolute():
            raise ValueError("must begin with /")
        return folder


DECLARED = Declared(
    fields={name: name for name in COLUMNS},
    identifiers=IDENTIFIERS,
    purpose="marketing",
    channel="email",
    batch_rows=BATCH_ROWS,
    batch_bytes=BATCH_BYTES,
    options=FilesOptions,
    takes_attributes=True,
)


def connect(options: FilesOptions, connection: Connection) -> Destination:  # noqa: ARG001
    """The folder; nothing is written."""
    layout = Layout(options.format, guarded=options.guard_formulas)
    return MemberFile(_LocalFolder(options.folder), layout)


class _LocalFolder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> bytes | None:
        """A whole file; None when there is none."""
        self._require()
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _failure(error) from None

    def replace(self, name: str, content: bytes) -> None:
        """Replace a file, and return when it would outlast a power cut."""
        self._require()
        draft = self._folder / f".{name.removeprefix('.')}.draft"
        try:
            with draft.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._folder / name)
            sync_folder(self._folder)
        except OSError as error:
            raise _failure(error) from None
        finally:
            # Half a file of persons is left nowhere.
            with suppress(OSError):
                draft.unlink(missing_ok=True)

    def _require(self) -> None:
        # Never made here: below a mount that failed, nobody would find the files.
        if not self._folder.is_dir():
            raise DeniedError(f"there is no folder {self._folder}: make it, or mount it")


def _failure(error: OSError) -> DeniedError | UnavailableError:
    name = type(error).__name__
    if isinstance(error, PermissionError | IsADirectoryError | NotADirectoryError):
        return DeniedError(f"the folder cannot be used: {name}")
    return UnavailableError(f"{name} {error.errno}")
