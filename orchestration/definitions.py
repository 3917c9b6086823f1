"""The Dagster project: assets from landing file to published view, jobs, schedules, sensors."""

import dagster as dg

from orchestration.activation.assets import build_sync_assets, build_sync_sensor
from orchestration.erasure.assets import build_erasure_asset
from orchestration.ingest.assets import build_landing_sensor, build_raw_asset, landing_spec
from orchestration.linkage.assets import build_linkage_model_asset
from orchestration.paths import Paths
from orchestration.predictions.assets import (
    build_scoring_assets,
    build_scoring_sensor,
    build_training_assets,
)
from orchestration.run import build_run_resource
from orchestration.warehouse import dbt
from orchestration.warehouse.assets import build_dbt_assets, build_serving_asset, registry_specs

FIRST_REPLAY = "2009-12-01"


def build_definitions(resources: dict[str, dg.ResourceDefinition] | None = None) -> dg.Definitions:
    """Everything Dagster runs; `resources` replaces the resource `run`, for callers and tests."""
    paths = Paths.from_environment()
    raw_tables = build_raw_asset()
    manifest = dbt.parse(paths)
    dbt_models = build_dbt_assets(paths, manifest)
    public = [key for key in dbt_models.keys if key.path[0] in ("marts", "segments", "audiences")]
    serving = build_serving_asset(public, manifest)
    build = dg.define_asset_job(
        "build",
        selection=[raw_tables, dbt_models, serving],
        executor_def=dg.in_process_executor,
        description="Load what is new, check, build, publish. Launch it with the resource config "
        "run.as_of to set the last day that it knows.",
    )
    replay = dg.define_asset_job(
        "replay",
        selection=[raw_tables, dbt_models, serving],
        executor_def=dg.in_process_executor,
        config=dg.PartitionedConfig(
            partitions_def=dg.DailyPartitionsDefinition(FIRST_REPLAY, end_offset=1),
            run_config_for_partition_key_fn=lambda day: {
                "resources": {"run": {"config": {"as_of": day}}}
            },
        ),
        description="Build past days again, each in data/replays/<date>, as they were then.",
    )
    linkage_model = build_linkage_model_asset()
    train_linkage = dg.define_asset_job(
        "train_linkage",
        selection=[linkage_model],
        executor_def=dg.in_process_executor,
        description="Learn the linkage model anew from the customers of the last build.",
    )
    training, scoring = build_training_assets(), build_scoring_assets()
    train_predictions = dg.define_asset_job(
        "train_predictions",
        selection=training,
        executor_def=dg.in_process_executor,
        description="Learn a challenger from the last build, judge it, and let it replace the "
        "champion when it is better for sure.",
    )
    predict = dg.define_asset_job(
        "predict",
        selection=scoring,
        executor_def=dg.in_process_executor,
        description="Score every buyer by the last build; the next build shows it.",
    )
    syncs = build_sync_assets()
    sync = dg.define_asset_job(
        "sync",
        selection=syncs,
        executor_def=dg.in_process_executor,
        description="Make every destination hold what its segment says. A dry run, unless "
        "SEGMENT_OF_ONE_SYNCS says validate or live.",
    )
    erasures = build_erasure_asset()
    erase = dg.define_asset_job(
        "erase",
        selection=[erasures],
        executor_def=dg.in_process_executor,
        description="Forget everybody who has asked a source system for it, and build without "
        "them. Nothing is built when nobody asks.",
    )
    weekly = dg.ScheduleDefinition(
        name="weekly",
        job=train_predictions,
        cron_schedule="0 3 * * 0",
        execution_timezone="UTC",
    )
    daily = dg.ScheduleDefinition(
        name="daily", job=build, cron_schedule="0 4 * * *", execution_timezone="UTC"
    )
    # Not after each build: an erasure runs one itself, so one that fails would start the next.
    after_daily = dg.ScheduleDefinition(
        name="after_daily", job=erase, cron_schedule="0 6 * * *", execution_timezone="UTC"
    )
    return dg.Definitions(
        assets=[
            *(landing_spec(), *registry_specs(manifest)),
            *(raw_tables, dbt_models, linkage_model, serving, erasures),
            *(*training, *scoring, *syncs),
        ],
        jobs=[build, replay, train_linkage, train_predictions, predict, sync, erase],
        schedules=[daily, after_daily, weekly],
        sensors=[
            build_landing_sensor(build.name),
            build_scoring_sensor(build, predict),
            build_sync_sensor(build, sync),
        ],
        resources=resources or {"run": build_run_resource()},
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What `dagster dev` and `dg` load."""
    return build_definitions()
