"""What a column of numbers measures, and what is possible in it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from components.lib.physiology_data import (
    NEUTRAL,
    OTHER,
    OTHER_CHINESE,
    SENTINELS,
    UNIT_WORDS,
    VARIABLES,
    Unit,
    Variable,
    plain,
)

__all__ = ["SENTINELS", "Measured", "measured", "never_zero", "units_of"]

FEWEST = 6
"""Different numbers from which a column is taken for a measurement, not for a code."""


@dataclass(frozen=True)
class Measured:
    """What a column measures, and what is possible in it."""

    variable: str
    unit: str
    """Empty where the values fit several units; the bounds are then the widest."""
    low: float
    high: float
    why: str
    """How the unit was found, for people."""

    def impossible(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which values no living person has; false where NaN."""
        return np.asarray((values < self.low) | (values > self.high))

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}" + (f" {self.unit}" if self.unit else "")


def measured(name: str, values: NDArray[np.float64]) -> Measured | None:
    """What a column of numbers measures, by its name and where its values lie; None where it isn't known.

    Args:
        name: of the column.
        values: its numbers (n,), NaN where unknown; words for "unknown" may still be among them, as numbers.
    """
    variable, named = _by_name(name)
    known = values[np.isfinite(values)]
    usual = known[(known != 0) & ~np.isin(known, [*SENTINELS])]
    usual = usual if len(usual) else known
    if variable is None or len(np.unique(usual)) < FEWEST:
        return None
    middle = float(np.median(usual))
    fitting = [unit for unit in variable.units if unit.usual[0] <= middle <= unit.usual[1]]
    if not fitting:
        return None
    of_name = [unit for unit in fitting if unit.name in named]
    said = (of_name or fitting)[0].name if len(of_name or fitting) == 1 else ""
    why = "by its name" if of_name else f"by its median, {middle:.4g}"
    if named and not of_name:
        why += f", though its name says {sorted(named)[0]}"
    units = of_name or fitting
    return Measured(variable.name, said, min(u.low for u in units), max(u.high for u in units), why)


def never_zero(name: str) -> str:
    """The variable that a name says, where no living person has a 0 in it; empty where it isn't known."""
    variable, _ = _by_name(name)
    return variable.name if variable is not None and all(unit.low > 0 for unit in variable.units) else ""


def units_of(variable: str) -> tuple[Unit, ...]:
    """The units of a variable that `measured` named."""
    return next(each.units for each in VARIABLES if each.name == variable)


@cache
def _by_name(name: str) -> tuple[Variable | None, frozenset[str]]:
    """The variable that a name says, and the units in it."""
    text = plain(name)
    tokens = text.split()
    if found := _spelt(tokens):
        return found, _units_in(tokens[1:])  # "bpm" may be the name and the unit
    units, rest = set[str](), tokens
    for length in (4, 3, 2, 1):  # at the end, the longest first
        tail = " ".join(tokens[-length:])
        told = {unit for unit, words in UNIT_WORDS.items() if tail in words.split("|")}
        if told and length < len(tokens):
            units, rest = told, tokens[:-length]
            break
    found = _spelt(rest)
    if not found and not {*tokens} & OTHER and not any(each in text for each in OTHER_CHINESE):
        found = _variable_of(rest)
    return found, frozenset(units)


def _units_in(tokens: list[str]) -> frozenset[str]:
    return frozenset(unit for unit, words in UNIT_WORDS.items() if tokens and tokens[-1] in words.split("|"))


def _variable_of(tokens: list[str]) -> Variable | None:
    known = _spellings()
    if found := _spelt([each for each in tokens if each not in NEUTRAL and not each.isdigit()]):
        return found
    chinese = [each for each in known if len(each) > 1 and ord(each[0]) > 0x2E7F and each in "".join(tokens)]
    return known[max(chinese, key=len)] if chinese else None


def _spelt(tokens: list[str]) -> Variable | None:
    """The variable of a name, its words in any order, with or without blanks between them."""
    known = _spellings()
    return known.get("".join(tokens)) or known.get(" ".join(sorted(tokens)))


@cache
def _spellings() -> dict[str, Variable]:
    """Every name of every variable, without the blanks in it and with its words in the order of the alphabet."""
    names = [(spelt, variable) for variable in VARIABLES for spelt in variable.names]
    return {
        form: variable
        for spelt, variable in names
        for form in (spelt.replace(" ", ""), " ".join(sorted(spelt.split())))
    }
