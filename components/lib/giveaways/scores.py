"""How well one column tells one target: areas under the ROC curve, correlations, and groups of rows that are all alike.

What is fitted to the target is measured on rows of patients that it wasn't fitted on, so that a column of many words
tells nothing by chance (out-of-fold target encoding: Micci-Barreca 2001, doi:10.1145/507533.507538).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import rankdata

from components.lib.statistics import newcombe

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Codes = NDArray[np.intp]

Z = float(ndtri(0.99))
"""One-sided: a column of the lowest strength that counts is raised by chance once in a hundred."""
FEWEST = 10
"""Patients of a class, and empty cells, below which nothing is said."""
ENOUGH = 30
"""Rows below which a correlation is no evidence."""
FOLDS, DRAWN, BINS = 5, 10.0, 20
"""Folds of the encoding; rows by which a rate is drawn towards the mean; groups into which numbers are cut."""


@dataclass(frozen=True)
class Score:
    """How well a column tells a target: an area under the ROC curve, or a correlation without its sign."""

    value: float
    """0 to 1; 0 where too few rows would tell."""
    n: int
    """Patients of the class; of an amount, all patients."""
    m: int = 0
    """Patients of the rest; 0 for an amount."""

    @property
    def bounds(self) -> tuple[float, float]:
        """One-sided 99% bounds: Newcombe's of an area; by Fisher's z of a correlation."""
        if not self.n or not self.value:
            return 0.0, 1.0
        if self.m:
            return newcombe(self.value, self.n, self.m, Z)
        middle, half = math.atanh(min(self.value, 1 - 1e-12)), Z / math.sqrt(self.n - 3)
        return math.tanh(middle - half), math.tanh(middle + half)

    def __str__(self) -> str:
        return f"{self.value:.2f}"


NOTHING = Score(0.0, 0)


@dataclass(frozen=True)
class Truth:
    """What a column is held against, on N rows: one class against the rest, or an amount."""

    name: str
    """Of the class; empty for an amount."""
    values: Floats
    """(N,) 0 and 1, or the amount."""
    groups: Codes
    """(N,) 0 … G-1, equal for rows of one patient."""
    folds: Codes
    """(N,) 0 … FOLDS-1, patients whole."""
    amount: bool

    def __getitem__(self, rows: Bools) -> Truth:
        return Truth(self.name, self.values[rows], self.groups[rows], self.folds[rows], self.amount)

    @cached_property
    def counts(self) -> tuple[int, int]:
        """Patients with and without the class; of an amount all of them, and 0."""
        if self.amount:
            return len(np.unique(self.groups)), 0
        mine = self.values > 0
        return len(np.unique(self.groups[mine])), len(np.unique(self.groups[~mine]))

    @property
    def measure(self) -> str:
        """What a score of it is called."""
        return "correlation" if self.amount else "AUC"


def folds_of(groups: Codes) -> Codes:
    """A fold for every row; the same groups give the same folds."""
    chance = np.random.default_rng(0)
    return np.asarray(chance.permutation(int(groups.max(initial=-1)) + 1) % FOLDS, np.intp)[groups]


def ordered(column: Floats, truth: Truth) -> Score:
    """By its order alone, upwards or downwards; of numbers that are known (N,)."""
    if truth.amount:
        return correlation(column, truth)
    told = _area(column, truth)
    return Score(max(told, 1 - told), *truth.counts) if _enough(truth) else NOTHING


def encoded(codes: Codes, truth: Truth) -> Score:
    """By what is usual in each group of rows: words, ranges of numbers, cells that are empty.

    Args:
        codes: (N,) 0 … C-1.
        truth: N rows.
    """
    expected = out_of_fold(codes, truth)
    if truth.amount:
        return correlation(expected, truth, pearson_alone=True)
    if not _enough(truth):
        return NOTHING
    # Within a fold alone: what a held row takes from its own group's mean would put positives below negatives.
    pieces = [(expected[held], truth[held]) for held in (truth.folds == fold for fold in range(FOLDS))]
    pairs = [float(piece.values.sum() * (piece.values == 0).sum()) for _, piece in pieces]
    told = sum(_area(*piece) * count for piece, count in zip(pieces, pairs, strict=True) if count)
    return Score(told / sum(pairs), *truth.counts) if sum(pairs) else NOTHING


def out_of_fold(codes: Codes, truth: Truth) -> Floats:
    """Per row (N,) the mean of the target in the other folds' rows of its group, drawn to the mean of all of these."""
    count = int(codes.max(initial=0)) + 1
    place = truth.folds * count + codes
    rows = np.bincount(place, minlength=FOLDS * count).reshape(FOLDS, count).astype(np.float64)
    sums = np.bincount(place, truth.values, FOLDS * count).reshape(FOLDS, count)
    others, of_others = rows.sum(axis=0) - rows, sums.sum(axis=0) - sums
    means = of_others.sum(axis=1, keepdims=True) / np.maximum(others.sum(axis=1, keepdims=True), 1)
    drawn = 1.0 if truth.amount else DRAWN
    return np.asarray(((of_others + means * drawn) / (others + drawn))[truth.folds, codes], np.float64)


def binned(column: Floats, most: int = BINS) -> Codes:
    """Numbers (N,), NaN where unknown, as ranges of equally many rows; what is unknown is a group of its own, 0."""
    known = np.isfinite(column)
    codes = np.zeros(len(column), np.intp)
    values, places = np.unique(column[known], return_inverse=True)
    if len(values) <= 2 * most:
        codes[known] = 1 + places
    else:
        ends = np.unique(np.quantile(column[known], np.linspace(0, 1, most + 1)[1:-1]))
        codes[known] = 1 + np.searchsorted(ends, column[known], side="left")
    return codes


def correlation(column: Floats, truth: Truth, *, pearson_alone: bool = False) -> Score:
    """The larger of Pearson's and Spearman's without its sign, of known numbers (N,)."""
    target, n = truth.values, sum(truth.counts)
    if n < ENOUGH or np.ptp(column) == 0 or np.ptp(target) == 0:
        return NOTHING
    told = abs(float(np.corrcoef(column, target)[0, 1]))
    if not pearson_alone:
        told = max(told, abs(float(np.corrcoef(rankdata(column), rankdata(target))[0, 1])))
    return Score(min(told, 1.0), n)


def pure(rows: Bools, truth: Truth) -> float:
    """Lower bound of how often rows of one kind (N,) are of the class, by patient; 0 where few are.

    Wilson's, one-sided 99%: 1927, doi:10.1080/01621459.1927.10502953.
    """
    of_kind = truth[rows]
    n = len(np.unique(of_kind.groups))
    if n < FEWEST or truth.amount:
        return 0.0
    share = 1 - len(np.unique(of_kind.groups[of_kind.values == 0])) / n
    spread = Z * Z / n
    return (share + spread / 2 - Z * math.sqrt(share * (1 - share) / n + spread / (4 * n))) / (1 + spread)


def _enough(truth: Truth) -> bool:
    return min(truth.counts) >= FEWEST


def _area(column: Floats, truth: Truth) -> float:
    """Area under the ROC curve (N,); a half where there is one class alone."""
    mine = truth.values > 0
    rows, rest = int(mine.sum()), int((~mine).sum())
    if not rows or not rest:
        return 0.5
    return float((rankdata(column)[mine].sum() - rows * (rows + 1) / 2) / (rows * rest))
