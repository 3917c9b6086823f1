"""Dagster assets of the warehouse: the dbt project, and what is published of it to readers."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import duckdb
from dagster_dbt import DagsterDbtTranslator, dbt_assets
from dagster_dbt.asset_utils import get_asset_check_key_for_test
from dbt.contracts.graph.manifest import Manifest

from orchestration.ingest.ledger import read_ledger
from orchestration.linkage import model as linkage
from orchestration.paths import Paths
from orchestration.run import FRESHNESS, BuildRun
from orchestration.warehouse import dbt, serving
from orchestration.warehouse.workspace import (
    Workspace,
    describe_state,
    finish_build,
    last_full_build,
    start_build,
)

PUBLIC_SCHEMAS = ("marts", "segments", "audiences")
KEPT_VERSIONS = 3
SERVING = dg.AssetKey("serving")


class Translator(DagsterDbtTranslator):
    """Assets are named as readers know them, schema and relation, and grouped by layer."""

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: Any
    ) -> dg.AssetSpec:
        """The asset of a node: key, group and owner differ from dagster-dbt's own choice."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        node = manifest["nodes"].get(unique_id) or manifest["sources"][unique_id]
        if node["resource_type"] == "source":
            return spec.replace_attributes(key=dg.AssetKey([node["schema"], node["name"]]))
        group = "reference" if node["resource_type"] == "seed" else node["fqn"][1]
        return spec.replace_attributes(
            key=dg.AssetKey([node["schema"], node["alias"]]),
            # Made from the build before: Dagster's arrows are of one build, and know no circle.
            deps=[dep for dep in spec.deps if dep.asset_key.path[0] != "predictions"],
            group_name=group,
            owners=[f"team:{node.get('group') or 'analytics'}"],
            freshness_policy=FRESHNESS,
        )


def registry_specs(manifest: Manifest) -> list[dg.AssetSpec]:
    """The log of identities, the tombstones of the erased, who was in which segment, the sizes of
    the segments, and what syncs did: no build makes them anew.
    """
    return [
        dg.AssetSpec(
            dg.AssetKey([source.schema, source.identifier]),
            description=source.description,
            group_name=source.fqn[1],
            owners=["team:data-engineering"],
        )
        for source in manifest.sources.values()
        if source.source_name in ("registry", "exports")
    ]


def build_dbt_assets(paths: Paths, manifest: Manifest) -> dg.AssetsDefinition:
    """All seeds, models and data tests as assets and checks of one op."""
    content = dbt.manifest_json(manifest)
    translator = Translator()

    @dbt_assets(
        manifest=content,
        exclude="resource_type:unit_test",
        name="dbt_models",
        dagster_dbt_translator=translator,
    )
    def dbt_models(
        run: dg.ResourceParam[BuildRun],
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        workspace = run.workspace
        links = linkage.is_on()
        start = start_build(workspace, paths, read_ledger(paths))
        if start.reason:
            run.progress(f"everything is built anew: {start.reason}")
        with run.step("build"):
            results = dbt.build(
                manifest,
                paths,
                workspace.warehouse,
                workspace.as_of,
                start.last_load_id,
                start.tested_load_id,
                run.accepts_failed_checks,
                links,
                run.progress,
            )
        yield from _dagster_results(results, content, translator, _row_counts(workspace))
        failed = [result for result in results if not result.passed]
        if failed:
            raise dg.Failure(_describe_failures(failed), allow_retries=False)
        finish_build(workspace, start)

    return dbt_models


def build_serving_asset(public_keys: list[dg.AssetKey], manifest: Manifest) -> dg.AssetsDefinition:
    """The file that readers open, switched as a whole when everything before has passed."""
    keys, uncounted = published_by(manifest), published_uncounted(manifest)

    @dg.asset(
        key=SERVING,
        deps=public_keys,
        group_name="serving",
        owners=["team:data-engineering"],
        kinds={"duckdb"},
        freshness_policy=FRESHNESS,
        description="The published file: schemas marts, segments and audiences of the last build "
        "that passed. Readers open data/serving.duckdb, which leads to it.",
    )
    def published(run: dg.ResourceParam[BuildRun]) -> dg.MaterializeResult[Any]:
        workspace = run.workspace
        about = describe_state(Paths.from_environment(), workspace.as_of)
        last_load_id = int(about["last_load_id"])
        origin = serving.Origin(about, last_full_build(workspace), last_load_id, keys, uncounted)
        with run.step("publish"):
            result = serving.publish(
                workspace.warehouse,
                workspace.serving,
                workspace.versions,
                PUBLIC_SCHEMAS,
                origin,
                KEPT_VERSIONS,
                run.progress,
            )
        return dg.MaterializeResult(
            metadata={"file": str(result.file), "rows": dg.MetadataValue.json(result.rows)}
        )

    return published


def published_by(manifest: Manifest) -> dict[str, list[str]]:
    """The key of each relation that is published by its changes, by `schema.relation`."""
    return {
        f"{node.schema}.{node.alias}": node.config.meta["published_by"]
        for node in manifest.nodes.values()
        if "published_by" in node.config.meta
    }


def published_uncounted(manifest: Manifest) -> set[str]:
    """The views whose rows are not counted when they are published, as `schema.relation`."""
    return {
        f"{node.schema}.{node.alias}"
        for node in manifest.nodes.values()
        if node.config.meta.get("published_uncounted")
    }


def _dagster_results(
    results: list[dbt.NodeResult],
    manifest: Mapping[str, Any],
    translator: Translator,
    row_counts: Mapping[tuple[str, str], int],
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    for result in results:
        node = manifest["nodes"].get(result.unique_id)
        if node is None:
            continue
        if node["resource_type"] in ("model", "seed"):
            if not result.passed:
                continue
            rows = row_counts.get((node["schema"], node["alias"]))
            yield dg.MaterializeResult(
                asset_key=translator.get_asset_spec(manifest, result.unique_id, None).key,
                metadata={
                    "seconds": result.seconds,
                    **({} if rows is None else {"dagster/row_count": rows}),
                },
            )
        elif node["resource_type"] == "test" and result.status != "skipped":
            check = get_asset_check_key_for_test(manifest, translator, result.unique_id, None)
            if check is not None:
                is_warning = result.status == "warn"
                yield dg.AssetCheckResult(
                    passed=result.passed and not is_warning,
                    severity=dg.AssetCheckSeverity.WARN
                    if is_warning
                    else dg.AssetCheckSeverity.ERROR,
                    asset_key=check.asset_key,
                    check_name=check.name,
                    metadata={"failures": result.failures},
                )


def _row_counts(workspace: Workspace) -> dict[tuple[str, str], int]:
    """Rows of each table of the warehouse."""
    with duckdb.connect(str(workspace.warehouse)) as warehouse:
        tables = warehouse.execute(
            "select schema_name, table_name, estimated_size from duckdb_tables()"
        ).fetchall()
    return {(schema, name): rows for schema, name, rows in tables}


def _describe_failures(failed: list[dbt.NodeResult]) -> str:
    lines = [f"{result.name}: {result.message}" for result in failed if result.status != "skipped"]
    skipped = sum(result.status == "skipped" for result in failed)
    return (
        f"{len(lines)} of the models and tests failed, {skipped} were left out because of them; "
        "readers keep the last good version. " + " | ".join(lines)
    )
