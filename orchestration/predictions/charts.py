"""Pictures of how a model was judged: calibration, and lift over the recency heuristic."""

import base64
from pathlib import Path
from typing import Any

import vl_convert

from orchestration.predictions.backtest import Judgement


def draw(judgement: Judgement, folder: Path) -> dict[str, str]:
    """Write the charts as PNG into a folder; each as Markdown that holds its image, by name."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {}
    for name, specification in (
        ("calibration", _calibration(judgement)),
        ("lift", _lift(judgement)),
    ):
        png = vl_convert.vegalite_to_png(specification)
        (folder / f"{name}.png").write_bytes(png)
        drawn[name] = f"![{name}](data:image/png;base64,{base64.b64encode(png).decode()})"
    return drawn


def _calibration(judgement: Judgement) -> dict[str, Any]:
    points = [
        {"horizon": f"{horizon} days", "said": each.predicted, "came": each.actual}
        for (group, horizon), bins in judgement.bins.items()
        if group == "all"
        for each in bins
    ]
    encoding = {
        "x": {"field": "said", "type": "quantitative", "title": "chance as said"},
        "y": {"field": "came", "type": "quantitative", "title": "share who bought"},
    }
    return {
        "title": f"What was said on {judgement.cutoff}, and what came",
        "width": 400,
        "height": 400,
        "layer": [
            {
                "data": {"values": points},
                "mark": {"type": "line", "point": True},
                "encoding": {**encoding, "color": {"field": "horizon", "type": "nominal"}},
            },
            {
                "data": {"values": [{"said": 0, "came": 0}, {"said": 1, "came": 1}]},
                "mark": {"type": "line", "strokeDash": [4, 4]},
                "encoding": encoding,
            },
        ],
    }


def _lift(judgement: Judgement) -> dict[str, Any]:
    """Of the customers from the highest chance down, how many of all buyers are among them."""
    values = []
    for (group, horizon), bins in judgement.bins.items():
        if group != "all":
            continue
        count = sum(each.count for each in bins)
        buyers = sum(each.count * each.actual for each in bins)
        seen = found = 0.0
        for each in reversed(bins):
            seen += each.count
            found += each.count * each.actual
            values.append(
                {
                    "horizon": f"{horizon} days",
                    "customers": seen / count,
                    "buyers": found / buyers if buyers else 0,
                }
            )
    return {
        "title": "Buyers among the customers with the highest chances",
        "width": 400,
        "height": 400,
        "data": {"values": values},
        "mark": {"type": "line", "point": True},
        "encoding": {
            "x": {"field": "customers", "type": "quantitative", "title": "share of customers"},
            "y": {"field": "buyers", "type": "quantitative", "title": "share of buyers"},
            "color": {"field": "horizon", "type": "nominal"},
        },
    }
