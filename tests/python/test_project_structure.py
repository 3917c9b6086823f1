"""The laws of the dbt project, read from its manifest: layers, contracts, tests, names."""

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from dbt.cli.main import dbtRunner
from dbt_common.events.base_types import EventMsg

from orchestration.contract import load_contract
from orchestration.paths import PROJECT
from orchestration.reports.ready_segments_page import ready_segments_page

Node = dict[str, Any]

# What the models of a layer may read. Predictions are made outside dbt, from the features.
MAY_READ = {
    "staging": {"sources", "seeds"},
    "entities": {"staging", "registry", "seeds", "entities"},
    "identity": {"entities", "registry", "seeds", "identity"},
    "linkage": {"entities", "identity", "seeds", "linkage"},
    # When a row was delivered stands in the raw tables only; who was drawn by lot in segments.
    "features": {
        *("entities", "identity", "marts", "segments"),
        *("predictions", "seeds", "sources", "features"),
    },
    "marts": {"entities", "identity", "linkage", "predictions", "registry", "seeds", "marts"},
    "segments": {"marts", "registry", "seeds", "segments"},
    "audiences": {"marts", "segments", "exports"},
}


# As in marts.campaigns.
CHANNELS = {
    "email", "web_push", "app_push", "sms", "voice", "phone", "social", "direct_mail",
}  # fmt: skip


@dataclass(frozen=True)
class Project:
    """What dbt understood of the project, and the names of its warnings."""

    nodes: dict[str, Node]
    warnings: list[str]

    def models(self, *layers: str) -> list[Node]:
        """The models of some layers, of all when none is named."""
        return [
            node
            for node in self.nodes.values()
            if node["resource_type"] == "model" and (not layers or layer(node) in layers)
        ]

    def tests(self) -> list[Node]:
        return [node for node in self.nodes.values() if node["resource_type"] == "test"]

    def contracted(self) -> list[Node]:
        """All models that something else relies on: those from the entities on.

        dbt has no contracts for a model in Python; the one after it has one.
        """
        return [
            model
            for model in self.models()
            if layer(model) != "staging" and model["language"] == "sql"
        ]


def layer(node: Node) -> str:
    """The folder below models/, or the kind of what is no model, registry and predictions apart."""
    if node.get("source_name") in ("registry", "predictions", "exports"):
        return str(node["source_name"])
    if node["resource_type"] == "model":
        return str(node["fqn"][1])
    return str(node["resource_type"]) + "s"


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("parsed")
    warnings: list[str] = []

    def listen(event: EventMsg) -> None:
        if event.info.level == "warn":
            warnings.append(event.info.name)

    places = {"project-dir": PROJECT, "profiles-dir": PROJECT}
    places |= {"target-path": folder, "log-path": folder}
    arguments = [f"--{name}={place}" for name, place in places.items()]
    result = dbtRunner(callbacks=[listen]).invoke(
        ["parse", "--no-partial-parse", "--quiet", *arguments]
    )
    assert result.success, result.exception
    manifest = json.loads((folder / "manifest.json").read_text())
    return Project(manifest["nodes"] | manifest["sources"], warnings)


def sql_files(folder: str) -> Iterator[tuple[Path, str]]:
    """Each SQL file with its text, comments of Jinja and SQL left out."""
    for file in sorted((PROJECT / folder).rglob("*.sql")):
        text = re.sub(r"\{#.*?#\}", "", file.read_text(), flags=re.DOTALL)
        yield file, re.sub(r"--.*", "", text)


def test_dbt_has_nothing_to_warn_of(project: Project) -> None:
    assert project.warnings == []


def test_arrows_run_downwards_only(project: Project) -> None:
    against = [
        f"{model['name']} reads {project.nodes[parent]['name']}"
        for model in project.models()
        for parent in model["depends_on"]["nodes"]
        if layer(project.nodes[parent]) not in MAY_READ[layer(model)]
    ]
    assert against == []


def test_nothing_above_the_marts_is_incremental_or_changes_what_is_below(project: Project) -> None:
    """So a new rule or message builds its own layers, and not all of history (segments_version)."""
    above = {"segments", "audiences"}
    macros = {
        f"macro.segment_of_one.{file.stem}"
        for folder in ("segments", "experiments")
        for file in (PROJECT / "macros" / folder).glob("*.sql")
    }
    for model in project.models():
        materialized = model["config"]["materialized"]
        if layer(model) in above:
            assert materialized in ("view", "table"), model["name"]
            continue
        assert not macros & set(model["depends_on"]["macros"]), model["name"]
        read = [project.nodes[node] for node in model["depends_on"]["nodes"]]
        if any(node["original_file_path"].startswith("seeds/segments/") for node in read):
            assert materialized == "view", model["name"]


def test_every_contract_is_complete_and_enforced(project: Project) -> None:
    incomplete = [
        f"{model['name']}.{column['name']}"
        for model in project.contracted()
        for column in model["columns"].values()
        if not (column["data_type"] and column["description"])
    ]
    assert incomplete == []
    for model in project.contracted():
        assert model["columns"], model["name"]
        # The columns of rule_inputs are those that the rules in force ask for.
        assert model["contract"]["enforced"] != (model["name"] == "rule_inputs"), model["name"]


def test_every_description_begins_with_the_grain(project: Project) -> None:
    without = [
        model["name"]
        for model in project.contracted()
        if not model["description"].startswith("One row per ")
    ]
    assert without == []


def test_every_table_has_a_test_of_its_grain(project: Project) -> None:
    tested = {
        test["attached_node"]
        for test in project.tests()
        if test.get("test_metadata", {}).get("name") == "grain"
    }
    untested = [
        model["name"]
        for model in project.contracted()
        if model["config"]["materialized"] != "view" and model["unique_id"] not in tested
    ]
    assert untested == []


def test_every_test_of_a_model_is_named_after_what_it_checks(project: Project) -> None:
    for test in project.tests():
        attached = project.nodes.get(test.get("attached_node") or "")
        if attached is None:
            assert test["name"].startswith("assert_"), test["name"]
        elif attached["resource_type"] == "model":
            # dbt's own name would begin with the test: grain_customers_customer_id.
            assert test["name"].startswith(f"{attached['name']}_has_"), test["name"]


def test_nobody_reads_the_clock_but_as_of() -> None:
    clock = re.compile(
        r"\b(current_(date|time|timestamp)|(now|today|getdate|sysdate)\s*\(|run_started_at)", re.I
    )
    readers = [
        file.name
        for folder in ("models", "macros", "tests/singular", "tests/generic")
        for file, text in sql_files(folder)
        if clock.search(text)
    ]
    assert readers == ["as_of.sql"]


def test_vars_are_few_and_declared() -> None:
    declared = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())["vars"]
    used = {
        name
        for folder in ("models", "macros", "tests/singular")
        for _, text in sql_files(folder)
        for name in re.findall(r"""\bvar\(\s*['"](\w+)['"]""", text)
    }
    assert used == set(declared)
    assert len(declared) < 15


def test_a_macro_file_holds_one_public_macro_of_its_name() -> None:
    for file, text in sql_files("macros"):
        names = re.findall(r"\{%-?\s*macro\s+(\w+)", text)
        # default__x and duckdb__x are branches of x.
        assert [name for name in names if "__" not in name and name[0] != "_"] == [file.stem], file


def test_personal_columns_are_tagged_and_private(project: Project) -> None:
    personal = {
        column.name
        for entity in load_contract().values()
        for column in entity.columns
        if column.pii
    }
    personal |= {"id_value", "given_name", "family_name", "email_name", "email_domain"}
    personal |= {"previous_city", "value_key"}
    # Whoever knows the value can make its hash.
    personal |= {
        f"{platform}_{field}"
        for platform in ("meta", "google", "tiktok")
        for field in (*personal, "birth_year", "birth_month", "birth_day")
    }
    for model in project.contracted():
        tagged = {
            column["name"]
            for column in model["columns"].values()
            if column["config"]["meta"].get("pii")
        }
        if layer(model) == "segments" or model["schema"] == "marts":
            assert tagged == set(), model["name"]
        elif model["name"] != "entity_stores":  # The address of a store is nobody's.
            assert tagged == personal & set(model["columns"]), model["name"]
        if tagged:
            assert model["config"]["access"] != "public", model["name"]


def segments_of(project: Project) -> list[Node]:
    """The segments that are models of their own."""
    return [model for model in project.models("segments") if model["name"].startswith("seg_")]


def test_memberships_know_every_segment(project: Project) -> None:
    [memberships] = [
        model for model in project.models("segments") if model["name"] == "memberships"
    ]
    read = {name for name in memberships["depends_on"]["nodes"] if ".seg_" in name}
    assert read == {model["unique_id"] for model in segments_of(project)}


def test_a_ready_segment_says_what_it_is(project: Project) -> None:
    kinds = {"personas": "persona", "styles": "style"}
    for segment in segments_of(project):
        meta = segment["config"]["meta"]
        told = set(meta) - {"largest_daily_change"}
        assert told == {"title", "kind", "owner", "channels", "suggested_action"}, segment["name"]
        assert meta["kind"] == kinds.get(segment["fqn"][2], "campaign"), segment["name"]
        assert set(meta["channels"]) <= CHANNELS, segment["name"]
        assert list(segment["columns"])[:2] == ["customer_id", "entered_at"], segment["name"]
        assert segment["description"].startswith("One row per member: "), segment["name"]


def test_a_ready_segment_has_the_shape_that_explanations_read() -> None:
    """One row per customer in `evidence`, and conditions on its columns alone in `final`."""
    for file, text in sql_files("models/segments"):
        if not file.name.startswith("seg_") or "{{ reactivation(" in text:
            continue
        final = text.split("final as (")[1]
        assert "    from evidence\n" in final, file.name
        assert " join " not in final, file.name
        assert re.search(r"\n    where\s", final), file.name
        assert " or " not in final, file.name


def test_every_limit_of_a_segment_is_a_row_and_every_row_is_used() -> None:
    asked = {
        limit
        for folder in ("models/segments", "macros/segments")
        for _, text in sql_files(folder)
        for limit in re.findall(r"segment_limit\(\s*'(\w+)',\s*'(\w+)'\s*\)", text)
    }
    with (PROJECT / "seeds" / "segments" / "segment_limits.csv").open(
        encoding="utf-8", newline=""
    ) as file:
        rows = {(row["segment_id"], row["limit_name"]) for row in csv.DictReader(file)}
    assert asked == rows


def test_the_page_of_ready_segments_is_what_the_models_say(project: Project) -> None:
    page = (PROJECT / "docs" / "ready_segments.md").read_text(encoding="utf-8")
    assert page == ready_segments_page(project.nodes.values()), (
        "run: python -m orchestration ready-segments"
    )
