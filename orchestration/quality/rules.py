"""What must hold of raw tables before models read them, as data.

Types, required values, keys and dates are the loader's. The rules here are about what is left:
the values, patterns and ranges of the contract, volumes, references, refused files, and columns
that fall silent.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from orchestration.contract import Column, Entity
from orchestration.ingest.sql import quote_name, quote_text

MOSTLY = 0.99  # a few odd values may enter, a column with the wrong content may not
MOST_QUARANTINED = 0.05
LEAST_QUARANTINED = 100  # fewer bad rows stop nothing: they wait, and the rest is used
MOST_ORPHANS = 0.01
MOST_DAYS_BEHIND = 30

RELOAD = "correct the file and remove the folder raw to load all again"


@dataclass(frozen=True)
class Rule:
    """What the values of one column of a batch must be; NULL is never wrong.

    `says` is the rule in plain words. `broken` is what to tell of a file that breaks it, with
    the names of counts of that file in braces. `mostly` is the share of the values that must
    keep to it. One that is not `blocking` only warns.
    """

    column: str
    says: str
    broken: str
    values: tuple[str, ...] = ()
    pattern: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    mostly: float = 1.0
    blocking: bool = True

    @property
    def is_broken_by_row(self) -> str:
        """The rule in SQL: true for a row that breaks it."""
        column = quote_name(self.column)
        conditions = []
        if self.values:
            conditions.append(f"{column} not in ({', '.join(map(quote_text, self.values))})")
        if self.pattern is not None:
            conditions.append(f"not regexp_matches({column}, {quote_text(self.pattern)})")
        if self.minimum is not None:
            conditions.append(f"{column} < {self.minimum}")
        if self.maximum is not None:
            conditions.append(f"{column} > {self.maximum}")
        return f"({' or '.join(conditions)})"

    def share_required(self, values: int) -> float:
        """The share of this many values that must keep to the rule.

        Where not all must, a single odd one is let in too, however few there are: one typing
        error in a small delivery is no reason to stop the day.
        """
        if self.mostly == 1 or values == 0:
            return self.mostly
        return min(self.mostly, (values - 1) / values)


def rules_for_rows(entity: Entity) -> tuple[Rule, ...]:
    """The values, patterns and ranges that the contract sets for columns of new rows."""
    return tuple(rule for column in entity.columns for rule in _rules_for_column(column))


def _rules_for_column(column: Column) -> Iterator[Rule]:
    name = column.name
    broken = (
        f"{{file}}: {{odd:,}} of {{given:,}} values of {name} break the rule that {{says}}; "
        f"widen the contract, or {RELOAD}"
    )
    if column.values:
        says = f"{name} is one of {', '.join(column.values)}"
        yield Rule(name, says, broken, values=column.values, mostly=MOSTLY)
    if column.pattern is not None:
        says = f"{name} looks like {column.example} ({column.pattern})"
        yield Rule(name, says, broken, pattern=column.pattern, mostly=MOSTLY)
    if column.minimum is not None or column.maximum is not None:
        says = f"{name} is {_range(column.minimum, column.maximum)}"
        yield Rule(
            name, says, broken, minimum=column.minimum, maximum=column.maximum, mostly=MOSTLY
        )


def _range(minimum: float | None, maximum: float | None) -> str:
    if maximum is None:
        return f"at least {minimum:g}"
    if minimum is None:
        return f"at most {maximum:g}"
    return f"from {minimum:g} to {maximum:g}"


def rules_for_files(entity: Entity) -> tuple[Rule, ...]:
    """The limits of what orchestration.quality.measures counts for each new file."""
    return (
        Rule(
            "refused",
            "no file is refused",
            "{error}",
            maximum=0,
        ),
        Rule(
            "rows_lost",
            "every row of a file is loaded or in quarantine",
            "{file}: it has {rows_in:,} rows, but raw holds {rows_raw:,} and quarantine "
            "{rows_quarantined:,}; remove the folder raw to load all again",
            maximum=0,
        ),
        Rule(
            "bad_share",
            f"from {LEAST_QUARANTINED} bad rows on, at most {MOST_QUARANTINED:.0%} of a file, "
            "repeated ones aside",
            "{file}: {bad_rows:,} of {rows_in:,} rows are in quarantine ({reasons}); look at them "
            "there, correct the export and deliver the file again",
            maximum=MOST_QUARANTINED,
        ),
        Rule(
            "columns_fallen_silent",
            "no column that was mostly filled before is empty in a whole file",
            "{file}: no {silent_columns} in any of {rows_raw:,} rows, though most had one before; "
            f"was the export changed? if so, {RELOAD}",
            maximum=0,
        ),
        *(
            _rule_for_reference(column, parent)
            for column, parent in sorted(entity.references.items())
        ),
        Rule(
            "days_behind",
            f"a file is at most {MOST_DAYS_BEHIND} days behind those before it (warning)",
            "{file}: its newest row is {days_behind:,} days older than what came before; "
            "is it an old delivery?",
            maximum=MOST_DAYS_BEHIND,
            blocking=False,
        ),
    )


def orphan_share(column: str) -> str:
    """Name of the measure: the share of rows whose reference in `column` leads nowhere."""
    return f"orphan_share_{column}"


def _rule_for_reference(column: str, parent: str) -> Rule:
    table = parent.split(".")[0]
    return Rule(
        orphan_share(column),
        f"at most {MOST_ORPHANS:.0%} of the rows have {column} of no {table} of the same system",
        f"{{file}}: {{orphans_{column}:,}} of {{children_{column}:,}} rows looked at have "
        f"{column} of no {table} that this system delivered; deliver the missing {table}",
        maximum=MOST_ORPHANS,
    )
