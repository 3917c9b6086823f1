"""Pictures of a model: calibration, lift, purchases as expected and as they came, and drift."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import vl_convert

from orchestration.predictions.backtest import Judgement, Tracked
from orchestration.predictions.gates import MOST_DRIFT


def draw_judgement(judgement: Judgement, tracked: list[Tracked], folder: Path) -> dict[str, str]:
    """Write the charts of a judgement as PNG into a folder; each as Markdown with its image."""
    return _draw(
        {
            "calibration": _calibration(judgement),
            "lift": _lift(judgement),
            "tracking": _tracking(judgement, tracked),
        },
        folder,
    )


def draw_drift(drift: Mapping[str, float], folder: Path) -> dict[str, str]:
    """The same of the drift of each feature."""
    return _draw({"drift": _drift(drift)}, folder)


def _draw(specifications: Mapping[str, dict[str, Any]], folder: Path) -> dict[str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {}
    for name, specification in specifications.items():
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


def _tracking(judgement: Judgement, tracked: list[Tracked]) -> dict[str, Any]:
    values = [
        {"days": each.days, "purchases": count, "told by": told}
        for each in tracked
        for told, count in (("MBG/NBD", each.expected), ("as they came", each.actual))
    ]
    return {
        "title": f"Purchases after {judgement.cutoff}, all together",
        "width": 400,
        "height": 400,
        "data": {"values": values},
        "mark": {"type": "line", "point": True},
        "encoding": {
            "x": {"field": "days", "type": "quantitative", "title": "days later"},
            "y": {"field": "purchases", "type": "quantitative", "title": "purchases"},
            "color": {"field": "told by", "type": "nominal"},
        },
    }


def _drift(drift: Mapping[str, float]) -> dict[str, Any]:
    values = [{"feature": name, "index": value} for name, value in drift.items()]
    return {
        "title": "How far features have moved since the model was learnt",
        "width": 400,
        "layer": [
            {
                "data": {"values": values},
                "mark": "bar",
                "encoding": {
                    "x": {"field": "index", "type": "quantitative", "title": "stability index"},
                    "y": {"field": "feature", "type": "nominal", "sort": "-x"},
                },
            },
            {
                "data": {"values": [{"limit": MOST_DRIFT}]},
                "mark": {"type": "rule", "strokeDash": [4, 4]},
                "encoding": {"x": {"field": "limit", "type": "quantitative"}},
            },
        ],
    }
