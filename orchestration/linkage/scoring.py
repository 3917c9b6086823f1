"""Scores pairs of records that may be one person, with a model that was trained before."""

from collections.abc import Mapping
from typing import Any

import duckdb
import pyarrow as pa

from orchestration.ingest.sql import quote_text
from orchestration.linkage.evaluation import Link
from orchestration.linkage.model import LinkageModel
from orchestration.linkage.predictions import SCHEMA
from orchestration.linkage.splink_session import splink_session


def score(
    records: duckdb.DuckDBPyRelation, connection: duckdb.DuckDBPyConnection, model: LinkageModel
) -> pa.Table:
    """The pairs of `records` that weigh at least the model's `review_weight`, by SCHEMA.

    id_a is the lesser key. link_weight is the weight without what people of one home have in
    common. decision is `linked`, or `review` and `refused` with the reason that stands against a
    link. evidence has a line for each comparison, without the values themselves.

    People of one home who differ are left out, unless links could bring the two together over
    others, or something beside the home speaks for them.
    """
    [(record_count,)] = records.count("*").fetchall()
    settings = model.settings_for(record_count)
    with splink_session(records, connection, settings, model.blocks, model.largest_block) as linker:
        predictions = linker.inference.predict(threshold_match_weight=model.review_weight)
        weighed = predictions.as_duckdbpyrelation().project(_weights(model))
        decided = weighed.project(_decisions(model))
        return decided.query("decided", _LISTED.format(model=model)).to_arrow_table().cast(SCHEMA)


def links_of(scored: pa.Table) -> list[Link]:
    """The pairs that a model links, with the weight that decides."""
    columns = ("id_a", "id_b", "link_weight", "decision")
    rows = zip(*(scored.column(name).to_pylist() for name in columns), strict=True)
    return [(one, other, weight) for one, other, weight, decision in rows if decision == "linked"]


_LISTED = """
with linked as (
    select unnest([id_a, id_b]) as id from decided where decision = 'linked'
)

select *
from decided
where
    decision <> 'refused'
    or link_weight >= {model.review_weight}
    or (id_a in (from linked) and id_b in (from linked))
order by id_a, id_b
"""


def _weights(model: LinkageModel) -> str:
    key = model.settings["unique_id_column_name"]
    home = "".join(f' - greatest("mw_{name}", 0)' for name in model.home)
    evidence = ", ".join(_evidence(comparison) for comparison in model.settings["comparisons"])
    return f"""
        least("{key}_l", "{key}_r") as id_a,
        greatest("{key}_l", "{key}_r") as id_b,
        round(match_weight, 4) as match_weight,
        round(match_probability, 8) as match_probability,
        round(least(match_weight, match_weight{home}), 4) as link_weight,
        {_differs(model)} as differs,
        [{evidence}] as evidence
    """


def _differs(model: LinkageModel) -> str:
    cases = [f"when \"gamma_{name}\" = 0 then 'other {_words(name)}'" for name in model.personal]
    return f"case {' '.join(cases)} end" if cases else "null"


def _evidence(comparison: Mapping[str, Any]) -> str:
    """`given name: same (+9.1)` for the level that a pair reached, with what it weighs."""
    name = comparison["output_column_name"]
    levels = [level for level in comparison["comparison_levels"] if not level.get("is_null_level")]
    cases = [
        f"when {place} then '{level['label_for_charts']}'"
        for place, level in enumerate(reversed(levels))
    ]
    is_by_rarity = any("tf_adjustment_column" in level for level in levels)
    weight = f'"mw_{name}"' + (f' + "mw_tf_adj_{name}"' if is_by_rarity else "")
    label = f"case \"gamma_{name}\" {' '.join(cases)} else 'unknown' end"
    return f"format('{_words(name)}: {{}} ({{:+.1f}})', {label}, {weight})"


def _decisions(model: LinkageModel) -> str:
    least = model.merge_weight
    return f"""
        id_a,
        id_b,
        match_weight,
        match_probability,
        link_weight,
        case
            when differs is not null then 'refused'
            when link_weight >= {least} then 'linked'
            else 'review'
        end as decision,
        case
            when differs is not null then differs
            when link_weight < {least} and match_weight >= {least} then 'only their home is one'
            when link_weight < {least} then 'too little evidence'
        end as reason,
        evidence,
        {quote_text(f"{model.version} {model.fingerprint}")} as model_version
    """


def _words(name: str) -> str:
    return name.replace("_", " ")
