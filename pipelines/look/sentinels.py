"""Numbers that stand for "unknown": -999, 0 where nobody lives with it, an age of 300.

What can't be is taken as unknown, by a line in the task file; what may be is only reported, with the line to write.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from components.lib.kinds._cells import OLDEST
from components.lib.physiology import SENTINELS, Measured, measured, units_of
from pipelines.look.findings import counted

TWICE = 2
"""Cells from which a number that can't be a value is taken for a word, not for a slip."""
FAR = 2
"""Times the width of all other values that a number lies away from them, from which on it is set apart."""
PLAIN = 999
"""Repeated digits from here on are no values in another unit."""
SEVERAL = 2
"""Other values from which on a number among them may be a word: -1 beside 1 is a direction."""
CLEAR = -88
"""Repeated digits from here downwards are known as codes for "unknown": -88, -99, -999."""


@dataclass
class Numbers:
    """What the numbers of one column may mean.

    Args:
        unknown: that can't be values: number to cells.
        masked: cells with an age that nobody has.
        doubtful: sentences, each with the line to write.
        measured: what the column measures, where that is known.
    """

    unknown: dict[float, int] = field(default_factory=dict)
    masked: int = 0
    doubtful: list[str] = field(default_factory=list)
    measured: Measured | None = None


def numbers_of(column: str, values: NDArray[np.float64]) -> Numbers:
    """What the numbers of a column may mean.

    Args:
        column: its name.
        values: its plain numbers (n,), NaN for everything else.
    """
    known = values[np.isfinite(values)]
    found = Numbers(measured=measured(column, known))
    distinct, counts = np.unique(known, return_counts=True)
    strange = np.isin(distinct, [*SENTINELS])
    others = distinct[~strange & (distinct != 0)] if (~strange & (distinct != 0)).any() else distinct[~strange]
    for value, count in zip(distinct.tolist(), counts.tolist(), strict=True):
        if value == 0 or value in SENTINELS:
            _judge(found, column, value, count, others, len(distinct) - 1)
    if found.measured:
        _rest(found, found.measured, column, known[~np.isin(known, [*found.unknown])])
    return found


def _judge(found: Numbers, column: str, value: float, count: int, others: NDArray[np.float64], different: int) -> None:
    """A number that is often written for "unknown": can it be a value?"""
    bounds = found.measured
    if bounds is not None and not bounds.low <= value <= bounds.high:
        fits = any(unit.usual[0] <= value <= unit.usual[1] for unit in units_of(bounds.variable))
        if abs(value) >= PLAIN or not fits:  # 99 among °C may be °F
            found.unknown[value] = count
        return
    if value == 0 or not len(others):
        return
    lowest, highest = float(others.min()), float(others.max())
    apart = max(highest - lowest, 1.0) * FAR
    alone = value < lowest - apart or value > highest + apart
    if value <= CLEAR and count >= TWICE and (lowest >= 0 or alone):
        found.unknown[value] = count
    elif count >= TWICE and different >= SEVERAL and _may_be_a_word(value, others, alone=alone):
        line = f"unknown: {{{column}: [{value:g}]}}"
        why = f"all others are {lowest:g} to {highest:g}"
        found.doubtful.append(
            f"{column!r}: {value:g} in {counted(count, 'cell')}, {why}: if it means unknown, add to the input: {line}"
        )


def _may_be_a_word(value: float, others: NDArray[np.float64], *, alone: bool) -> bool:
    """Below zero where nothing else is; far from all others; or 9 above a scale of some points."""
    scale = len(others) < 9 and float(others.max()) + 1 < value <= 9
    return value < 0 <= float(others.min()) or (alone and value >= 9) or scale


def _rest(found: Numbers, bounds: Measured, column: str, known: NDArray[np.float64]) -> None:
    """Numbers that can't be, and are none of those that are often written for "unknown"."""
    wrong = known[bounds.impossible(known)]
    if not len(wrong):
        return
    if bounds.variable == "age" and (wrong > OLDEST).sum() >= TWICE:
        found.masked = int((wrong > OLDEST).sum())
        wrong = wrong[wrong <= OLDEST]
    if not len(wrong):
        return
    other = [unit for unit in units_of(bounds.variable) if unit.name != bounds.unit]
    share, unit = max(
        ((float(((wrong >= u.usual[0]) & (wrong <= u.usual[1])).mean()), u.name) for u in other), default=(0.0, "")
    )
    told = f"{column!r}: {counted(len(wrong), 'cell')} outside {bounds}, what {bounds.variable} can be"
    mixed = f"; {share:.0%} of them fit {unit}: two units in one column?" if share > 0.5 else ""
    line = f"ranges: {{{column}: [{bounds.low:g}, {bounds.high:g}]}}"
    found.doubtful.append(f"{told}{mixed}; correct them, or leave such rows out by adding to the input: {line}")
