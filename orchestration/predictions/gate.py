"""A gate and the names of all gates, apart from what asks them: nothing here imports a model."""

from dataclasses import dataclass

MODEL_GATES = ("better_than_recency", "no_worse_than_mbg_nbd", "is_calibrated", "totals_are_right")
SCORE_GATES = ("one_row_per_customer", "chances_rise_with_the_horizon", "has_not_drifted")
CHANNEL_GATES = ("one_row_per_customer", "channels_are_open", "own_choices_are_proven")
LOOKALIKE_GATES = ("no_member_is_a_lookalike", "profiling_was_agreed_to", "places_are_whole")
RECOMMENDATION_GATES = (
    *("offers_what_is_sold", "offers_nothing_owned", "profiling_was_agreed_to"),
    "places_are_whole",
)


@dataclass(frozen=True)
class Gate:
    """One question and its answer; `told` says in words what was found and what is asked for."""

    name: str
    passed: bool
    told: str
