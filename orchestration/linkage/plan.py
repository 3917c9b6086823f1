"""How records are compared, before anything is learnt: the plan that a model is trained from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Comparison = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """What a model is trained from; LinkageModel explains what stands in it as well.

    `key` is the column that names a record. `certain` lists columns that agree for hardly any two
    people, and in which about `recall` of the true pairs agree: they tell how frequent true pairs
    are. Each of `learn_from` makes pairs of which a good part is true: from them is learnt what
    is compared beside these columns.
    """

    key: str
    comparisons: Sequence[Comparison]
    blocks: Sequence[Sequence[str]]
    certain: Sequence[Sequence[str]]
    recall: float
    learn_from: Sequence[Sequence[str]]
    personal: Sequence[str] = ()
    home: Sequence[str] = ()
    review_weight: float = 0.0
    merge_weight: float = 0.0
    largest_block: int = 100


def compare(
    name: str, levels: Sequence[tuple[str, str]], needs: Sequence[str], rare: str | None = None
) -> Comparison:
    """A comparison by levels, each a label and its condition, the best first; the rest differs.

    A pair in which either lacks one of the columns `needs` tells nothing. Equal values of the
    column `rare` weigh more, the rarer they are: this goes for the first level.
    """
    missing = " or ".join(f'"{column}_l" is null or "{column}_r" is null' for column in needs)
    made: list[Comparison] = [
        {"sql_condition": condition, "label_for_charts": label} for label, condition in levels
    ]
    if rare:
        made[0] |= {"tf_adjustment_column": rare}
    unknown = {"sql_condition": missing, "label_for_charts": "unknown", "is_null_level": True}
    differs = {"sql_condition": "else", "label_for_charts": "differs"}
    return {"output_column_name": name, "comparison_levels": [unknown, *made, differs]}


def same(column: str) -> str:
    """The condition that both values are equal."""
    return f'"{column}_l" = "{column}_r"'


def alike(column: str, at_least: float) -> str:
    """The condition that two texts begin and sound alike, by Jaro and Winkler, up to 1."""
    return f'jaro_winkler_similarity("{column}_l", "{column}_r") >= {at_least}'


def slips(column: str, most: int) -> str:
    """The condition that few letters are missing, added, wrong or swapped."""
    sides = (f'cast("{column}_{side}" as varchar)' for side in "lr")
    return f"damerau_levenshtein({', '.join(sides)}) <= {most}"


_SAME_DIGITS = (
    """regexp_replace("email_name_l", '[^0-9]', '', 'g')"""
    """ = regexp_replace("email_name_r", '[^0-9]', '', 'g')"""
)

# Two customers have no e-mail address or phone number in common, or they would be one. What tells
# is how nearly they have one. Digits in an address are no slips: jan84 and jan85 are two people.
# Given names are compared by slips, not by sound: Brian and Briana are brother and sister.
CUSTOMERS = Plan(
    key="customer_id",
    comparisons=[
        compare(
            "given_name",
            [("same", same("given_name")), ("one slip", slips("given_name", 1))],
            needs=["given_name"],
            rare="given_name",
        ),
        compare(
            "family_name",
            [("same", same("family_name")), ("nearly the same", alike("family_name", 0.92))],
            needs=["family_name"],
            rare="family_name",
        ),
        compare(
            "birth_date",
            [("same", same("birth_date")), ("one slip", slips("birth_date", 1))],
            needs=["birth_date"],
            rare="birth_date",
        ),
        compare(
            "email",
            [
                (
                    "one slip",
                    f"{slips('email_name', 1)} and {_SAME_DIGITS} and {same('email_domain')}",
                ),
            ],
            needs=["email_name", "email_domain"],
        ),
        compare("phone", [("one slip", slips("phone", 1))], needs=["phone"]),
        compare(
            "address",
            [
                ("same street and code", f"{same('street')} and {same('postal_code')}"),
                ("same code", same("postal_code")),
                ("same city", same("city")),
            ],
            needs=["postal_code", "city"],
        ),
    ],
    blocks=[
        ["family_name", "birth_date"],
        ["given_name", "birth_date"],
        ["street", "postal_code"],
        ["given_name", "family_name", "postal_code"],
        ["given_name", "family_name"],
    ],
    personal=["given_name", "birth_date"],
    home=["address", "phone"],
    review_weight=4.0,
    merge_weight=10.0,
    certain=[
        ["given_name", "family_name", "birth_date"],
        ["given_name", "family_name", "postal_code"],
    ],
    recall=0.6,
    learn_from=[["given_name", "family_name"], ["birth_date"]],
)
