"""Columns that may be known only once the answer is: a discharge status, a time to treatment that only the ill have.

Each column alone: an area under the ROC curve (words by how often rows with the word are of the class), a
correlation where the target is a number, and the same for whether a cell is empty. A strong predictor looks like it,
too: these are questions for who knows the data, and no verdicts.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

SUSPICIOUS, CLOSE, OFTEN_EMPTY = 0.9, 0.95, 0.8
"""Area and correlation from which on a column is warned of; and area from which on its empty cells are."""
FEWEST, DRAWN = 10, 10.0
"""Rows of a class, and empty cells, below which chance does it; rows by which rates are drawn towards the mean."""
ENOUGH = 30
"""Rows below which chance alone can do that."""


def suspicious(column: pd.Series, target: pd.Series, *, number: bool, amount: bool) -> str:
    """Why a column that is an input may be known only once the target is; empty where nothing speaks for it.

    Args:
        column: text or numbers, null where unknown.
        target: the same rows, null where unknown.
        number: whether the column holds numbers; otherwise words.
        amount: whether the target is a number; otherwise classes.

    Returns:
        what follows the column's name in a sentence.
    """
    told = empty_cells(column, target, OFTEN_EMPTY, amount=amount) or _alone(
        column, target, number=number, amount=amount
    )
    ask = "is it known when the question is asked? If not, take it out of the input"
    return f"may give the target away: {told}; {ask}" if told else ""


def _alone(column: pd.Series, target: pd.Series, *, number: bool, amount: bool) -> str:
    """How well the known values of a column alone tell the target, where that is suspiciously well."""
    both = column.notna() & target.notna()
    held, truth = column[both], target[both]
    if len(held) < ENOUGH:
        return ""
    if amount:
        if not number:
            return ""
        told = correlation(*(pd.to_numeric(each, errors="coerce").to_numpy(np.float64) for each in (held, truth)))
        return f"their correlation is {told:.2f}" if told >= CLOSE else ""
    values = pd.to_numeric(held, errors="coerce").to_numpy(np.float64) if number else np.empty(0)
    best = ("", 0.0)
    for name, count in truth.value_counts().items():
        mine = (truth == name).to_numpy()
        if not FEWEST <= count <= len(truth) - FEWEST:
            continue
        found = max(_area(values, mine), _area(-values, mine)) if number else _area(_rates(held, mine), mine)
        best = max(best, (str(name), found), key=lambda each: each[1])
    return f"it alone tells {best[0]!r} from the rest (AUC {best[1]:.2f})" if best[1] >= SUSPICIOUS else ""


def empty_cells(column: pd.Series, target: pd.Series, enough: float, *, amount: bool) -> str:
    """How well it tells the target whether a cell is empty; empty text where it doesn't."""
    known = target.notna()
    empty, truth = np.asarray(column[known].isna(), np.float64), target[known]
    if len(truth) < ENOUGH or not FEWEST <= empty.sum() <= len(empty) - FEWEST:
        return ""
    if amount:
        told = correlation(empty, pd.to_numeric(truth, errors="coerce").to_numpy(np.float64))
        return f"whether its cell is empty goes with the target (correlation {told:.3f})" if told >= enough else ""
    best = ("", 0.0)
    for name, count in truth.value_counts().items():
        mine = (truth == name).to_numpy()
        if FEWEST <= count <= len(truth) - FEWEST:
            found = max(_area(empty, mine), _area(-empty, mine))
            best = max(best, (str(name), found), key=lambda each: each[1])
    return f"whether its cell is empty tells {best[0]!r} (AUC {best[1]:.3f})" if best[1] >= enough else ""


def _rates(words: pd.Series, mine: NDArray[np.bool_]) -> NDArray[np.float64]:
    """For each row how often rows with its word are of the class, drawn towards the mean where they are few."""
    frame = pd.DataFrame({"word": words.to_numpy(), "mine": mine})
    grouped = frame.groupby("word")["mine"]
    share = float(mine.mean())
    rows, hits = grouped.transform("size"), grouped.transform("sum")
    return ((hits + share * DRAWN) / (rows + DRAWN)).to_numpy(np.float64)


def _area(column: NDArray[np.float64], mine: NDArray[np.bool_]) -> float:
    """Area under the ROC curve, unknown values left out."""
    known = np.isfinite(column)
    column, mine = column[known], mine[known]
    n, m = int(mine.sum()), int((~mine).sum())
    if min(n, m) < FEWEST:
        return 0.0
    return float((pd.Series(column).rank().to_numpy()[mine].sum() - n * (n + 1) / 2) / (n * m))


def correlation(column: NDArray[np.float64], target: NDArray[np.float64]) -> float:
    """The larger of Pearson's and Spearman's, without its sign."""
    known = np.isfinite(column) & np.isfinite(target)
    if known.sum() < ENOUGH or np.ptp(column[known]) == 0 or np.ptp(target[known]) == 0:
        return 0.0
    a, b = pd.Series(column[known]), pd.Series(target[known])
    return float(max(abs(a.corr(b)), abs(a.rank().corr(b.rank()))))
