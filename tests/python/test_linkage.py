"""Linkage: what it finds on published sets, whom it never joins, and that it is off by default."""

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.benchmarks import accuracy
from orchestration.benchmarks.linkage import (
    DATA_SETS,
    PSEUDOPEOPLE,
    Figures,
    MissingDataError,
    measure,
    measure_hidden,
)
from orchestration.launch import train_linkage
from orchestration.linkage import model as linkage
from orchestration.linkage.assets import train_model
from orchestration.linkage.evaluation import cluster_accuracy, clusters
from orchestration.linkage.model import SHIPPED, LinkageError, LinkageModel
from orchestration.linkage.plan import CUSTOMERS
from orchestration.linkage.scoring import score
from orchestration.linkage.training import train
from orchestration.paths import Paths
from orchestration.warehouse import dbt
from tests.python.conftest import build, copy_built, data_folder, differences, quiet
from tests.python.identity import Sighting, decide, deliver, empty_warehouse, resolve

LINKAGE = ("path:models/linkage", "customer_links", "customer_link_pairs")


@pytest.fixture(scope="session")
def packages(pytestconfig: pytest.Config) -> Path:
    """Where published data sets are unpacked: pytest's cache, so that they are fetched once."""
    assert pytestconfig.cache
    return pytestconfig.cache.mkdir("linkage")


def linked(name: str, packages: Path) -> Figures:
    try:
        return measure(DATA_SETS[name], packages)
    except MissingDataError as error:
        pytest.skip(str(error))


# Published sets


def test_fake_1000(packages: Path) -> None:
    assert linked("fake_1000", packages).f1 >= 0.918


def test_febrl3(packages: Path) -> None:
    assert linked("febrl3", packages).f1 >= 0.995


def test_nobody_is_merged_for_the_address_or_phone_of_their_home(packages: Path) -> None:
    """Of 11,000 people in 4,300 homes with one phone each; without the rules many would be."""
    shipped = LinkageModel.load(SHIPPED)
    try:
        found = measure(PSEUDOPEOPLE, packages, shipped)
    except MissingDataError as error:
        pytest.skip(str(error))
    assert found.homes == 0
    assert found.precision > 0.999
    assert found.recall > 0.4
    careless = measure(PSEUDOPEOPLE, packages, replace(shipped, personal=(), home=()))
    assert careless.homes > 1_000
    careless = measure(PSEUDOPEOPLE, packages, replace(shipped, home=()))
    assert careless.homes > 10


# The same group, with linkage and without


@pytest.fixture(scope="module")
def linked_demo(demo: Paths, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paths]:
    """The demo group, built once more with linkage on."""
    paths = copy_built(demo, Paths(tmp_path_factory.mktemp("linked") / "data"))
    # The link to what readers open leads into the copied folder.
    target = paths.versions / paths.serving.readlink().name
    paths.serving.unlink()
    paths.serving.symlink_to(target)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(linkage.SWITCH, "yes")
        build(paths)
        yield paths


def rows(file: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_it_is_off_by_default(demo: Paths, tmp_path: Path) -> None:
    assert not linkage.is_on()
    assert rows(demo.serving, "from marts.customer_links") == []
    assert rows(demo.serving, "from marts.customer_link_pairs") == []
    assert rows(demo.warehouse, "from linkage.profiles") == []
    others = "from marts.customers where customer_id_linked is distinct from customer_id"
    assert rows(demo.serving, others) == []
    with pytest.raises(LinkageError, match="no golden records: build with SEGMENT_OF_ONE_LINKAGE"):
        train_model(demo.warehouse, tmp_path)


def test_it_finds_people_who_share_no_identifier(linked_demo: Paths) -> None:
    known = accuracy.measure(linked_demo.warehouse, linked_demo.truth)
    found = accuracy.measure(linked_demo.warehouse, linked_demo.truth, "customer_id_linked")
    assert found.recall > known.recall + 0.01
    assert found.precision > known.precision - 0.001
    [(right, all_links)] = rows(
        linked_demo.warehouse,
        f"""
        with persons as (
            select records.customer_id, max(persons.person_id) as person_id
            from identity.records
            inner join read_parquet('{linked_demo.truth}/record_person.parquet') as persons
                using (source_system, source_entity, source_record_id)
            group by records.customer_id
        )
        select count(*) filter (where a.person_id = b.person_id), count(*)
        from linkage.scored_pairs as pairs
        inner join persons as a on pairs.customer_id_a = a.customer_id
        inner join persons as b on pairs.customer_id_b = b.customer_id
        where decision = 'linked'
        """,
    )
    assert all_links > 20
    assert right / all_links >= 0.97
    hidden = measure_hidden(linked_demo)
    assert hidden.precision > 0.98
    assert hidden.recall > 0.03


def test_a_group_bears_the_id_of_its_oldest_customer(linked_demo: Paths) -> None:
    older = """
        with founders as (
            select clusters.customer_id, identifiers.*
            from identity.clusters
            inner join identity.identifiers using (node)
            where clusters.node = clusters.founder_node
        )
        select 1
        from linkage.groups
        inner join founders as own on groups.customer_id = own.customer_id
        inner join founders as oldest on groups.customer_id_linked = oldest.customer_id
        where (own.delivered_on, own.first_seen_at, own.tier, own.node)
            < (oldest.delivered_on, oldest.first_seen_at, oldest.tier, oldest.node)
    """
    assert rows(linked_demo.warehouse, older) == []
    groups = rows(
        linked_demo.serving,
        "select customer_id_linked, list(customer_id), list(customer_count) "
        "from marts.customer_links group by all",
    )
    assert groups
    for oldest, members, counts in groups:
        assert oldest in members
        assert set(counts) == {len(members)}
        assert len(members) > 1


def test_what_is_shown_holds_no_personal_data(linked_demo: Paths) -> None:
    evidence = {
        line.split("(")[0]
        for (lines,) in rows(linked_demo.serving, "select evidence from marts.customer_link_pairs")
        for line in lines
    }
    told = {comparison["output_column_name"] for comparison in CUSTOMERS.comparisons}
    assert {line.split(":")[0].replace(" ", "_") for line in evidence} == told
    levels = {
        level["label_for_charts"]
        for comparison in CUSTOMERS.comparisons
        for level in comparison["comparison_levels"]
    }
    assert {line.split(": ")[1].strip() for line in evidence} <= levels


def test_the_same_customers_give_the_same_model_and_pairs_in_any_order(linked_demo: Paths) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"attach '{linked_demo.warehouse}' as warehouse (read_only)")
        golden = "warehouse.linkage.golden_records"
        connection.execute(f"create table sorted as from {golden} order by customer_id")
        connection.execute(f"create table shuffled as from {golden} order by md5(customer_id)")
        models = [
            train(connection.table(name), connection, CUSTOMERS, "test", name)
            for name in ("sorted", "shuffled")
        ]
        assert models[0].settings == models[1].settings
        pairs = [
            score(connection.table(name), connection, models[0]) for name in ("sorted", "shuffled")
        ]
    assert pairs[0].num_rows > 20
    assert pairs[0].equals(pairs[1])


def test_among_more_people_the_same_agreement_weighs_less(linked_demo: Paths) -> None:
    model = LinkageModel.load(SHIPPED)
    with duckdb.connect() as connection:
        connection.execute(f"attach '{linked_demo.warehouse}' as warehouse (read_only)")
        records = connection.table("warehouse.linkage.golden_records")
        weights, of_fewer = (
            {
                (pair["id_a"], pair["id_b"]): pair["match_weight"]
                for pair in score(records, connection, by).to_pylist()
            }
            for by in (model, replace(model, record_count=model.record_count // 8))
        )
    assert of_fewer
    for pair, weight in of_fewer.items():
        assert weights[pair] == pytest.approx(weight + 3, abs=0.01)


def test_training_saves_a_model_that_the_next_build_has_to_link_by(linked_demo: Paths) -> None:
    with data_folder(linked_demo):
        told = train_linkage(linked_demo, quiet)
    for chart in ("match_weights", "m_u_parameters", "cluster_accuracy"):
        image = (linked_demo.reports / "linkage" / f"{chart}.png").read_bytes()
        assert image.startswith(b"\x89PNG")
        assert str(told[chart].value).startswith(f"![{chart}](data:image/png;base64,")
    assert float(str(told["cluster_precision"].value)) > 0.98
    trained = linkage.model_in_use(linked_demo)
    assert trained.version == "2026-06-30"
    assert trained.merge_weight >= CUSTOMERS.merge_weight
    build(linked_demo)
    versions = rows(
        linked_demo.serving, "select distinct model_version from marts.customer_link_pairs"
    )
    assert versions == [(f"2026-06-30 {trained.fingerprint}",)]


def test_switched_off_again_nothing_is_left(
    demo: Paths, linked_demo: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The last test of linked_demo, which it changes.
    monkeypatch.setenv(linkage.SWITCH, "no")
    build(linked_demo)
    assert differences(demo.serving, linked_demo.serving, ("marts", "segments")) == {}
    assert rows(linked_demo.warehouse, "from linkage.profiles") == []


# Rules, on a few people by hand


def test_who_is_linked_and_who_is_not(demo: Paths, tmp_path: Path) -> None:
    with data_folder(Paths(tmp_path)):
        manifest = dbt.parse(Paths(tmp_path))
        warehouse = empty_warehouse(demo, tmp_path / "few" / "warehouse.duckdb")
        _deliver_people(warehouse)
        decide(warehouse, [("cannot", "shop:accounts:apart_1", "shop:accounts:apart_2")])
        decide(warehouse, [("cannot", "shop:accounts:chain_1", "shop:accounts:chain_3")])
        resolve(manifest, warehouse, 1, tmp_path, verb="build", also=LINKAGE, accept=True)
    decisions = {
        (left, right): (decision, reason)
        for left, right, decision, reason in rows(
            warehouse,
            """
            select
                split_part(least(record_a, record_b), ':', 3),
                split_part(greatest(record_a, record_b), ':', 3),
                decision,
                reason
            from marts.customer_link_pairs
            """,
        )
    }
    assert decisions[("same_1", "same_2")] == ("linked", None)
    assert decisions[("typo_1", "typo_2")] == ("linked", None)
    assert decisions[("home_1", "home_2")] == ("review", "only their home is one")
    assert decisions[("names_1", "names_2")] == ("refused", "account of shop")
    assert decisions[("apart_1", "apart_2")] == ("refused", "kept apart by a person")
    assert ("twin_1", "twin_2") not in decisions
    chain = Counter(
        decisions[pair][0] for pair in combinations(("chain_1", "chain_2", "chain_3"), 2)
    )
    assert chain == {"linked": 1, "refused": 2}
    held = rows(
        warehouse,
        "select most, held_a, held_b from marts.customer_link_pairs "
        "where reason = 'account of shop'",
    )
    assert held == [(1, 1, 1)]


def _deliver_people(warehouse: Path) -> None:
    """Accounts of one shop: some that may be one person, and 2,000 others: names are rare."""
    anna = ("Anna", "Nowak", "1980-05-17", "Lipowa 1", "00-001", None)
    ewa = ("Ewa", "Zielona", "1975-02-03", "Polna 2", "00-002", None)
    olga = ("Olga", "Lis", "1990-11-21", "Leśna 3", "00-003", None)
    home = ("Jan", "Kot", None, "Długa 4", "00-004", None)
    people = {
        "same_1": anna,
        "same_2": anna,
        "apart_1": ewa,
        "apart_2": ewa,
        "chain_1": olga,
        "chain_2": olga,
        "chain_3": olga,
        "home_1": home,
        "home_2": home,
        "typo_1": ("Iga", "Wilk", None, None, None, "iga.wilk7@home.pl"),
        "typo_2": ("Iga", "Wilk", None, None, None, "iga.wiilk7@home.pl"),
        "names_1": ("Kasia", "Sowa", "1988-08-08", "Krótka 5", "00-005", "sowa3@home.pl"),
        "names_2": ("Kasja", "Sowa", "1988-08-08", "Krótka 5", "00-005", "sowwa3@home.pl"),
        "twin_1": ("Zofia", "Bąk", "2001-01-09", "Nowa 6", "00-006", None),
        "twin_2": ("Adam", "Bąk", "2001-01-09", "Nowa 6", "00-006", None),
    }
    for n in range(2_000):
        day = (date(1940, 1, 1) + timedelta(days=11 * n)).isoformat()
        people[f"other_{n}"] = (f"G{n:04}x", f"F{n:04}y", day, f"S{n}", f"{n:05}", None)
    sightings = [
        Sighting(f"shop:accounts:{name}", id_type, value, batch=1, given_name=str(person[0]))
        for name, person in people.items()
        for id_type, value in (("account", f"shop:{name}"), ("email", person[5]))
        if value
    ]
    deliver(warehouse, sightings)
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(
            "create temp table people (name varchar, last_name varchar, birth_date date, "
            "street varchar, postal_code varchar, email varchar)"
        )
        connection.executemany(
            "insert into people values (?, ?, ?, ?, ?, ?)",
            [(name, *person[1:]) for name, person in people.items()],
        )
        connection.execute(
            """
            update entities.profiles
            set
                last_name = people.last_name,
                birth_date = people.birth_date,
                street = people.street,
                postal_code = people.postal_code,
                city = 'Warszawa',
                email = people.email,
                version_at = timestamp '2026-01-01'
            from people
            where profiles.record_key = 'shop:accounts:' || people.name
            """
        )


def test_a_build_without_linkage_does_not_import_splink(
    demo: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [name for name in sys.modules if name.startswith("splink")]:
        monkeypatch.delitem(sys.modules, module)
    for module in ("scoring", "splink_session"):
        monkeypatch.delitem(sys.modules, f"orchestration.linkage.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "splink", None)
    with data_folder(Paths(tmp_path)):
        manifest = dbt.parse(Paths(tmp_path))
        warehouse = empty_warehouse(demo, tmp_path / "few" / "warehouse.duckdb")
        _deliver_people(warehouse)
        models = ("linkage_profiles", "linkage_golden_records", "linkage_predictions")
        select = ("path:models/identity", *models)
        monkeypatch.setattr("tests.python.identity.MODELS", select)
        resolve(manifest, warehouse, 1, tmp_path, accept=True)
        assert rows(warehouse, "from linkage.predictions") == []
        with pytest.raises(AssertionError, match="splink"):
            resolve(manifest, warehouse, 1, tmp_path, accept=True, also=models)


# Settings, and what is measured


def test_a_switch_that_says_neither_yes_nor_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(linkage.SWITCH, "maybe")
    with pytest.raises(LinkageError, match="must be yes or no, it is 'maybe'"):
        linkage.is_on()


def test_linkage_without_splink(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(linkage.SWITCH, "yes")
    assert linkage.is_on()
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(LinkageError, match="needs Splink, which is not installed: pip install"):
        linkage.is_on()


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    file = tmp_path / "model.json"
    file.write_text('{"version": "1"}')
    with pytest.raises(LinkageError, match="is no linkage model"):
        LinkageModel.load(file)


links = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("abcdefgh"), st.integers(0, 3)).filter(
        lambda link: link[0] != link[1]
    ),
    min_size=1,
    max_size=12,
)


@given(links=links, persons=st.lists(st.sampled_from("xyz"), min_size=8, max_size=8))
def test_accuracy_is_that_of_all_pairs(links: list[tuple[str, str, float]], persons: str) -> None:
    truth = dict(zip("abcdefgh", persons, strict=True))
    right_pairs = {pair for pair in combinations("abcdefgh", 2) if truth[pair[0]] == truth[pair[1]]}
    for found in cluster_accuracy(truth, links):
        parts = clusters(link for link in links if link[2] >= found.weight)
        pairs = {pair for part in parts for pair in combinations(sorted(part), 2)}
        assert (found.found, found.right) == (len(pairs), len(pairs & right_pairs))
        assert found.existing == len(right_pairs)
