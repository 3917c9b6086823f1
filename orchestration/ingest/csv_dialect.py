"""How the records of a CSV file are written, and SQL that takes them apart."""

import csv
from collections.abc import Collection
from dataclasses import dataclass

from orchestration.ingest.sql import quote_text

DELIMITERS = ",;\t|"


@dataclass(frozen=True)
class Dialect:
    """The names in the header, and the delimiter of it and all records."""

    names: tuple[str, ...]
    delimiter: str

    @property
    def field(self) -> str:
        """Regular expression of a value: in quotes, plain, or empty."""
        start, rest = rf'[^" {self.delimiter}\n]', rf"[^{self.delimiter}\n]*"
        return rf' *"(?:[^"]|"")*" *| *{start}{rest}| *'

    @property
    def record(self) -> str:
        """Regular expression of a record with any number of values."""
        return f"(?:{self.field})(?:[{self.delimiter}](?:{self.field}))*"

    @property
    def tidy_record(self) -> str:
        """The same, where no plain value has a quote in it."""
        field = rf' *"(?:[^"]|"")*" *|[^"{self.delimiter}\n]*'
        return f"(?:{field})(?:[{self.delimiter}](?:{field}))*"

    def split(self, text: str) -> str:
        """SQL of the list of values in a record that has no NUL byte.

        In a tidy record the texts between quotes are outside and inside a value by turns, and
        nothing between two quotes, outside, is one quote of the value.
        """
        delimiter = quote_text(self.delimiter)
        pattern = quote_text(f"[{self.delimiter}]({self.field})")
        return f"""
            case
                when not contains({text}, '"') then string_split({text}, {delimiter})
                when regexp_full_match({text}, {quote_text(self.tidy_record)}) then string_split(
                    array_to_string(
                        list_transform(
                            string_split(' ' || {text} || ' ', '"'),
                            lambda part, position: case
                                when position % 2 = 0 then part
                                when part = '' then '"'
                                else replace(part, {delimiter}, chr(0))
                            end
                        ),
                        ''
                    ),
                    chr(0)
                )
                else list_transform(
                    regexp_extract_all({delimiter} || {text}, {pattern}, 1),
                    lambda field: case
                        when starts_with(trim(field), '"')
                            then replace(trim(field)[2:-2], '""', '"')
                        else field
                    end
                )
            end"""


def choose_dialect(header: str, wanted: Collection[str]) -> Dialect:
    """The delimiter that finds the most wanted columns in the header, else the most columns."""

    def columns_found(dialect: Dialect) -> tuple[int, int]:
        return len({name.lower() for name in dialect.names} & set(wanted)), len(dialect.names)

    choices = [Dialect(_names(header, delimiter), delimiter) for delimiter in DELIMITERS]
    return max(choices, key=columns_found)


def _names(header: str, delimiter: str) -> tuple[str, ...]:
    """Names without white space; a column without a name is called by its position."""
    names = next(csv.reader([header], delimiter=delimiter))
    return tuple(
        name.strip() or f"column {position}" for position, name in enumerate(names, start=1)
    )
