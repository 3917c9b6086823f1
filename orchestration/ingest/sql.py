"""Names, texts and file lists, quoted for DuckDB."""

import re
from collections.abc import Iterable
from pathlib import Path


def quote_name(name: str) -> str:
    """A name of a column or table."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """A text."""
    return "'" + text.replace("'", "''") + "'"


def quote_files(files: Iterable[Path]) -> str:
    """A list of exactly these files, whatever wildcards are in their names."""
    escaped = (re.sub(r"[*?\[]", r"[\g<0>]", str(file)) for file in files)
    return "[" + ", ".join(quote_text(file) for file in escaped) + "]"
