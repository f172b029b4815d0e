"""Pairs of columns that tell a target together: the time between two moments, or a column by the time of its row.

Which columns are moments is known of few, so that the difference of any two numbers of one size is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

import numpy as np

from components.lib.giveaways.columns import Column, Limit
from components.lib.giveaways.scores import Floats, binned

MOST_ROWS, MOST_COLUMNS, MOST_PAIRS, MOST_BY_TIME = 5_000, 200, 1_000, 200
"""Rows that pairs are looked at on; columns beyond which there are too many; differences; pairs with a time."""
ALIKE = 20.0
"""Times that one column may spread as far as another: beyond it their difference is the wider one."""
TIMES = 8
"""Groups into which a time is cut, and a number beside it."""
_NAMED = re.compile(
    r"(^|[^a-z])(dates?|time|datetime|timestamp|days?|hours?|hrs?|minutes?|weeks?|months?|years?|datum|zeit|tage?|stunden?|"
    r"minuten|wochen?|monate?|jahre?|heures?|jours?|mois|annee|fecha|hora|dias?|mes|ano)([^a-z]|$)|日期|时间|時間"
)
_CALENDARS = ((1900, 2100), (19000101, 21001231), (190001, 210012), (3e8, 5e9), (3e11, 5e12))
"""Whole numbers in one of these ranges may be years, days as 20240131, months, seconds or milliseconds since 1970."""


def is_time(column: Column) -> bool:
    """Whether a column of numbers holds moments or spans of time, by its name or its values."""
    if column.numbers is None:
        return False
    if _NAMED.search(column.name.lower()):
        return True
    known = column.numbers[np.isfinite(column.numbers)]
    if not len(known) or (known != np.round(known)).any() or np.ptp(known) == 0:
        return False
    return any(low <= known.min() and known.max() <= high for low, high in _CALENDARS)


def differences(columns: list[Column]) -> Iterator[tuple[tuple[str, str], Column]]:
    """Names of two columns and their difference, the pairs that run most alike first."""
    held = [each for each in columns if each.numbers is not None and np.isfinite(each.numbers).any()]
    spreads = [float(np.nanstd(each.numbers)) for each in held if each.numbers is not None]
    pairs = [
        (one, two) for one, two in combinations(range(len(held)), 2)
        if 0 < spreads[one] <= ALIKE * spreads[two] and 0 < spreads[two] <= ALIKE * spreads[one]
    ]  # fmt: skip
    if len(pairs) > MOST_PAIRS:
        alike = _correlations(held)
        pairs = sorted(pairs, key=lambda pair: (-alike[pair], pair))[:MOST_PAIRS]
    for one, two in pairs:
        first, second = held[one].numbers, held[two].numbers
        if first is not None and second is not None and not np.array_equal(first, second, equal_nan=True):
            name = f"{held[one].name} − {held[two].name}"
            made = first - second
            if np.isfinite(made).any():
                yield (held[one].name, held[two].name), Column(name, binned(made), made)


def by_time(columns: list[Column]) -> Iterator[tuple[tuple[str, str], Column]]:
    """Names of a column and a time, and both together as groups of rows."""
    times = [each for each in columns if is_time(each)]
    pairs = [(each, time) for time in times for each in columns if each is not time and not (
        each in times and each.name > time.name
    )]  # fmt: skip
    for each, time in pairs[:MOST_BY_TIME]:
        codes = each.codes if each.numbers is None else binned(each.numbers, TIMES)
        of_time = binned(time.numbers, TIMES) if time.numbers is not None else time.codes
        yield (each.name, time.name), Column(f"{each.name} by {time.name}", 1 + codes * (1 + of_time.max()) + of_time)


def limits_of(limit: Limit, singles: float) -> Limit:
    """What a pair must reach to say more than each of its two columns alone."""
    return replace(limit, value=max(limit.value, singles + 0.05))


def _correlations(columns: list[Column]) -> Floats:
    """Between each two columns, empty cells at their means, without signs."""
    values = np.stack([np.asarray(each.numbers, np.float64) for each in columns], axis=1)[:2000]
    values = np.where(np.isfinite(values), values, np.nanmean(np.where(np.isfinite(values), values, np.nan), axis=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nan_to_num(np.abs(np.corrcoef(values, rowvar=False)))
