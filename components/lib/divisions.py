"""Who is compared with whom: the test samples by site, sex, age and by how they were acquired."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.lib.kinds import InputKind

FEWEST = 20
"""Samples below which a group isn't shown: its intervals would say nothing, and it could point at a person."""
MOST = 8
"""Groups of a column that are shown, the largest first."""
PEOPLE = {"site": "site", "sex": "sex", "age": "age"}
"""Columns of a table that are always spoken of, and their names for people."""


@dataclass(frozen=True)
class Group:
    """Some test samples that have something in common."""

    name: str
    rows: NDArray[np.intp]
    """Their places among all test samples; the truth of each is known."""


@dataclass(frozen=True)
class Division:
    """The test samples by one column."""

    column: str
    """Its name for people."""
    groups: tuple[Group, ...]
    """Those that are large enough, in the order in which they are shown."""
    small: tuple[int, ...]
    """Sizes of those that aren't."""
    beyond: int
    """How many are large enough and still not shown."""
    unknown: int
    """Samples of which nothing is known."""

    @property
    def comparable(self) -> bool:
        """Whether there is somebody to compare with."""
        return len(self.groups) > 1


def divisions(
    samples: pd.DataFrame, known: NDArray[np.bool_], inputs: Mapping[str, InputKind], age_bands: tuple[int, ...]
) -> tuple[Division, ...]:
    """The samples by every column that says something of them.

    Args:
        samples: table of the test split (N rows).
        known: which of them have a known truth (N,).
        inputs: of the model: their kinds know how samples were made and stored.
        age_bands: ages at which a new band begins.
    """
    found = [_divide(told, _words(samples, column, age_bands), known) for column, told in PEOPLE.items()]
    made = acquired_by(inputs).items()
    acquired = [_divide(told, samples[column], known) for column, told in made if column in samples]
    # What is the same in all, or known of none, says nothing.
    return (*found, *(each for each in acquired if len(each.groups) + len(each.small) > 1))


def acquired_by(inputs: Mapping[str, InputKind]) -> dict[str, str]:
    """Columns that say how samples were made and stored, where a table has them, and their names for people."""
    made = {"device": "machine"}
    for name, kind in inputs.items():
        of = "" if len(inputs) == 1 else f" of {name}"
        made |= {f"{name}_{column}": f"{told}{of}" for column, told in kind.origin_columns.items()}
    return made


def _words(samples: pd.DataFrame, column: str, age_bands: tuple[int, ...]) -> pd.Series:
    if column not in samples:
        return pd.Series([None] * len(samples), dtype=object)
    return bands(samples[column], age_bands) if column == "age" else samples[column]


def bands(ages: pd.Series, edges: tuple[int, ...]) -> pd.Series:
    """The band of each age, as an ordered category; null where the age is unknown."""
    between = [f"{low} to under {high}" for low, high in pairwise(edges)]
    names = [f"under {edges[0]}", *between, f"{edges[-1]} and over"] if edges else ["every age"]
    years = pd.to_numeric(ages, errors="coerce").astype("float64")
    return pd.Series(pd.cut(years, [-np.inf, *edges, np.inf], right=False, labels=names), index=ages.index)


def _divide(told: str, column: pd.Series, known: NDArray[np.bool_]) -> Division:
    values = column.reset_index(drop=True)
    ordered = isinstance(values.dtype, pd.CategoricalDtype)
    words = values.astype(object)
    sizes = words[known].value_counts().sort_index(kind="stable").sort_values(ascending=False, kind="stable")
    sizes = sizes[sizes > 0]
    large = list(sizes[sizes >= FEWEST].index)
    shown = [name for name in values.cat.categories if name in large] if ordered else sorted(large[:MOST], key=str)
    groups = tuple(Group(str(name), np.flatnonzero((words == name).to_numpy() & known)) for name in shown)
    small = tuple(int(size) for size in sizes[sizes < FEWEST])
    return Division(told, groups, small, len(large) - len(shown), int((words.isna().to_numpy() & known).sum()))


def left_out(division: Division) -> str:
    """What isn't shown of a column, and why, by count alone; empty where all is shown."""
    total = sum(len(group.rows) for group in division.groups) + sum(division.small)
    if not total:
        column = f"{division.column[:1].upper()}{division.column[1:]}"
        return f"{column} is unknown for all samples whose truth is known: nothing to compare."
    parts = []
    if len(division.small) == 1:
        parts.append(f"one group of {division.column} is too few ({_samples(division.small[0])}): not shown")
    elif division.small:
        parts.append(
            f"{len(division.small)} groups of {division.column} are too few ({_samples(sum(division.small))} in all, "
            f"fewer than {FEWEST} each): not shown"
        )
    if division.beyond:
        parts.append(f"{division.beyond} further groups of {division.column} aren't shown: the {MOST} largest are")
    if division.unknown:
        parts.append(f"{division.column} is unknown for {_samples(division.unknown)}")
    if not division.comparable and not parts:
        parts.append(f"all samples are of one {division.column}: nothing to compare")
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _samples(count: int) -> str:
    return f"{count:,} sample{'' if count == 1 else 's'}"
