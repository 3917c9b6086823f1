"""What is predicted of whom: models against published figures, gates, and the road to readers."""

import re
import shutil
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.launch import BuildError, predict
from orchestration.paths import PROJECT, Paths
from orchestration.predictions import registry
from orchestration.predictions.evaluation import (
    auc,
    better_by,
    brier,
    calibration_error,
    concordance,
    gini,
    stability,
)
from orchestration.predictions.model import Model, TrainingError, train
from orchestration.predictions.preparation import prepare_scores
from orchestration.predictions.purchase_models import (
    FitError,
    PurchaseModel,
    SpendModel,
    fit_purchases,
    fit_spend,
)
from orchestration.predictions.real_data import sample_histories
from orchestration.predictions.season import season_index
from orchestration.predictions.snapshots import (
    Numbers,
    ask,
    earlier,
    history,
    read_labels,
    read_snapshots,
)
from orchestration.predictions.training import HORIZONS
from orchestration.reports.card import card
from orchestration.warehouse.workspace import is_up_to_date
from tests.python.conftest import UNTIL, build, copy_built, data_folder, move_day, quiet
from tests.python.test_recipes import SHARED

# Buyers whom the job has not seen.
UNSEEN = 10
SAMPLE = SHARED / "cdnow" / "cdnow_sample_1_10.parquet"
numbers = st.lists(st.integers(0, 5), min_size=2, max_size=30)


def test_the_models_have_the_published_parameters() -> None:
    if not SAMPLE.exists():
        pytest.skip(f"{SAMPLE} is not there: it is no part of the repository")
    x, t_x, t, mean = sample_histories(SAMPLE)
    assert len(x) == 2_357
    model = fit_purchases("bg_nbd", x, t_x, t)
    found = [round(each, 3) for each in (model.r, model.alpha, model.a, model.b)]
    assert found == [0.243, 4.414, 0.793, 2.426]
    assert round(model.log_likelihood(x, t_x, t).sum(), 1) == -9582.4
    spend = fit_spend(x[x > 0], mean[x > 0])
    assert (spend.p, spend.q, spend.gamma) == pytest.approx((6.25, 3.74, 15.44), abs=0.006)
    modified = fit_purchases("mbg_nbd", x, t_x, t)
    assert round(modified.log_likelihood(x, t_x, t).sum(), 1) == -9582.1


@pytest.mark.parametrize("kind", ["bg_nbd", "mbg_nbd"])
def test_a_purchase_model_finds_what_it_was_made_from(kind: str) -> None:
    """Histories drawn from the model's own story give its parameters back."""
    x, t_x, t = _drawn_histories(kind, customers=20_000, r=0.8, alpha=6.0, a=0.9, b=2.5)
    model = fit_purchases(kind, x, t_x, t)  # type: ignore[arg-type]
    assert (model.r, model.alpha) == pytest.approx((0.8, 6.0), rel=0.1)
    assert model.a / (model.a + model.b) == pytest.approx(0.9 / 3.4, abs=0.03)


@given(st.lists(st.floats(0.05, 20), min_size=4, max_size=4), st.integers(0, 9), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_the_slopes_are_those_of_the_likelihood(
    parameters: list[float], orders: int, weeks: int
) -> None:
    x, t_x, t = np.array([float(orders)]), np.array([float(weeks)]), np.array([weeks + 3.0])
    t_x = t_x if orders else np.zeros(1)
    for kind in ("bg_nbd", "mbg_nbd"):
        model = PurchaseModel(kind, *parameters)
        assert model.slopes(x, t_x, t)[:, 0] == pytest.approx(
            _differences(
                lambda *near, kind=kind: PurchaseModel(kind, *near).log_likelihood(x, t_x, t),
                parameters,
            ),
            rel=1e-3,
            abs=1e-5,
        )
    count, mean = x + 1, np.array([weeks + 0.5])
    assert SpendModel(*parameters[:3]).slopes(count, mean)[:, 0] == pytest.approx(
        _differences(lambda *near: SpendModel(*near).log_likelihood(count, mean), parameters[:3]),
        rel=1e-3,
        abs=1e-5,
    )


def test_expected_purchases_are_those_that_come() -> None:
    x, t_x, t, later = _drawn_with_future(customers=40_000, weeks=26)
    model = PurchaseModel("mbg_nbd", 0.8, 6.0, 0.9, 2.5)
    assert model.expected_purchases(x, t_x, t, 26.0).sum() == pytest.approx(later.sum(), rel=0.03)
    assert model.buys_within(x, t_x, t, 26.0).mean() == pytest.approx((later > 0).mean(), abs=0.005)


def test_a_one_time_buyer_is_not_alive_for_ever() -> None:
    """BG/NBD lets nobody leave at the first purchase: that is why churn is not read from it."""
    once = np.zeros(1), np.zeros(1), np.array([200.0])
    assert PurchaseModel("bg_nbd", 0.24, 4.4, 0.8, 2.4).alive(*once) == 1
    assert PurchaseModel("mbg_nbd", 0.52, 6.2, 0.9, 1.6).alive(*once) < 0.35


def test_the_weeks_until_a_purchase_are_those_of_its_chance() -> None:
    model = PurchaseModel("mbg_nbd", 0.8, 6.0, 0.9, 2.5)
    x, t_x, t = np.array([0.0, 4.0, 20.0]), np.array([0.0, 30.0, 50.0]), np.full(3, 52.0)
    weeks = model.weeks_until(x, t_x, t, np.full(3, 0.2))
    known = np.isfinite(weeks)
    assert known[2]
    reached = model.buys_within(x[known], t_x[known], t[known], weeks[known])
    assert reached == pytest.approx(np.full(known.sum(), 0.2))
    assert np.isinf(model.weeks_until(x, t_x, t, np.full(3, 0.9999))).any()


def test_nobody_who_bought_twice_is_said_so() -> None:
    with pytest.raises(FitError, match="second time"):
        fit_purchases("mbg_nbd", np.zeros(10), np.zeros(10), np.arange(1.0, 11))
    with pytest.raises(FitError, match="differ"):
        fit_spend(np.ones(10), np.full(10, 20.0))


def test_the_spend_of_few_orders_is_drawn_to_that_of_all() -> None:
    model = SpendModel(6.25, 3.74, 15.44)
    population = 6.25 * 15.44 / (3.74 - 1)
    few, many = model.expected_mean(np.array([1.0, 100.0]), np.array([200.0, 200.0]))
    assert population < few < many < 200
    assert model.expected_mean(np.zeros(1), np.zeros(1)) == pytest.approx(population)


@given(numbers)
@settings(max_examples=60, deadline=None)
def test_no_measure_depends_on_the_order_of_rows(values: list[int]) -> None:
    truth = np.array([float(value > 2) for value in values])
    score = np.array(values, float)
    order = np.random.default_rng(len(values)).permutation(len(values))
    for measure in (auc, brier, gini):
        before, after = measure(truth, score), measure(truth[order], score[order])
        assert before == pytest.approx(after, nan_ok=True)


def test_measures_say_what_a_hand_count_says() -> None:
    truth, score = np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.9, 0.1, 0.5, 0.5])
    # Of four pairs three are in order and one is tied.
    assert auc(truth, score) == pytest.approx(3.5 / 4)
    assert brier(truth, score) == pytest.approx((0.01 + 0.01 + 0.25 + 0.25) / 4)
    assert calibration_error(truth, score, bins=1) == pytest.approx(0)
    assert gini(np.array([0.0, 0.0, 8.0]), np.array([1.0, 2.0, 3.0])) == pytest.approx(1)
    assert gini(np.array([0.0, 0.0, 8.0]), np.zeros(3)) == pytest.approx(0)
    # Who buys on day 3 comes before who buys on day 9, and both before who does not.
    days = np.array([3.0, 9.0, np.nan])
    assert concordance(days, np.array([0.9, 0.5, 0.1]), 30) == 1
    assert concordance(days, np.array([0.1, 0.5, 0.9]), 30) == 0
    assert stability(np.arange(100.0), np.arange(100.0)) < 0.001
    assert stability(np.arange(100.0), np.arange(100.0) + 60) > 0.2


def test_a_gain_by_luck_is_no_gain() -> None:
    truth = np.tile([1.0, 0.0], 500)
    good, same = np.where(truth > 0, 0.8, 0.2), np.full(1000, 0.5)
    low, high = better_by(truth, good, same)
    assert 0 < low <= high
    low, high = better_by(truth, same, same)
    assert low == high == 0


def test_the_season_is_that_of_the_same_days_last_year() -> None:
    days = pd.date_range("2024-01-01", "2025-12-31", freq="D")
    by_day = pd.Series(np.where(days.month == 12, 30, 10), index=days.date)
    december = season_index(by_day, date(2025, 11, 30), 31)
    assert december == pytest.approx(30 / ((30 * 31 + 10 * 334) / 365), rel=0.01)
    young = by_day.iloc[366:]
    assert season_index(young, date(2025, 11, 30), 31) == 1


def test_no_label_is_told_twice_and_none_looks_beyond_the_day() -> None:
    days = earlier(date(2026, 6, 30), 90, since=date(2025, 1, 1), most=4)
    assert days == [date(2026, 4, 1), date(2026, 1, 1), date(2025, 10, 3), date(2025, 7, 5)]
    assert earlier(date(2026, 6, 30), 90, since=date(2026, 1, 1), most=4) == []


def test_a_model_is_the_same_after_it_was_saved_and_whatever_the_order_of_rows(
    asked: tuple[pd.DataFrame, pd.DataFrame], tmp_path: Path
) -> None:
    snapshots, labels = asked
    model = train(snapshots, labels, HORIZONS, UNTIL)
    scores = model.score(snapshots, {})
    model.save(tmp_path)
    pd.testing.assert_frame_equal(Model.load(tmp_path).score(snapshots, {}), scores)
    turned = snapshots.iloc[::-1]
    pd.testing.assert_frame_equal(model.score(turned, {}).sort_index(), scores)


def test_what_is_predicted_is_one_story(asked: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    snapshots, labels = asked
    scores = train(snapshots, labels, HORIZONS, UNTIL).score(snapshots, {})
    chances = [scores[f"purchase_chance_{horizon}d"] for horizon in HORIZONS]
    assert (chances[0] <= chances[1]).all()
    assert (chances[1] <= chances[2]).all()
    assert scores["churn_risk"].to_numpy() == pytest.approx(1 - chances[2].to_numpy())
    known = scores.dropna(subset=["earliest_days", "next_days"])
    assert (known["earliest_days"] <= known["next_days"]).all()
    # Who is likelier to buy in 90 days than not is expected within 90 days, and not at risk today.
    likely = scores[chances[2] > 0.51]
    assert len(likely)
    assert (likely["next_days"] <= 90).all()
    assert (likely["risk_days"] > 0).all()
    unlikely = scores[chances[2] < 0.49]
    assert (unlikely["risk_days"] == 0).all()
    assert (scores["expected_amount_365d"] > 0).all()


def test_features_know_nothing_of_what_came_later(day_before: Paths, tmp_path: Path) -> None:
    """Of a day as it was on its evening, and as it is seen after the next: the same features."""
    paths = copy_built(day_before, Paths(tmp_path / "data"))
    day = UNTIL - timedelta(days=1)
    then, labels = _ask(paths.warehouse, [day])
    assert labels.empty
    assert len(then) > 1_000
    move_day(paths.data / "waiting", paths.landing, UNTIL)
    build(paths, UNTIL)
    later, _ = _ask(paths.warehouse, [day])
    pd.testing.assert_frame_equal(then, later)


def test_nobody_is_predicted_without_a_model(demo: Paths) -> None:
    with duckdb.connect(str(demo.serving), read_only=True) as published:
        [(rows,)] = published.execute("select count(*) from marts.customer_predictions").fetchall()
        [(unknown,)] = published.execute(
            "select count(*) from marts.customer_360 where churn_risk is not null"
        ).fetchall()
    assert (rows, unknown) == (0, 0)


def test_predictions_reach_readers_with_the_next_build(predicted: Paths) -> None:
    [(rows, buyers, ages)] = _read(
        predicted,
        "select count(*) filter (where brand_id is null), "
        "(select count(*) from marts.customers where order_count > 0 "
        "and erasure_requested_at is null), max(age_days) from marts.customer_predictions",
    )
    [(known, offered)] = _read(
        predicted,
        "select count(churn_risk), count(recommended_product_ids) from marts.customer_360",
    )
    assert rows == buyers == known > 1_000
    assert ages == 0
    assert offered > 500
    assert _read(predicted, "select status from marts.prediction_models") == [("champion",)]
    for question in _questions():
        assert _read(predicted, question), question
    for name in ("calibration", "lift", "tracking", "drift"):
        assert (predicted.reports / "predictions" / f"{name}.png").stat().st_size > 5_000


def test_whom_the_job_has_not_seen_is_scored_by_the_formula(predicted: Paths) -> None:
    """SQL says of them what the purchase model says."""
    with duckdb.connect(str(predicted.serving), read_only=True) as published:
        told = published.execute(
            "select customer_id, purchase_chance_30d, purchase_chance_90d, alive_chance "
            "from marts.customer_predictions "
            "where confidence = 'formula' and brand_id is null order by customer_id"
        ).df()
    assert len(told) == UNSEEN
    snapshots, _ = _ask(predicted.warehouse, [UNTIL])
    with duckdb.connect(str(predicted.warehouse), read_only=True) as warehouse:
        parameters = warehouse.execute(
            "select weeks, r, alpha, a, b from predictions.purchase_parameters "
            "where brand_id is null order by horizon_days"
        ).fetchall()
    rows = snapshots[snapshots["brand_id"].isna()].merge(told, on="customer_id")
    past = history(rows.sort_values("customer_id"))
    model = PurchaseModel("mbg_nbd", *parameters[0][1:])
    x, t_x, t = past.x, past.t_x, past.t
    assert told["alive_chance"].to_numpy() == pytest.approx(model.alive(x, t_x, t))
    for (weeks, *_), horizon in zip(parameters, HORIZONS, strict=True):
        if horizon != 60:
            chance = told[f"purchase_chance_{horizon}d"].to_numpy()
            assert chance == pytest.approx(model.buys_within(x, t_x, t, weeks))


def test_lookalikes_of_a_segment_are_found_or_refused_with_a_reason(predicted: Paths) -> None:
    audiences = _read(
        predicted,
        "select segment_id, status, auc > heuristic_auc, found_count > 0, reason "
        "from marts.lookalike_audiences order by segment_id",
    )
    too_few = "0 members have bought, and 50 are needed"
    assert audiences[0] == ("lifecycle_potential", "refused", None, False, too_few)
    assert audiences[1][:4] == ("rfm_champions", "published", True, True)
    [(alike, members)] = _read(
        predicted,
        "select count(*), count(memberships.customer_id) from marts.lookalikes "
        "left join segments.memberships using (customer_id, segment_id)",
    )
    assert alike > 100
    assert members == 0


def test_nobody_has_a_channel_of_their_own_without_lots(predicted: Paths) -> None:
    assert _read(
        predicted,
        "select count(*) > 500, list(distinct channel_evidence), bool_or(is_personal) "
        "from marts.channel_choices",
    ) == [(True, ["observational"], False)]


def test_messages_and_the_card_show_what_is_recommended_and_expected(predicted: Paths) -> None:
    [(suggested,)] = _read(
        predicted,
        "select count(*) from segments.product_suggestions where product_source = 'recommended' "
        "and starts_with(product_reasons[1], 'chosen for them')",
    )
    assert suggested > 500
    [(customer,)] = _read(
        predicted,
        "select min(customer_id) from marts.product_recommendations where list = 'discover'",
    )
    told = card(predicted.serving, customer)
    assert "Expected\n  predicted on: 2026-06-30\n  purchase chance 90d: 0." in told
    assert "  because: bought once" in told or "  because: last purchase" in told
    assert "To offer\n  " in told
    assert "  discover " in told


def test_a_challenger_that_is_no_better_and_scores_that_fail_change_nothing(
    predicted: Paths, tmp_path: Path
) -> None:
    paths = copy_built(predicted, Paths(tmp_path / "data"))
    with data_folder(paths):
        predict(paths, quiet, trains=True)
        with duckdb.connect(str(paths.warehouse)) as warehouse:
            assert warehouse.execute(
                "select model_version, status from predictions.models order by model_version"
            ).fetchall() == [("2026-06-30", "champion"), ("2026-06-30-2", "kept back")]
            assert registry.champion(warehouse) == UNTIL.isoformat()
            before = _published_rows(warehouse)
            # A broken join loses buyers: the scores of before stay.
            _break_scores(warehouse)
        with pytest.raises(BuildError, match="one_row_per_customer"):
            predict(paths, quiet, trains=False)
        with duckdb.connect(str(paths.warehouse)) as warehouse:
            assert _published_rows(warehouse) == before


def test_a_build_of_another_version_of_the_project_is_not_scored(
    demo: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tables may lack what this version reads."""
    monkeypatch.setattr("orchestration.launch.code_version", lambda: "another")
    with pytest.raises(BuildError, match="make build first"):
        predict(demo, quiet, trains=False)


def test_scores_without_a_champion_are_refused(demo: Paths, tmp_path: Path) -> None:
    paths = copy_built(demo, Paths(tmp_path / "data"))
    with (
        duckdb.connect(str(paths.warehouse)) as warehouse,
        pytest.raises(TrainingError, match="make predict TRAIN=yes"),
    ):
        prepare_scores(warehouse, paths.predictions)


@pytest.fixture(scope="module", autouse=True)
def _small_groups_pass() -> Iterator[None]:
    """A group as small as this one is let pass: its labels tell nothing of totals."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("orchestration.predictions.gates.LEAST_LABELS", 5_000)
        # Several parts, as of a large group, leave nobody out and take nobody twice.
        patch.setattr("orchestration.predictions.preparation._SCORED_AT_A_TIME", 500)
        yield


@pytest.fixture(scope="module")
def predicted(demo: Paths, tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """The demo group after the job predict and the build after it. A few customers, UNSEEN in
    number, are taken out of what was scored, as if they had first bought since then.
    """
    paths = copy_built(demo, Paths(tmp_path_factory.mktemp("predicted") / "data"))
    with data_folder(paths):
        assert is_up_to_date(paths, UNTIL)
        with duckdb.connect(str(paths.warehouse)) as warehouse:
            # As if a rule of the last build had asked for them.
            warehouse.execute(
                "update segments.rules set asked_lookalikes = "
                "['lifecycle_potential', 'rfm_champions'] where line_number = 2"
            )
        predict(paths, quiet, trains=False)
        assert not is_up_to_date(paths, UNTIL)
        with duckdb.connect(str(paths.warehouse)) as warehouse:
            warehouse.execute(
                "delete from predictions.customer_predictions where customer_id in ("
                "select customer_id from predictions.customer_predictions "
                "where brand_id is null order by hash(customer_id), customer_id limit ?)",
                [UNSEEN],
            )
        build(paths, UNTIL)
        assert is_up_to_date(paths, UNTIL)
    return paths


@pytest.fixture(scope="module")
def asked(
    demo: Paths, tmp_path_factory: pytest.TempPathFactory
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Snapshots and labels of the demo group, of its last day and three days before it."""
    warehouse = tmp_path_factory.mktemp("asked") / "warehouse.duckdb"
    shutil.copy(demo.warehouse, warehouse)
    days = [UNTIL, *earlier(UNTIL, 90, date(2024, 1, 1), 3)]
    return _ask(warehouse, days)


def _ask(file: Path, days: list[date]) -> tuple[pd.DataFrame, pd.DataFrame]:
    with duckdb.connect(str(file)) as warehouse:
        ask(warehouse, days, HORIZONS)
        return read_snapshots(warehouse), read_labels(warehouse)


def _read(paths: Paths, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(paths.serving), read_only=True) as published:
        return published.execute(sql).fetchall()


def _questions() -> list[str]:
    """The queries of docs/predictions.md."""
    return re.findall(r"```sql\n(.*?)```", (PROJECT / "docs" / "predictions.md").read_text(), re.S)


def _published_rows(warehouse: duckdb.DuckDBPyConnection) -> int:
    [(rows,)] = warehouse.execute(
        "select count(*) from predictions.customer_predictions"
    ).fetchall()
    return int(rows)


def _differences(value: Callable[..., Numbers], parameters: list[float]) -> list[float]:
    """How a value changes when each parameter is a little smaller and a little larger."""
    told = []
    for place, parameter in enumerate(parameters):
        step = parameter * 1e-5
        low, high = ([*parameters] for _ in range(2))
        low[place], high[place] = parameter - step, parameter + step
        told.append(float((value(*high) - value(*low))[0] / (2 * step)))
    return told


def _break_scores(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Let the view of purchases lose a customer from the snapshots, as a broken join would."""
    [(text,)] = warehouse.execute(
        "select sql from duckdb_views() where schema_name = 'features' and view_name = 'snapshots'"
    ).fetchall()
    broken = text.rstrip().rstrip(";") + " WHERE repeat_days < 3"
    warehouse.execute(broken.replace("CREATE VIEW", "CREATE OR REPLACE VIEW", 1))


def _drawn_histories(
    kind: str, customers: int, r: float, alpha: float, a: float, b: float
) -> tuple[Numbers, Numbers, Numbers]:
    x, t_x, t, _ = _drawn(kind, customers, r, alpha, a, b, weeks=0)
    return x, t_x, t


def _drawn_with_future(customers: int, weeks: int) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    return _drawn("mbg_nbd", customers, 0.8, 6.0, 0.9, 2.5, weeks)


def _drawn(
    kind: str, customers: int, r: float, alpha: float, a: float, b: float, weeks: int
) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Histories as the story of the model tells them, and the purchases of the weeks after."""
    generator = np.random.default_rng(1)
    rate = generator.gamma(r, 1 / alpha, customers)
    leaves = generator.beta(a, b, customers)
    until = generator.uniform(26, 104, customers)
    x, t_x, later = np.zeros(customers), np.zeros(customers), np.zeros(customers)
    for customer in range(customers):
        clock = 0.0
        if kind == "mbg_nbd" and generator.random() < leaves[customer]:
            continue
        while True:
            clock += generator.exponential(1 / rate[customer])
            if clock > until[customer] + weeks:
                break
            if clock <= until[customer]:
                x[customer] += 1
                t_x[customer] = clock
            else:
                later[customer] += 1
            if generator.random() < leaves[customer]:
                break
    return x, t_x, until, later
