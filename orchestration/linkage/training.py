"""Learns what agreement in each comparison is worth, from the records themselves."""

import json
from typing import Any

import duckdb
from splink import block_on

from orchestration.linkage.model import LinkageModel
from orchestration.linkage.plan import Plan
from orchestration.linkage.splink_session import splink_session

_SEED = 1
_MOST_PAIRS = 1e6
_DIGITS = 6

# What clean data never showed still happens: nobody's first slip may weigh like a proof.
_LEAST_M, _LEAST_U = 0.005, 1e-6


def train(
    records: duckdb.DuckDBPyRelation,
    connection: duckdb.DuckDBPyConnection,
    plan: Plan,
    version: str,
    trained_on: str,
) -> LinkageModel:
    """A model with the probabilities that `records` show, the same in whatever order they come.

    Nothing is labelled: what agrees by chance is learnt from pairs at random, what agrees in
    true pairs by expectation maximisation over pairs that agree in the columns of `learn_from`.
    """
    untrained = {
        "link_type": "dedupe_only",
        "unique_id_column_name": plan.key,
        "comparisons": plan.comparisons,
        "retain_matching_columns": True,
        "retain_intermediate_calculation_columns": True,
    }
    with splink_session(records, connection, untrained, plan.blocks, plan.largest_block) as linker:
        linker.training.estimate_probability_two_random_records_match(
            [block_on(*columns) for columns in plan.certain], recall=plan.recall
        )
        linker.training.estimate_u_using_random_sampling(
            max_pairs=_MOST_PAIRS, seed=_SEED, min_count_per_level=None, num_chunks=1
        )
        for columns in plan.learn_from:
            linker.training.estimate_parameters_using_expectation_maximisation(block_on(*columns))
        settings = linker.misc.save_model_to_json()
    [(record_count,)] = records.count("*").fetchall()
    return LinkageModel(
        version=version,
        trained_on=trained_on,
        record_count=record_count,
        review_weight=plan.review_weight,
        merge_weight=plan.merge_weight,
        blocks=plan.blocks,
        largest_block=plan.largest_block,
        personal=plan.personal,
        home=plan.home,
        settings=_to_keep(settings),
    )


def _to_keep(settings: dict[str, Any]) -> dict[str, Any]:
    """What decides of Splink's settings, to six digits: the order of rows changes the others."""
    for changing in ("linker_uid", "blocking_rules_to_generate_predictions"):
        settings.pop(changing, None)
    for comparison in settings["comparisons"]:
        for level in comparison["comparison_levels"]:
            if not level.get("is_null_level"):
                _complete(level)
    kept: dict[str, Any] = json.loads(json.dumps(settings), parse_float=_rounded)
    return kept


def _complete(level: dict[str, Any]) -> None:
    """Give a level the probabilities that the records were too few or too clean to show."""
    m, u = level.get("m_probability"), level.get("u_probability")
    if m is None and u is None:
        # Nobody reached it: it tells nothing.
        m = u = _LEAST_M
    level["m_probability"] = max(m or 0, _LEAST_M)
    level["u_probability"] = max(u or 0, _LEAST_U)


def _rounded(number: str) -> float:
    return float(f"{float(number):.{_DIGITS}g}")
