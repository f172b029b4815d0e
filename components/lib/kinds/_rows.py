"""One row of a table, its cells, and what is learnt of columns of numbers."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.lib.errors import Unusable, nearest

UNKNOWN = frozenset({"", "na", "n/a", "#n/a", "<na>", "nan", "none", "null"})
"""Words that mean "unknown", in small letters."""
LONGEST = 64
"""Characters of a category."""
LARGEST = 1e100
"""Numbers beyond it count as infinite: their squares could not be added up."""
FEWEST_ROWS, ENOUGH_ROWS = 3, 10
"""Of a category, from a small and from a usual number of training rows."""
LISTED = 12
"""Categories that a message lists."""


@dataclass(frozen=True)
class Row:
    """One row of a table: column to text or number, as the table has it; None where the cell is empty."""

    values: Mapping[str, str | float | None]

    def content(self) -> bytes:
        """The bytes by which the row is known: equal cells give equal bytes, whatever the order of the columns."""
        return json.dumps(dict(self.values), sort_keys=True, default=str).encode()


def is_missing(value: object) -> bool:
    """None, NaN, or pandas' own."""
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, Real) and value != value)


def number(column: str, value: object) -> float:
    """A cell as float64; NaN where it is missing. Text must be what Python writes as a number: 1.5, -2, 3e4.

    Raises:
        Unusable: text that is no number, something else than text and numbers, or beyond `LARGEST`.
    """
    if is_missing(value) or (isinstance(value, str) and value.strip().lower() in UNKNOWN):
        return math.nan
    if isinstance(value, bool) or not isinstance(value, str | Real):
        raise Unusable(f"column {column}: no number")
    if isinstance(value, str) and ("_" in value or not value.strip().isascii()):  # Python takes 1_000, other scripts
        raise Unusable(f"column {column}: no number")
    try:
        told = float(value)
    except OverflowError:
        told = math.inf
    except ValueError:
        raise Unusable(f"column {column}: no number; write it with a point, as 1.5") from None
    if abs(told) > LARGEST:
        raise Unusable(f"column {column}: infinite, or beyond {LARGEST:g}")
    return told


def category(column: str, value: object, allowed: tuple[str, ...] | None) -> str:
    """A cell as text without the blanks around it; empty where it is missing.

    Args:
        column: its name, for errors.
        value: text.
        allowed: the categories there may be; None: any. One that reads as "unknown" counts as a category.

    Raises:
        Unusable: no text, none of the allowed ones, or longer than `LONGEST`.
    """
    if is_missing(value):
        return ""
    if not isinstance(value, str):
        raise Unusable(f"column {column}: no text; a category is sent as text")
    text = value.strip()
    if allowed is not None and text in allowed:
        return text
    if text.lower() in UNKNOWN:
        return ""
    if allowed is not None:
        raise Unusable(f"column {column}: unknown category{nearest(text[:LONGEST], allowed)}; known: {listed(allowed)}")
    if len(text) > LONGEST:
        raise Unusable(f"column {column}: a category of {len(text)} characters; at most {LONGEST} are taken")
    if "\0" in text:  # NumPy ends a text there
        raise Unusable(f"column {column}: text with a null character")
    return text


@cache
def row_type(numbers: int, categories: int) -> tuple[str, np.dtype[Any]]:
    """Text of the structured type, and the type; one field alone needs the comma to be structured."""
    fields = ["<f8"] * numbers + [f"<U{LONGEST}"] * categories
    text = ",".join(fields) + ("," if len(fields) == 1 else "")
    return text, np.dtype(text)


def request_cell(column: str, value: object) -> str | float | None:
    """One cell of a request: text, a number, or None where it is missing.

    Raises:
        Unusable: it is something else.
    """
    if is_missing(value):
        return None
    if isinstance(value, bool | np.bool_):
        raise Unusable(f"column {column}: expected a number or text, found true or false")
    if isinstance(value, str | float | int | np.number):
        return value  # type: ignore[return-value]
    raise Unusable(f"column {column}: expected a number or text, found a list or an object")


def check_categories(column: str, allowed: tuple[str, ...] | None) -> None:
    """Refuse a list of categories that the task file can't mean.

    Raises:
        ValueError: it is empty, or a category is too long, has blanks around it, or stands there twice.
    """
    if allowed is None:
        return
    if not allowed:
        raise ValueError(f"at least one category of {column}; null takes those that training finds")
    for word in allowed:
        if not word or word != word.strip() or len(word) > LONGEST or "\0" in word:
            raise ValueError(f"categories of {column}: 1 to {LONGEST} characters, without blanks around them")
    if len({*allowed}) < len(allowed):
        twice = sorted(word for word, count in Counter(allowed).items() if count > 1)
        raise ValueError(f"every category of {column} once; {listed(twice)} stands there twice")


def rows_of_a_category(rows: int) -> int:
    """In how many of so many training rows a category must occur to be known: a fiftieth, but 3 at least and 10 at
    most; beyond 100,000 rows one in 10,000."""
    return max(min(ENOUGH_ROWS, max(FEWEST_ROWS, math.ceil(rows / 50))), rows // 10_000)


def listed(names: Iterable[str]) -> str:
    """Names, and how many more there are."""
    every = list(names)
    more = f" and {len(every) - LISTED} more" if len(every) > LISTED else ""
    return (", ".join(every[:LISTED]) or "none") + more


class Moments:
    """Mean and deviation of columns, in one pass over pieces and in float64.

    Every column is shifted by its first known value, so that a constant has a deviation of exactly 0; pieces are joined
    as in Chan, Golub & LeVeque 1983, doi:10.1080/00031305.1983.10483115.

    Args:
        columns: how many there are.
    """

    def __init__(self, columns: int) -> None:
        self.shift: NDArray[np.float64] = np.full(columns, np.nan)
        self.known: NDArray[np.float64] = np.zeros(columns)
        self.rows = 0
        self._mean: NDArray[np.float64] = np.zeros(columns)
        self._squares: NDArray[np.float64] = np.zeros(columns)

    def add(self, piece: NDArray[np.float64]) -> None:
        """Take in some rows (n, columns), NaN where unknown."""
        known = ~np.isnan(piece)
        for column in np.flatnonzero(np.isnan(self.shift) & known.any(axis=0)):
            self.shift[column] = piece[known[:, column].argmax(), column]
        values = np.where(known, piece - self.shift, 0)
        count = known.sum(axis=0)
        mean = values.sum(axis=0) / np.maximum(count, 1)
        squares = (np.where(known, values - mean, 0) ** 2).sum(axis=0)
        total = np.maximum(self.known + count, 1)
        apart = mean - self._mean
        self._mean += apart * count / total
        self._squares += squares + apart**2 * self.known * count / total
        self.known += count
        self.rows += len(piece)

    @property
    def mean(self) -> NDArray[np.float64]:
        """Means of the known values; 0 where there is none."""
        return np.nan_to_num(self.shift) + self._mean

    @property
    def deviation(self) -> NDArray[np.float64]:
        """Standard deviations of the known values (of the population); 1 where they don't differ."""
        deviation = np.sqrt(self._squares / np.maximum(self.known, 1))
        return np.where(deviation > 0, deviation, 1.0)
