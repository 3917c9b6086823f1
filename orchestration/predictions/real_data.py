"""The models on real data sets: recipe, build, features, training and judgement as for any shop."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import numpy as np

from orchestration.launch import BuildError
from orchestration.paths import PROJECT, Paths
from orchestration.predictions.snapshots import Numbers

_SAMPLE = "cdnow/cdnow_sample_1_10.parquet"
_SAMPLE_ENDS = date(1997, 9, 30)


@dataclass(frozen=True)
class _Set:
    """A data set: its recipe and folder, its last day, and the days and horizons it is judged on.

    The days that chose what the models are lie before them: docs/predictions.md.
    """

    name: str
    until: date
    windows: tuple[tuple[date, int], ...]


SETS = (
    _Set("cdnow", date(1998, 6, 30), ((date(1998, 3, 31), 91),)),
    _Set("online_retail_ii", date(2011, 12, 9), ((date(2011, 6, 10), 91), (date(2011, 9, 9), 91))),
    _Set(
        "complete_journey",
        date(2018, 1, 1),
        ((date(2017, 12, 3), 28), (date(2017, 10, 2), 91)),
    ),
)

# Goals of the figures, by data set, day and measure.
_GOALS = {
    ("cdnow", "1998-03-31"): {
        "auc": ".838", "brier": ".0890", "calibration_error": ".020",
        "concordance": ".815", "amount_gini": ".772",
    },
    ("online_retail_ii", "2011-06-10"): {
        "auc": ".827", "brier": ".1497", "calibration_error": ".040",
        "concordance": ".778", "amount_gini": ".852",
    },
    ("complete_journey", "2017-12-03"): {
        "auc": ".875", "brier": ".1032", "calibration_error": ".022",
    },
    ("complete_journey", "2017-10-02"): {"concordance": ".735", "amount_gini": ".850"},
}  # fmt: skip
_SHOWN = (
    *("auc", "brier", "calibration_error", "total_ratio", "concordance"),
    *("amount_gini", "interval_coverage"),
)


def judge_real_data(files: Path, paths: Paths, progress: Callable[[str], None]) -> dict[str, str]:
    """Build and judge each data set that lies below `files`, a folder for each; figures by name."""
    from orchestration.predictions.backtest import backtest

    figures = _anchors(files)
    for each in SETS:
        if not (files / each.name).is_dir():
            progress(f"{each.name}: left out, {files / each.name} is not there")
            continue
        progress(f"== {each.name}")
        built = Paths(paths.data / "backtest" / each.name)
        _build(each, files, built)
        with duckdb.connect(str(built.warehouse)) as warehouse:
            figures |= _recommendations(each.name, warehouse)
            for cutoff, horizon in each.windows:
                judgement = backtest(warehouse, cutoff, (horizon,))
                goals = _GOALS.get((each.name, cutoff.isoformat()), {})
                for measure in judgement.measures:
                    if measure.group != "all" or measure.name not in _SHOWN:
                        continue
                    beside = (
                        "" if measure.heuristic is None else f", heuristic {measure.heuristic:.4f}"
                    )
                    goal = f" (goal {goals[measure.name]})" if measure.name in goals else ""
                    name = f"{each.name} {cutoff} {horizon} d {measure.name}"
                    figures[name] = f"{measure.value:.4f}{goal}{beside}"
    return figures


def _build(data_set: _Set, files: Path, paths: Paths) -> None:
    """Build the data set in a folder of its own, as its commands do; what is built stays."""
    paths.data.mkdir(parents=True, exist_ok=True)
    commands = [["build", "--as-of", data_set.until.isoformat()]]
    if not paths.landing.exists():
        commands.insert(0, ["recipe", data_set.name, str(files / data_set.name)])
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-m", "orchestration", *command],
            cwd=PROJECT,
            env={**os.environ, "SEGMENT_OF_ONE_DATA": str(paths.data)},
            check=False,
        )
        if done.returncode:
            raise BuildError(f"{data_set.name}: {command[0]} failed, as told above")


def _recommendations(name: str, warehouse: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Recall at ten places, on the windows that chose nothing; CDNOW tells no products."""
    from orchestration.predictions.purchases import read_purchases
    from orchestration.predictions.recommendation_quality import new_products, next_basket

    if name == "cdnow":
        return {}
    purchases = read_purchases(
        warehouse.execute("select * from features.product_purchases").to_arrow_table()
    )
    if name == "online_retail_ii":
        found = new_products(purchases, date(2011, 9, 9), 91)
        recall, popular = (found[each].recall_of_ten for each in ("discover", "popularity"))
        return {
            f"{name} 2011-09-09 91 d new products, recall of ten": _recall(recall, popular, ".090")
        }
    found = next_basket(purchases, date(2017, 12, 3), 28, least_products=3)
    recall, popular = (found[each].recall for each in ("replenish", "popularity"))
    return {f"{name} 2017-12-03 28 d next basket, recall": _recall(recall, popular, ".130")}


def _recall(recall: float, popular: float, goal: str) -> str:
    return f"{recall:.4f} (goal {goal}), most bought {popular:.4f}"


def _anchors(files: Path) -> dict[str, str]:
    """Parameters that are published for a tenth of CDNOW, in weeks to the end of September 1997."""
    from orchestration.predictions.purchase_models import fit_purchases, fit_spend

    if not (files / _SAMPLE).exists():
        return {}
    x, t_x, t, mean = sample_histories(files / _SAMPLE)
    model = fit_purchases("bg_nbd", x, t_x, t)
    spend = fit_spend(x[x > 0], mean[x > 0])
    likelihood = model.log_likelihood(x, t_x, t).sum()
    return {
        "CDNOW sample, BG/NBD": (
            f"r {model.r:.3f}, alpha {model.alpha:.3f}, a {model.a:.3f}, b {model.b:.3f}, "
            f"log-likelihood {likelihood:.1f} (goal .243, 4.414, .793, 2.426, -9582.4)"
        ),
        "CDNOW sample, Gamma-Gamma": (
            f"p {spend.p:.2f}, q {spend.q:.2f}, gamma {spend.gamma:.2f} (goal 6.25, 3.74, 15.44)"
        ),
    }


def sample_histories(
    file: Path,
) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """The published histories in weeks, and the mean spend of repeated purchases.

    A day with several purchases is one; the spend of the first one does not count.
    """
    with duckdb.connect() as connection:
        rows = connection.execute(
            """
            with days as (
                select customer_id, date::date as bought_on, sum(dollar_value) as amount
                from read_parquet($file) where date::date <= $until group by all
            ),

            firsts as (select customer_id, min(bought_on) as first_on from days group by all)

            select
                count(*) - 1 as x,
                (max(bought_on) - min(first_on)) / 7 as t_x,
                ($until::date - min(first_on)) / 7 as t,
                coalesce(avg(amount) filter (where bought_on > first_on), 0) as mean
            from days inner join firsts using (customer_id)
            group by customer_id order by customer_id
            """,
            {"file": str(file), "until": _SAMPLE_ENDS},
        ).fetchnumpy()
    x, t_x, t, mean = (np.asarray(rows[name], float) for name in ("x", "t_x", "t", "mean"))
    return x, t_x, t, mean
