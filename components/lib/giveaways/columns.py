"""The columns of a table as they are held against a target: numbers, words, and which cells are empty."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from components.lib.giveaways.scores import (
    FEWEST,
    FOLDS,
    NOTHING,
    Bools,
    Codes,
    Floats,
    Score,
    Truth,
    binned,
    encoded,
    folds_of,
    ordered,
    pure,
)

ALONE, EMPTY = "it alone", "whether its cell is empty"
ONE_WORD, ONE_RANGE = "one of its words", "one range of its numbers"


@dataclass(frozen=True)
class Limit:
    """What a score must reach, and its lower bound."""

    value: float
    low: float

    def reached(self, score: Score) -> bool:
        """Whether this is more than chance and more than usual."""
        return score.value >= self.value and score.bounds[0] >= self.low


AREA, AREA_EMPTY, CORRELATION = Limit(0.9, 0.85), Limit(0.8, 0.75), Limit(0.95, 0.9)
EMPTY_CORRELATION = Limit(0.8, 0.7)
COMMON = 0.6
"""Share of a class beyond which rows that are all of it are nothing to ask about."""
PURE, PURE_WORD, PURE_EMPTY = 0.9, (30.0, 0.75), (7.0, 0.6)
"""Share of rows of one kind that are of a class, at least; and lower bounds of it, for words and for empty cells: times
the odds of the class among all rows, and a share."""


@dataclass(frozen=True)
class View:
    """One way in which a column was held against the target."""

    how: str
    score: Score
    raised: bool
    told: str = ""
    """Beside the score."""


@dataclass(frozen=True)
class Column:
    """One column (N rows)."""

    name: str
    codes: Codes
    """0 where the cell is empty; words and ranges of numbers from 1 on."""
    numbers: Floats | None = None
    """NaN where unknown; None for words."""

    @classmethod
    def of(cls, name: str, cells: pd.Series, *, number: bool) -> Column:
        """A column of cells, null where unknown."""
        if not number:
            return cls(name, np.asarray(pd.factorize(cells)[0] + 1, np.intp))
        values = pd.to_numeric(cells, errors="coerce").to_numpy(np.float64)
        return cls(name, binned(values), values)

    def __getitem__(self, rows: Bools) -> Column:
        return Column(self.name, self.codes[rows], None if self.numbers is None else self.numbers[rows])

    @cached_property
    def empty(self) -> Bools:
        """(N,)."""
        return np.asarray(self.codes == 0)

    def views(self, truth: Truth) -> Iterator[View]:
        """In every way, the simplest first."""
        limit = CORRELATION if truth.amount else AREA
        some = int(self.empty.sum())
        if FEWEST <= some <= len(self.empty) - FEWEST:
            score = ordered(self.empty.astype(np.float64), truth)
            enough = EMPTY_CORRELATION if truth.amount else AREA_EMPTY
            yield View(EMPTY, score, enough.reached(score))
        if self.numbers is not None:
            known = ~self.empty
            score = ordered(self.numbers, truth) if known.all() else ordered(self.numbers[known], truth[known])
            yield View(ALONE, score, limit.reached(score))
        score = encoded(self.codes, truth)
        yield View(ALONE, score, limit.reached(score))
        yield from self._pure(truth)

    def _pure(self, truth: Truth) -> Iterator[View]:
        """Cells of one kind (empty, filled, one word) whose rows are nearly all of a class that is rare elsewhere."""
        share = float(truth.values.mean()) if len(truth.values) else 1.0
        if truth.amount or share > COMMON:
            return
        rows, hits = np.bincount(self.codes), np.bincount(self.codes, truth.values)
        codes = np.flatnonzero((rows >= FEWEST) & (hits >= PURE * rows)).tolist()
        kinds = [self.codes == code for code in codes]
        filled = ~self.empty
        if self.empty.any() and filled.sum() >= FEWEST and truth.values[filled].mean() >= PURE:
            kinds.append(filled)
        for kind in kinds:
            how = _kind(kind, self)
            times, least = PURE_WORD if how in (ONE_WORD, ONE_RANGE) else PURE_EMPTY
            odds = times * share / (1 - share)
            if pure(kind, truth) >= max(least, odds / (1 + odds)):
                told = f"{truth.values[kind].mean():.0%} of {int(kind.sum()):,} rows"
                yield View(how, NOTHING, raised=True, told=told)


def _kind(rows: Bools, column: Column) -> str:
    if (rows == column.empty).all():
        return "that its cell is empty"
    if (rows == ~column.empty).all():
        return "that its cell is filled in"
    return ONE_WORD if column.numbers is None else ONE_RANGE


def truths(target: pd.Series, patients: pd.Series | None, *, amount: bool) -> list[Truth]:
    """What the columns are held against: an amount as it is; each class against the rest; of two classes a rare one.

    Args:
        target: none of it null.
        patients: whose each row is, null where unknown; None: each row is a patient.
        amount: whether the target is a number.
    """
    groups = np.arange(len(target))
    if patients is not None:
        named = patients.astype("object").where(patients.notna(), [f"\0{row}" for row in range(len(target))])
        groups = np.asarray(pd.factorize(named)[0], np.intp)
    folds = folds_of(groups) if len(groups) else groups % FOLDS
    if amount:
        values = pd.to_numeric(target, errors="coerce").to_numpy(np.float64)
        return [Truth("", values, groups, folds, amount=True)]
    counts = target.astype("str").value_counts().sort_index().sort_values(kind="stable")
    # Of two classes one says it all; where both are common, cells of one kind may go with either.
    asked = counts.index[:1] if len(counts) == 2 and counts.iloc[0] < 0.4 * len(target) else counts.index
    words = target.astype("str").to_numpy()
    return [Truth(str(name), (words == name).astype(np.float64), groups, folds, amount=False) for name in asked]


def at_most(rows: Bools, most: int) -> Bools:
    """So many of these rows (N,), evenly spread."""
    places = np.flatnonzero(rows)
    made = np.zeros(len(rows), bool)
    made[places[np.unique(np.linspace(0, max(len(places) - 1, 0), min(len(places), most)).astype(np.intp))]] = True
    return made


def columns_of(cells: Mapping[str, pd.Series], numbers: frozenset[str]) -> list[Column]:
    """Every column, in the order of the mapping."""
    return [Column.of(name, each, number=name in numbers) for name, each in cells.items()]
