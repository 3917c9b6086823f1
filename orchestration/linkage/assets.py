"""The Dagster asset that learns the linkage model anew and says how good it is."""

from dataclasses import replace
from math import floor
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb

from orchestration.ingest.sql import quote_text
from orchestration.linkage.model import SWITCH, LinkageError, LinkageModel, require_splink
from orchestration.linkage.plan import CUSTOMERS
from orchestration.paths import Paths
from orchestration.run import BuildRun

MODEL = dg.AssetKey(["linkage", "model"])
_GOLDEN_RECORDS = dg.AssetKey(["linkage", "golden_records"])
_PROFILES = dg.AssetKey(["linkage", "profiles"])


def build_linkage_model_asset() -> dg.AssetsDefinition:
    """The model that builds with linkage use once it is there; no build makes it anew."""

    @dg.asset(
        key=MODEL,
        deps=[_GOLDEN_RECORDS, _PROFILES],
        group_name="linkage",
        owners=["team:data-engineering"],
        kinds={"splink"},
        description="What agreement of two customers is worth, learnt from the customers of the "
        "last build and judged on records whose customer identity knows. Builds link by it; "
        "without data/linkage/model.json they link by the model that comes with the project.",
    )
    def linkage_model(run: dg.ResourceParam[BuildRun]) -> dg.MaterializeResult[Any]:
        require_splink()
        paths = Paths.from_environment()
        with run.step("train the linkage model"):
            model, metadata = train_model(run.workspace.warehouse, paths.reports / "linkage")
            model.save(paths.linkage_model)
        return dg.MaterializeResult(metadata={"file": str(paths.linkage_model), **metadata})

    return linkage_model


def train_model(
    warehouse: Path, charts: Path
) -> tuple[LinkageModel, dict[str, dg.MetadataValue[Any]]]:
    """Learn a model from the golden records of a warehouse, judge it, and draw its `charts`.

    Judged is what it links of records that identity knows, their identifiers hidden. It links from
    the weight where the clusters are best, never from a lower one than the plan's.
    """
    from orchestration.linkage.charts import as_markdown, draw
    from orchestration.linkage.evaluation import (
        at_weight,
        best_weight,
        cluster_accuracy,
        hide_identifiers,
    )
    from orchestration.linkage.scoring import links_of, score
    from orchestration.linkage.training import train

    with duckdb.connect() as connection:
        connection.execute(f"attach {quote_text(str(warehouse))} as warehouse (read_only)")
        _require_records(connection)
        records = connection.table("warehouse.linkage.golden_records")
        [(count,)] = records.count("*").fetchall()
        [(as_of,)] = connection.execute("select max(as_of) from warehouse.meta.builds").fetchall()
        trained = train(
            records, connection, CUSTOMERS, f"{as_of}", f"{count:,} customers as of {as_of}"
        )
        known = hide_identifiers(connection, "warehouse.linkage.profiles")
        truth = dict(known.project("customer_id, truth").fetchall())
        every_link = replace(trained, merge_weight=trained.review_weight)
        curve = cluster_accuracy(truth, links_of(score(known, connection, every_link)))
        best = floor(10 * best_weight(curve, CUSTOMERS.merge_weight)) / 10
        model = replace(trained, merge_weight=best)
        drawn = draw(model, records, connection, curve)
    found = at_weight(curve, model.merge_weight)
    charts.mkdir(parents=True, exist_ok=True)
    for name, png in drawn.items():
        (charts / f"{name}.png").write_bytes(png)
    return model, {
        "version": dg.MetadataValue.text(f"{model.version} {model.fingerprint}"),
        "customers": dg.MetadataValue.int(count),
        "merge_weight": dg.MetadataValue.float(model.merge_weight),
        "cluster_precision": dg.MetadataValue.float(found.precision),
        "cluster_recall": dg.MetadataValue.float(found.recall),
        "cluster_f1": dg.MetadataValue.float(found.f(1)),
        **{name: dg.MetadataValue.md(as_markdown(name, png)) for name, png in drawn.items()},
    }


def _require_records(connection: duckdb.DuckDBPyConnection) -> None:
    tables = connection.execute(
        "select 1 from duckdb_tables() where schema_name = 'linkage' "
        "and table_name = 'golden_records' and estimated_size > 0"
    ).fetchall()
    if not tables:
        raise LinkageError(f"there are no golden records: build with {SWITCH}=yes first")
