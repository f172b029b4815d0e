"""Columns that nearly are the target under another name: whoever has them has no question left to ask."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.lib.giveaways import ENOUGH, correlation, empty_cells
from components.lib.giveaways import suspicious as suspicious_of
from pipelines.look.choices import MOST_CLASSES

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
    if empty := empty_cells(column, target, SURE, amount=_is_amount(target.dropna())):
        return f"nearly the target itself: {empty}"
    if both.sum() < ENOUGH:
        return ""
    held, truth = column[both], target[both]
    if _is_amount(truth):
        if not number:
            return ""
        told = correlation(*(pd.to_numeric(each, errors="coerce").to_numpy(np.float64) for each in (held, truth)))
        return f"nearly the target itself: their correlation is {told:.3f}" if told >= SURE else ""
    if number and held.nunique() > MOST_CLASSES:
        told = _separation(pd.to_numeric(held, errors="coerce").to_numpy(np.float64), truth)
        return f"nearly the target itself: it tells the classes apart alone (AUC {told:.3f})" if told >= SURE else ""
    told = _purity(held, truth)
    return f"nearly the target itself: it names the class in {told:.1%} of the rows" if told >= SURE else ""


def suspicious(column: pd.Series, target: pd.Series, *, number: bool) -> str:
    """Why a column that is an input may be known only once the target is; see `lib.giveaways`."""
    return suspicious_of(column, target, number=number, amount=_is_amount(target.dropna()))


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
