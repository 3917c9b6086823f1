"""The season calendar: every occasion of the seed has its day, as the library or the seed says."""

import csv
from datetime import date
from itertools import pairwise

import pytest

from orchestration.paths import PROJECT
from orchestration.warehouse.functions import holiday_on

YEARS = range(2000, 2041)


def seed(name: str) -> list[dict[str, str]]:
    with (PROJECT / "seeds" / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("country", "holiday", "day"),
    [
        ("PL", "Easter Sunday", date(2024, 3, 31)),
        ("PL", "Easter Sunday", date(2025, 4, 20)),
        ("DE", "Ascension Day", date(2026, 5, 14)),
        ("US", "Mother's Day", date(2026, 5, 10)),
        # The first of a year with a Sunday, whose Monday is free instead.
        ("GB", "New Year's Day", date(2023, 1, 1)),
        ("DE", "Thanksgiving Day", None),
        ("nowhere", "Christmas Day", None),
        (None, "Christmas Day", None),
        ("PL", None, None),
    ],
)
def test_a_holiday_is_where_it_falls(
    country: str | None, holiday: str | None, day: date | None
) -> None:
    assert holiday_on(country, holiday, day.year if day else 2025) == day


def test_a_holiday_without_a_year_is_none() -> None:
    assert holiday_on("PL", "Christmas Day", None) is None


def test_every_occasion_has_a_day_each_year_in_each_country_of_a_brand() -> None:
    countries = {brand["country"] for brand in seed("brands")}
    for occasion in seed("occasions"):
        assert bool(occasion["holiday"]) != bool(occasion["month_day"]), occasion
        for country in countries if occasion["holiday"] else ():
            calendar = occasion["calendar"] or occasion["country"] or country
            days = [holiday_on(calendar, occasion["holiday"], year) for year in YEARS]
            for before, after in pairwise(day for day in days if day):
                assert 330 < (after - before).days < 400, occasion
            assert all(days), (occasion, country)


def test_mothering_sunday_is_three_weeks_before_easter() -> None:
    """The library does not know it, and Good Friday all over Great Britain."""
    [mothering] = [
        row
        for row in seed("occasions")
        if (row["occasion"], row["country"]) == ("mothers_day", "GB")
    ]
    friday = holiday_on(mothering["calendar"], mothering["holiday"], 2026)
    assert friday is not None
    assert date.fromordinal(friday.toordinal() + int(mothering["until_days"])) == date(2026, 3, 15)
