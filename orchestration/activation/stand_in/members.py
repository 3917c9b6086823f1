"""Who is in one audience of an advertising platform."""

from dataclasses import dataclass, field

Identifiers = tuple[str, ...]


@dataclass
class Members:
    """Rows of identifiers, "" where one is missing. Platforms know identifiers, not persons:
    a removal takes every row that has one of those that it names.
    """

    rows: set[Identifiers] = field(default_factory=set)
    # Rows that are gone stay listed here until their other identifiers are removed as well.
    _having: dict[tuple[int, str], list[Identifiers]] = field(default_factory=dict)

    def add(self, row: Identifiers) -> None:
        """Take a row in; a row that is there stays as it is."""
        if row in self.rows:
            return
        self.rows.add(row)
        for place, value in enumerate(row):
            if value:
                self._having.setdefault((place, value), []).append(row)

    def remove(self, row: Identifiers) -> None:
        """Take out every row that has one of these identifiers in the same place."""
        for place, value in enumerate(row):
            self.rows.difference_update(self._having.pop((place, value), []))
