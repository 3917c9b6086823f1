"""The Dagster project as people find it: assets, checks, jobs, schedule, sensor, freshness."""

from collections.abc import Iterator

import dagster as dg
import pytest

from orchestration.activation.syncs import sync_files
from orchestration.contract import load_contract
from orchestration.definitions import build_definitions
from orchestration.launch import dagster_home
from orchestration.linkage import assets as linkage_assets
from orchestration.paths import PROJECT, Paths
from orchestration.reports.contract_page import contract_page
from orchestration.warehouse import dbt
from tests.python.conftest import data_folder

pytestmark = pytest.mark.usefixtures("parsed_project")


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.Definitions]:
    with data_folder(Paths(tmp_path_factory.mktemp("definitions"))):
        yield build_definitions()


def test_dagster_can_load_all_of_it(definitions: dg.Definitions) -> None:
    """As the UI and the daemon do, which ask more than a single job does: no circles, for one."""
    dg.Definitions.validate_loadable(definitions)


def test_every_asset_has_an_owner_a_group_a_description_and_a_freshness_policy(
    definitions: dg.Definitions,
) -> None:
    specs = definitions.resolve_all_asset_specs()
    for spec in specs:
        assert spec.owners, spec.key
        assert spec.group_name, spec.key
        assert spec.description, spec.key
        is_never_due = (
            spec.key.path[0] in ("landing", "registry", "predictions", "exports")
            or spec.key == linkage_assets.MODEL
        )
        assert spec.freshness_policy or is_never_due, spec.key


def test_the_graph_leads_from_the_landing_folder_to_every_segment_and_the_serving_file(
    definitions: dg.Definitions,
) -> None:
    graph = definitions.resolve_asset_graph()
    landing = dg.AssetKey("landing")
    assert graph.get(dg.AssetKey(["raw", "orders"])).parent_keys == {landing}
    reached = {landing}
    frontier = {landing}
    while frontier:
        frontier = {child for key in frontier for child in graph.get(key).child_keys} - reached
        reached |= frontier
    segments = {key for key in graph.get_all_asset_keys() if key.path[0] == "segments"}
    # They tell of segments, not of data.
    segments -= {dg.AssetKey(["segments", name]) for name in ("catalog", "segment_limits")}
    assert segments
    assert segments <= reached
    assert dg.AssetKey("serving") in reached
    assert {dg.AssetKey(["syncs", file.stem]) for file in sync_files()} <= reached


def test_each_raw_table_has_a_blocking_check_and_each_dbt_test_is_a_check(
    definitions: dg.Definitions,
) -> None:
    graph = definitions.resolve_asset_graph()
    checks = graph.asset_check_keys
    for entity in load_contract().values():
        key = dg.AssetCheckKey(dg.AssetKey(["raw", entity.name]), "may_enter")
        assert key in checks
        assert graph.get_check_spec(key).blocking
    manifest = dbt.manifest_json(dbt.parse(Paths.from_environment()))
    tests = {node["name"] for node in manifest["nodes"].values() if node["resource_type"] == "test"}
    assert len(tests) > 40
    assert tests <= {key.name for key in checks}, "dagster-dbt leaves these out without a word"


def test_jobs_schedule_and_sensor(definitions: dg.Definitions) -> None:
    assert definitions.resolve_job_def("build")
    replay = definitions.resolve_job_def("replay")
    assert replay.partitions_def is not None
    config = replay.get_run_config_for_partition_key("2011-06-10")
    assert config["resources"]["run"]["config"] == {"as_of": "2011-06-10"}
    assert definitions.resolve_schedule_def("daily").cron_schedule == "0 4 * * *"
    assert definitions.resolve_schedule_def("after_daily").job_name == "erase"
    assert definitions.resolve_sensor_def("new_landing_files").job_name == "build"


def test_telemetry_is_off(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = dagster_home(Paths(tmp_path_factory.mktemp("home")))
    assert "enabled: false" in (home / "dagster.yaml").read_text()


def test_the_contract_page_is_what_the_contract_says() -> None:
    page = (PROJECT / "docs" / "data_contract.md").read_text()
    assert page == contract_page(load_contract()), "run: python -m orchestration contract"
