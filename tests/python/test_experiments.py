"""Draws meet their shares and stand; intervals are those of scipy; Hillstrom's uplift is found."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
from scipy import stats

from orchestration.contract import load_contract
from orchestration.ingest.ledger import read_ledger
from orchestration.ingest.loader import load_new_files
from orchestration.ingest.recipe import run_recipe
from orchestration.paths import PROJECT, Paths
from orchestration.warehouse.workspace import choose_workspace, finish_build, start_build
from tests.python.conftest import EMPTY_REGISTRY, UNTIL, data_folder, quiet
from tests.python.macros import compile_macro, compile_model
from tests.python.test_recipes import SHARED

PEOPLE = 100_000
Z = float(stats.norm.ppf(0.975))

# Draws

_INPUTS = """
create table customers (
    customer_id varchar, first_seen_at timestamp, erasure_requested_at timestamp,
    main_brand_id varchar, lifecycle_stage varchar, rfm_segment varchar, country varchar,
    gender varchar
);
create table holdouts (customer_id varchar, is_global_holdout boolean);
create table memberships (segment_id varchar, customer_id varchar);
create table customer_id_history (customer_id varchar, current_customer_id varchar);
create table delivered_assignments (
    experiment_id varchar, customer_id varchar, arm varchar, assigned_at timestamp
);
create table experiments (
    experiment_id varchar, segment_id varchar, assigned_by varchar, strata varchar, salt varchar,
    starts_on date, ends_on date
);
create table experiment_arms (
    experiment_id varchar, arm varchar, share decimal(6, 4), is_control boolean
);
create schema registry;
create table registry.experiment_assignments (
    experiment_id varchar, customer_id varchar, arm varchar, stratum varchar, assigned_at timestamp
);
insert into experiments values
    ('strata', 'all', 'hash', 'main_brand_id lifecycle_stage', 's', '2026-06-01', null),
    ('plain', 'all', 'hash', null, 'p', '2026-06-01', null),
    ('other', 'all', 'hash', null, 'o', '2026-06-01', null);
insert into experiment_arms
select experiment_id, arm, share, is_control
from experiments
cross join (
    values ('none', 0.1, true), ('short', 0.55, false), ('long', 0.35, false)
) as arms (arm, share, is_control);
"""


@pytest.fixture
def people() -> duckdb.DuckDBPyConnection:
    """A hundred thousand customers of 21 strata, the smallest of a handful."""
    connection = duckdb.connect()
    connection.execute(_INPUTS)
    add_people(connection, 0, PEOPLE)
    return connection


def add_people(connection: duckdb.DuckDBPyConnection, first: int, last: int) -> None:
    connection.execute(
        """
        insert into customers
        select
            'c' || left(md5(n::varchar), 19),
            '2026-01-01',
            null,
            'brand ' || floor(sqrt(n % 10)),
            'stage ' || floor(log10(1 + (n * 7919) % 1000000)),
            null, null, null
        from range($first, $last) as numbers (n)
        """,
        {"first": first, "last": last},
    )
    connection.execute(
        "create or replace table holdouts as select customer_id, false "
        "as is_global_holdout from customers"
    )


def draw(connection: duckdb.DuckDBPyConnection, as_of: date) -> None:
    """Draw as a build of the day does, and keep what a build keeps."""
    model = compile_model("experiment_assignments", as_of=as_of, macros=("experiments", "segments"))
    connection.execute(f"create or replace table experiment_assignments as {model}")
    connection.execute(
        """
        insert into registry.experiment_assignments
        select experiment_id, customer_id, arm, stratum, assigned_at
        from experiment_assignments
        anti join registry.experiment_assignments using (experiment_id, customer_id)
        where assigned_by = 'draw'
        """
    )


def test_every_stratum_has_its_shares_to_within_one_customer(
    people: duckdb.DuckDBPyConnection,
) -> None:
    draw(people, date(2026, 6, 1))
    [(strata, smallest, worst)] = people.execute(
        """
        with counted as (
            select
                strata.stratum,
                strata.customer_count,
                abs(count(drawn.customer_id) - arms.share * strata.customer_count) as deviation
            from (
                select stratum, count(*) as customer_count
                from experiment_assignments where experiment_id = 'strata' group by stratum
            ) as strata
            cross join (from experiment_arms where experiment_id = 'strata') as arms
            left join experiment_assignments as drawn
                on
                    drawn.experiment_id = 'strata'
                    and drawn.stratum = strata.stratum
                    and drawn.arm = arms.arm
            group by strata.stratum, strata.customer_count, arms.arm, arms.share
        )
        select count(distinct stratum), min(customer_count), max(deviation) from counted
        """
    ).fetchall()
    assert strata >= 20
    assert smallest < 10
    assert worst < 1
    for arm, share in (("none", 0.1), ("short", 0.55), ("long", 0.35)):
        [(plain, stratified)] = people.execute(
            "select count(*) filter (experiment_id = 'plain'), "
            "count(*) filter (experiment_id = 'strata') "
            "from experiment_assignments where arm = ?",
            [arm],
        ).fetchall()
        assert abs(plain - share * PEOPLE) < 4 * (PEOPLE * share * (1 - share)) ** 0.5
        assert abs(stratified - share * PEOPLE) < strata


def test_nobody_moves_when_people_come_and_strata_change(
    people: duckdb.DuckDBPyConnection,
) -> None:
    draw(people, date(2026, 6, 1))
    people.execute("create table before as from experiment_assignments")
    add_people(people, PEOPLE, PEOPLE + PEOPLE // 10)
    people.execute("update customers set lifecycle_stage = 'lost' where customer_id < 'c8'")
    draw(people, date(2026, 6, 2))
    people.execute("create table after as from experiment_assignments")
    draw(people, date(2026, 7, 1))
    assert not people.execute("from before except from after limit 1").fetchall()
    assert not people.execute("from after except from experiment_assignments limit 1").fetchall()
    [(came, held_out)] = people.execute(
        "select count(*), count(*) filter (arm = 'none') from after "
        "anti join before using (experiment_id, customer_id) where experiment_id = 'strata'"
    ).fetchall()
    assert came == PEOPLE // 10
    assert abs(held_out - 0.1 * came) < 4 * (0.09 * came) ** 0.5


@pytest.mark.parametrize(("left", "right"), [("plain", "other"), ("plain", "strata")])
def test_two_salts_draw_independently(
    people: duckdb.DuckDBPyConnection, left: str, right: str
) -> None:
    draw(people, date(2026, 6, 1))
    counts = people.execute(
        """
        select count(*)
        from experiment_assignments as one
        inner join experiment_assignments as two using (customer_id)
        where one.experiment_id = ? and two.experiment_id = ?
        group by one.arm, two.arm
        order by one.arm, two.arm
        """,
        [left, right],
    ).fetchall()
    assert stats.chi2_contingency(np.array(counts).reshape(3, 3)).pvalue > 0.001


def test_a_lost_warehouse_does_not_lose_who_was_drawn(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "data")
    workspace = choose_workspace(paths, UNTIL)
    start = start_build(workspace, paths, [])
    with duckdb.connect(str(workspace.warehouse)) as warehouse:
        warehouse.execute(EMPTY_REGISTRY)
        warehouse.execute("insert into registry.experiment_assignments values ('test', 'c1')")
    finish_build(workspace, start)
    workspace.warehouse.unlink()
    start_build(workspace, paths, [])
    with duckdb.connect(str(workspace.warehouse)) as warehouse:
        kept = warehouse.execute("from registry.experiment_assignments").fetchall()
    assert kept == [("test", "c1")]


# Intervals


def evaluate(sql: str) -> float:
    [(value,)] = duckdb.sql(f"select {sql}").fetchall()
    return float(value)


def newcombe(x1: int, n1: int, x0: int, n0: int) -> tuple[float, float]:
    """Newcombe's interval from scipy's Wilson bounds."""
    p1, p0 = x1 / n1, x0 / n0
    low1, high1 = stats.binomtest(x1, n1).proportion_ci(0.95, "wilson")
    low0, high0 = stats.binomtest(x0, n0).proportion_ci(0.95, "wilson")
    return (
        p1 - p0 - np.hypot(p1 - low1, high0 - p0),
        p1 - p0 + np.hypot(high1 - p1, p0 - low0),
    )


@pytest.mark.parametrize(
    ("x1", "n1", "x0", "n0"),
    [(56, 70, 48, 80), (9, 10, 3, 10), (0, 30, 0, 30), (30, 30, 0, 40), (1, 50_000, 12, 70_000)],
)
def test_the_interval_of_rates_is_newcombes(x1: int, n1: int, x0: int, n0: int) -> None:
    found = [
        evaluate(
            compile_macro(
                "statistics",
                "newcombe_bound",
                f"{x1 / n1}::double",
                f"{n1}",
                f"{x0 / n0}::double",
                f"{n0}",
                f"{Z}",
                side,
            )
        )
        for side in "-+"
    ]
    assert found == pytest.approx(newcombe(x1, n1, x0, n0), abs=1e-9)


def test_newcombes_own_example() -> None:
    """56 of 70 against 48 of 80: .0524 to .3339 (Newcombe 1998, table II, method 10)."""
    assert newcombe(56, 70, 48, 80) == pytest.approx((0.0524, 0.3339), abs=5e-5)


@pytest.mark.parametrize("degrees", [6, 7.3, 12, 40, 3_000])
def test_the_quantile_of_t(degrees: float) -> None:
    found = evaluate(compile_macro("statistics", "t_quantile", f"{Z}", f"{degrees}"))
    assert found == pytest.approx(stats.t.ppf(0.975, degrees), rel=1e-3)


def test_the_degrees_of_freedom_are_welchs() -> None:
    generator = np.random.default_rng(5)
    treated, control = generator.normal(3, 9, 40), generator.normal(2, 1, 25)
    expected = stats.ttest_ind(treated, control, equal_var=False)
    sides = [f"{value}" for side in (treated, control) for value in (side.var(ddof=1), len(side))]
    degrees = evaluate(compile_macro("statistics", "welch_degrees", *sides))
    assert degrees == pytest.approx(expected.df)


def test_without_an_effect_one_salt_of_twenty_finds_one() -> None:
    """400 salts over 10,000 customers of whom every tenth visits; spend is as skewed as real."""
    bucket = compile_macro("experiments", "bucket_of", "salt::varchar", "id::varchar")
    sides = ("p1", "n1", "p0", "n0")
    low, high = (
        compile_macro("statistics", "newcombe_bound", *sides, f"{Z}", side) for side in "-+"
    )
    degrees = compile_macro("statistics", "welch_degrees", "v1", "n1", "v0", "n0")
    t = compile_macro("statistics", "t_quantile", f"{Z}", degrees)
    [(rates, means)] = duckdb.sql(
        f"""
        with customers as (
            select
                id,
                (hash(id) % 10 = 0)::integer as visit,
                case when hash(id) % 10 = 0 then exp((hash(id + 1000000) % 1000) / 300) else 0 end
                    as spend
            from range(10000) as ids (id)
        ),
        drawn as (
            select salt, visit, spend, {bucket} < 3000 as is_control
            from range(400) as salts (salt) cross join customers
        ),
        compared as (
            select
                count(*) filter (not is_control) as n1,
                count(*) filter (is_control) as n0,
                avg(visit) filter (not is_control) as p1,
                avg(visit) filter (is_control) as p0,
                avg(spend) filter (not is_control) - avg(spend) filter (is_control) as difference,
                var_samp(spend) filter (not is_control) as v1,
                var_samp(spend) filter (is_control) as v0
            from drawn
            group by salt
        )
        select
            avg(({low} > 0 or {high} < 0)::integer),
            avg((abs(difference) > {t} * sqrt(v1 / n1 + v0 / n0))::integer)
        from compared
        """
    ).fetchall()
    assert 0.025 <= rates <= 0.08
    assert 0.025 <= means <= 0.08


# Hillstrom


@pytest.fixture(scope="module")
def hillstrom(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    """The real e-mail test, landed by its recipe and built up to the uplift."""
    if not (SHARED / "hillstrom").is_dir():
        pytest.skip(
            f"no real data in {SHARED / 'hillstrom'}; SEGMENT_OF_ONE_SHARED names their folder"
        )
    paths = Paths(tmp_path_factory.mktemp("hillstrom") / "data")
    run_recipe("hillstrom", SHARED / "hillstrom", paths, quiet)
    load_new_files(paths, load_contract(), datetime.now(UTC).replace(tzinfo=None), quiet)
    workspace = choose_workspace(paths, date(2008, 3, 31))
    start = start_build(workspace, paths, read_ledger(paths))
    with data_folder(paths), pytest.MonkeyPatch.context() as environment:
        environment.setenv("SEGMENT_OF_ONE_WAREHOUSE", str(workspace.warehouse))
        variables = {"as_of": workspace.as_of.isoformat(), "load_id": start.last_load_id}
        built = dbtRunner().invoke(
            [
                *("build", "--select", "+uplift", "--resource-type", "model"),
                *("--resource-type", "seed", "--vars", json.dumps(variables), "--quiet"),
                *("--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)),
                *("--target-path", str(paths.data / "dbt"), "--log-path", str(paths.logs)),
            ]
        )
        DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
    assert built.success, built.exception
    connection = duckdb.connect(str(workspace.warehouse), read_only=True)
    connection.execute(
        f"create temp view people as from read_parquet('{SHARED}/hillstrom/hillstrom.parquet')"
    )
    return connection


def uplift(connection: duckdb.DuckDBPyConnection, arm: str, segment: str, outcome: str) -> Any:
    [row] = connection.execute(
        """
        select difference, interval_low, interval_high, treated_count, control_count,
            is_significant, campaign_id
        from segments.uplift
        where experiment_id = 'hillstrom_mail' and arm = ? and segment_id = ? and outcome = ?
        """,
        [arm, segment, outcome],
    ).fetchall()
    return row


ARMS = [("mens_mail", "Mens E-Mail"), ("womens_mail", "Womens E-Mail")]


@pytest.mark.parametrize(("arm", "points"), [("mens_mail", 7.66), ("womens_mail", 4.52)])
def test_the_mail_brought_as_many_points_of_visits(
    hillstrom: duckdb.DuckDBPyConnection, arm: str, points: float
) -> None:
    difference, low, high, *_, is_significant, campaign = uplift(hillstrom, arm, "all", "visit")
    assert round(difference, 2) == points
    assert low < difference < high
    assert is_significant
    assert campaign == f"hillstrom:{arm}"


@pytest.mark.parametrize("outcome", ["visit", "conversion"])
@pytest.mark.parametrize(("arm", "name"), ARMS)
def test_rates_and_intervals_are_those_of_independent_arithmetic(
    hillstrom: duckdb.DuckDBPyConnection, arm: str, name: str, outcome: str
) -> None:
    (x1, n1), (x0, n0) = (
        hillstrom.execute(
            f"select sum({outcome})::bigint, count(*) from people where segment = ?", [segment]
        ).fetchall()[0]
        for segment in (name, "No E-Mail")
    )
    low, high = newcombe(x1, n1, x0, n0)
    expected = (100 * (x1 / n1 - x0 / n0), 100 * low, 100 * high, n1, n0)
    assert uplift(hillstrom, arm, "all", outcome)[:5] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("arm", "name"), ARMS)
def test_the_interval_of_spend_is_welchs(
    hillstrom: duckdb.DuckDBPyConnection, arm: str, name: str
) -> None:
    treated, control = (
        np.array(
            hillstrom.execute("select spend from people where segment = ?", [segment]).fetchall()
        )[:, 0]
        for segment in (name, "No E-Mail")
    )
    interval = stats.ttest_ind(treated, control, equal_var=False).confidence_interval()
    expected = (treated.mean() - control.mean(), *interval)
    assert uplift(hillstrom, arm, "all", "spend")[:3] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("arm", "name"), ARMS)
def test_segments_are_those_before_the_mail(
    hillstrom: duckdb.DuckDBPyConnection, arm: str, name: str
) -> None:
    """A stage holds those who bought last so many months before, whatever the mail made of them."""
    stages = {
        "lifecycle_new": (1, 1),
        "lifecycle_active": (2, 4),
        "lifecycle_at_risk": (5, 7),
        "lifecycle_inactive": (8, 11),
        "lifecycle_lost": (12, 12),
    }
    for segment, (first, last) in stages.items():
        (x1, n1), (x0, n0) = (
            hillstrom.execute(
                "select sum(visit)::bigint, count(*) from people "
                "where segment = ? and recency between ? and ?",
                [mail, first, last],
            ).fetchall()[0]
            for mail in (name, "No E-Mail")
        )
        low, high = newcombe(x1, n1, x0, n0)
        expected = (100 * (x1 / n1 - x0 / n0), 100 * low, 100 * high, n1, n0)
        assert uplift(hillstrom, arm, segment, "visit")[:5] == pytest.approx(expected, abs=1e-5)
