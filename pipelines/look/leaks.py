"""Columns that nearly are the target under another name: whoever has them has no question left to ask."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.lib.giveaways import ASK, ENOUGH, Giveaway, Table, by_line, look, names_of
from components.lib.giveaways.columns import Column, truths
from components.lib.giveaways.scores import FEWEST, ordered
from pipelines.look.choices import MOST_CLASSES
from pipelines.look.findings import counted

SURE = 0.995
"""Correlation, area under the ROC curve, or share of rows right, from which on a column tells the target."""


def tells_target(column: pd.Series, target: pd.Series, *, number: bool) -> str:
    """Why a column is left out because it tells the target; empty where it doesn't.

    Args:
        column: text, null where unknown.
        target: text, the same rows.
        number: whether the column holds numbers; otherwise words.
    """
    both = column.notna() & target.notna()
    if empty := _empty(column[target.notna()], target.dropna()):
        return f"nearly the target itself: {empty}"
    if both.sum() < ENOUGH:
        return ""
    held, truth = column[both], target[both]
    if _is_amount(truth):
        if not number:
            return ""
        told = _ordered(held, truth)
        return f"nearly the target itself: their correlation is {told:.3f}" if told >= SURE else ""
    if number and held.nunique() > MOST_CLASSES:
        told = _separation(pd.to_numeric(held, errors="coerce").to_numpy(np.float64), truth)
        return f"nearly the target itself: it tells the classes apart alone (AUC {told:.3f})" if told >= SURE else ""
    told = _purity(held, truth)
    return f"nearly the target itself: it names the class in {told:.1%} of the rows" if told >= SURE else ""


def giveaways(
    columns: Mapping[str, pd.Series], numbers: list[str], moments: Mapping[str, pd.Series], target: pd.Series,
    patients: pd.Series | None,
) -> list[str]:  # fmt: skip
    """Sentences about inputs that may be known only once the target is; see `lib.giveaways`.

    Args:
        columns: the inputs, as cleaning will read them, null where unknown.
        numbers: which of them hold numbers.
        moments: columns of dates, in days; none of them is an input.
        target: text, the same rows, none of it null.
        patients: whose each row is; None: nobody says.
    """
    amount = _is_amount(target)
    found = look(Table(columns, frozenset(numbers), target, amount, patients, moments=moments))
    own = [each for each in found if not {*each.columns} <= {*moments}]
    single, more = by_line(own)
    told = [f"warning: {each.name} may give the target away: {each}; {_ask(each, moments)}" for each in single]
    if more:
        many = f"each of {counted(len(more), 'column')} may give the target away"
        told.append(f"warning: {many}: {names_of(more)}; {ASK}")
    told += [
        f"warning: the days between {each.name} would give the target away: {each}; don't write them as a column"
        for each in found
        if each not in own
    ]
    return told


def _ask(found: Giveaway, moments: Mapping[str, pd.Series]) -> str:
    return "don't write their difference as a column" if {*found.columns} & {*moments} else ASK


def _empty(column: pd.Series, target: pd.Series) -> str:
    """How surely it tells the target whether a cell is empty; empty text where it doesn't."""
    empty = np.asarray(column.isna(), np.float64)
    if len(empty) < ENOUGH or not FEWEST <= empty.sum() <= len(empty) - FEWEST:
        return ""
    amount = _is_amount(target)
    best = max(truths(target, None, amount=amount), key=lambda truth: ordered(empty, truth).value, default=None)
    if best is None or (told := ordered(empty, best).value) < SURE:
        return ""
    if amount:
        return f"whether its cell is empty goes with the target (correlation {told:.3f})"
    return f"whether its cell is empty tells {best.name!r} (AUC {told:.3f})"


def _ordered(column: pd.Series, target: pd.Series) -> float:
    """Correlation of two columns of numbers, without its sign."""
    values = Column.of("", column, number=True).numbers
    if values is None or not np.isfinite(values).any():
        return 0.0
    known = np.isfinite(values)
    return ordered(values[known], truths(target[known], None, amount=True)[0]).value


def in_days(dates: pd.Series) -> pd.Series:
    """Dates as days, null where they can't be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # dates of several forms are read one by one, which the library warns of
        read = pd.to_datetime(dates, errors="coerce", format="mixed", utc=True)
    return (read - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)


def _is_amount(truth: pd.Series) -> bool:
    return truth.nunique() > MOST_CLASSES and bool(pd.to_numeric(truth, errors="coerce").notna().all())


def _separation(column: NDArray[np.float64], truth: pd.Series) -> float:
    """The least area under the ROC curve of a class against all others, turned so that it is above a half."""
    known = np.isfinite(column)
    column, truth = column[known], truth[known]
    if len(column) < ENOUGH or truth.nunique() < 2:
        return 0.0
    ranks = pd.Series(column).rank().to_numpy()
    least = 1.0
    for name in truth.unique():
        positive = (truth == name).to_numpy()
        n, m = int(positive.sum()), int((~positive).sum())
        area = (ranks[positive].sum() - n * (n + 1) / 2) / (n * m)
        least = min(least, max(area, 1 - area))
    return float(least)


def _purity(column: pd.Series, truth: pd.Series) -> float:
    """Share of rows whose class is the commonest one of their value; 0 where it hardly beats the commonest class."""
    counts = pd.crosstab(column, truth)
    if len(counts) > MOST_CLASSES * 2:
        return 0.0
    told, always = counts.max(axis=1).sum() / len(truth), truth.value_counts().iloc[0] / len(truth)
    return float(told) if told - always > (1 - always) * 0.9 else 0.0
