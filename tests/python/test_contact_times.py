"""The hour at which a customer is there: how much a habit of theirs weighs beside everybody's."""

import duckdb
import pytest

from tests.python.test_recipes import SHARED

# So many contacts of everybody that nothing of a customer's own is left.
EVERYBODY = 1_000_000


@pytest.mark.parametrize(
    ("counted_until", "judged_until", "of_everybody", "of_ten", "of_fifty"),
    [
        ("2017-07-03", "2017-10-02", 2.828, 2.753, 2.701),
        ("2017-10-02", "2018-01-01", 2.812, 2.753, 2.699),
    ],
)
def test_fifty_contacts_of_all_are_the_right_weight_of_hours(
    counted_until: str, judged_until: str, of_everybody: float, of_ten: float, of_fifty: float
) -> None:
    """The Complete Journey: log-loss of the hour of a basket by the baskets before.

    The first window chose time_prior_contacts of seeds/profile_limits.csv, the second reports it.
    """
    file = SHARED / "complete_journey" / "transactions.parquet"
    if not file.exists():
        pytest.skip(f"{file} is not there; SEGMENT_OF_ONE_SHARED names its folder")
    loss = {
        prior: _loss_of_hours(str(file), counted_until, judged_until, prior)
        for prior in (5, 10, 20, 50, 100, 200, EVERYBODY)
    }
    assert min(loss, key=loss.__getitem__) == 50
    assert loss[50] == pytest.approx(of_fifty, abs=0.01)
    assert loss[10] - loss[50] == pytest.approx(of_ten - of_fifty, abs=0.01)
    assert loss[EVERYBODY] - loss[50] == pytest.approx(of_everybody - of_fifty, abs=0.01)


def _loss_of_hours(file: str, counted_until: str, judged_until: str, prior: int) -> float:
    with duckdb.connect() as connection:
        [(loss,)] = connection.execute(
            f"""
            with baskets as (
                select household_id, basket_id, min(transaction_timestamp) as bought_at
                from read_parquet('{file}') group by all
            ),

            hours as (select unnest(range(24)) as hour),

            known as (
                select household_id, hour(bought_at) as hour, count(*) as count from baskets
                where bought_at < date '{counted_until}' + 1 group by all
            ),

            everybody as (
                select hours.hour, (coalesce(sum(count), 0) + 1) / (sum(sum(count)) over () + 24)
                    as share
                from hours left join known using (hour) group by hours.hour
            ),

            totals as (select household_id, sum(count) as count from known group by all)

            select avg(-ln(
                (coalesce(known.count, 0) + {prior} * everybody.share)
                / (coalesce(totals.count, 0) + {prior})
            ))
            from baskets
            inner join everybody on hour(baskets.bought_at) = everybody.hour
            left join known
                on
                    baskets.household_id = known.household_id
                    and hour(baskets.bought_at) = known.hour
            left join totals on baskets.household_id = totals.household_id
            where
                baskets.bought_at >= date '{counted_until}' + 1
                and baskets.bought_at < date '{judged_until}' + 1
            """
        ).fetchall()
    return float(loss)
