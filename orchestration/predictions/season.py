"""How many times more than usual is bought in the days to come, by the same days of last year."""

from datetime import date, timedelta

import pandas as pd

YEAR = 365
# The year before, and half a year of customers to begin it with: a shop in its first year grows
# by new customers, and its season would be its growth.
LEAST_HISTORY = 547


def season_index(purchases_by_day: pd.Series, cutoff: date, horizon: int) -> float:
    """Purchases per day in the horizon's days a year ago, over those of that whole year; 1 with
    less history than tells. `purchases_by_day` is a number by date.
    """
    if purchases_by_day.empty:
        return 1.0
    days = pd.to_datetime(purchases_by_day.index).date
    began = cutoff - timedelta(days=YEAR)
    if (cutoff - min(days)).days < LEAST_HISTORY:
        return 1.0
    year = purchases_by_day[(days > began) & (days <= cutoff)].sum() / YEAR
    window = purchases_by_day[(days > began) & (days <= began + timedelta(days=horizon))]
    return float(window.sum() / horizon / year) if year and window.sum() else 1.0
