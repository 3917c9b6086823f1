"""Pictures of a linkage model. They show levels of agreement, never a value of anybody."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import vl_convert

from orchestration.linkage.evaluation import Accuracy
from orchestration.linkage.model import LinkageModel
from orchestration.linkage.splink_session import splink_session


def draw(
    model: LinkageModel,
    records: duckdb.DuckDBPyRelation,
    connection: duckdb.DuckDBPyConnection,
    curve: Sequence[Accuracy],
) -> dict[str, bytes]:
    """The charts of a model as PNG, by name; `curve` is its accuracy on records that are known."""
    with splink_session(
        records, connection, model.settings, model.blocks, model.largest_block
    ) as linker:
        specifications = {
            "match_weights": linker.visualisations.match_weights_chart().chart_dict,
            "m_u_parameters": linker.visualisations.m_u_parameters_chart().chart_dict,
            "cluster_accuracy": _accuracy_chart(curve, model.merge_weight),
        }
    return {name: _png(specification) for name, specification in specifications.items()}


def as_markdown(name: str, png: bytes) -> str:
    """A chart as an image that stands in the text itself, for Dagster's UI."""
    return f"![{name}](data:image/png;base64,{base64.b64encode(png).decode()})"


def _png(specification: Mapping[str, Any]) -> bytes:
    png: bytes = vl_convert.vegalite_to_png(dict(specification))
    return png


def _accuracy_chart(curve: Sequence[Accuracy], merge_weight: float) -> dict[str, Any]:
    measures = [
        {"weight": accuracy.weight, "measure": measure, "value": value}
        for accuracy in curve
        for measure, value in (("precision", accuracy.precision), ("recall", accuracy.recall))
    ]
    return {
        "title": "Clusters of the links from a weight on",
        "width": 400,
        "layer": [
            {
                "data": {"values": measures},
                "mark": "line",
                "encoding": {
                    "x": {"field": "weight", "type": "quantitative"},
                    "y": {"field": "value", "type": "quantitative", "scale": {"domain": [0, 1]}},
                    "color": {"field": "measure", "type": "nominal"},
                },
            },
            {
                "data": {"values": [{"weight": merge_weight}]},
                "mark": {"type": "rule", "strokeDash": [4, 4]},
                "encoding": {"x": {"field": "weight", "type": "quantitative"}},
            },
        ],
    }
