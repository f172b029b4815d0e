"""Is a group worse off than the others, or is that chance? And how far apart are they in what is found?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from components.lib.bootstrap import EQUAL
from components.lib.numbers import number
from components.lib.resampling import FEW
from components.lib.statistics import Bools, Estimate, Floats, Z, missing, score_interval

DRAWS, AT_ONCE = 1000, 50
LEVEL = 0.05
"""Chance of calling any group worse where all are alike."""


@dataclass(frozen=True)
class Contrast:
    """One group's figure beside the mean of the others'."""

    column: str
    group: str
    metric: str
    found: Estimate
    others: float
    """Mean of the other groups of the column, weighted by their samples."""
    p: float
    """Chance of such a difference where all groups are alike (two-sided); 1 where the group isn't worse."""


def contrasts(column: str, metric: str, figures: Mapping[str, Estimate]) -> list[Contrast]:
    """Every group of a column against the mean of the others; figures that can't be trusted take no part.

    The interval of the difference is put together from those of the figures (MOVER), so that it fits any figure; how
    many of its half-widths the difference is away from 0 gives p.

    Args:
        column: for people.
        metric: its name.
        figures: by group.

    Source: Zou & Donner 2008, doi:10.1002/sim.3095.
    """
    fit = {name: each for name, each in figures.items() if each.trusted}
    if len(fit) < 2:
        return []
    return [
        _against(column, metric, name, each, [o for n, o in fit.items() if n != name]) for name, each in fit.items()
    ]


def _against(column: str, metric: str, name: str, found: Estimate, others: Sequence[Estimate]) -> Contrast:
    weights = np.array([each.n for each in others], np.float64)
    weights /= weights.sum()
    mean = float(weights @ [each.value for each in others])
    lower = found.better == "lower"
    apart = found.value - mean if lower else mean - found.value
    # The ends that lie between the group and the others.
    own = found.value - found.low if lower else found.high - found.value
    theirs = [each.high - each.value if lower else each.value - each.low for each in others]
    reach = math.hypot(own, *(weights * theirs))
    if apart <= 0 or reach <= 0:
        return Contrast(column, name, metric, found, mean, 1.0)
    return Contrast(column, name, metric, found, mean, float(2 * ndtr(-Z * apart / reach)))


def beyond_chance(found: Sequence[Contrast], tests: int) -> list[Contrast]:
    """Those that stay worse when it is counted how many were looked at.

    Args:
        found: every contrast.
        tests: how many there were to find one by chance; of two groups of a column each is the other's mirror image.

    Source: Holm 1979, Scandinavian Journal of Statistics 6:65-70.
    """
    kept: list[Contrast] = []
    for place, each in enumerate(sorted(found, key=lambda one: (one.p, one.column, one.group, one.metric))):
        if each.p * max(tests - place, 1) > LEVEL:
            break
        kept.append(each)
    return kept


def worst(figures: Mapping[str, Estimate]) -> tuple[str, Estimate] | None:
    """The group with the worst trusted figure, with an interval for "the worst of all groups".

    Its careful end is the most careful one of all groups: the true figure of the group that truly is worst lies beyond
    it at most as often as beyond that group's own end, so it needs no correction for the choice.
    """
    fit = {name: each for name, each in figures.items() if each.trusted}
    if not fit:
        return None
    lower = next(iter(fit.values())).better == "lower"
    extreme = max if lower else min
    name = extreme(fit, key=lambda each: (fit[each].value, each))
    low, high = extreme(each.low for each in fit.values()), extreme(each.high for each in fit.values())
    value = fit[name]
    return name, Estimate(
        value.value, low, high, value.n, "the groups' intervals, their worse ends",
        meaning=f"The worst of {len(fit)} groups: {name}.", better=value.better,
    )  # fmt: skip


def sensitivity_gap(groups: Mapping[str, Bools], patients: Mapping[str, NDArray[np.intp]], seed: int = 0) -> Estimate:
    """The largest difference in sensitivity between groups, with a bootstrap of each group's patients.

    Args:
        groups: by name, of the samples that have the finding, whether it was found (n,).
        patients: by name, a number per sample (n,), equal for samples of one patient.
        seed: equal seeds give equal intervals.

    Source: "equal opportunity", Hardt et al. 2016, arXiv:1610.02413.
    """
    fit = {name: found for name, found in groups.items() if len(found) >= FEW}
    n = sum(map(len, fit.values()))
    if len(fit) < 2:
        return missing(f"fewer than two groups have {FEW} samples with the finding", n)
    rates = {name: float(found.mean()) for name, found in fit.items()}
    draws = np.stack(
        [_drawn(found, patients[name], np.random.default_rng([seed, i])) for i, (name, found) in enumerate(fit.items())]
    )
    gaps = draws.max(axis=0) - draws.min(axis=0)
    value = max(rates.values()) - min(rates.values())
    low, high = (float(end) for end in np.quantile(gaps, [0.025, 0.975]))
    if high - low < EQUAL:  # all found, or none: the group with the fewest may still differ
        high = max(_unseen(len(np.unique(patients[name])), rates[name]) for name in fit)
    best, least = max(rates, key=lambda name: rates[name]), min(rates, key=lambda name: rates[name])
    meaning = (
        f"Of 100 with the finding, {100 * rates[least]:.0f} are found in {least} and {100 * rates[best]:.0f} in "
        f"{best}; groups that are alike would differ by {100 * _by_chance(fit, seed):.0f} on average, by chance alone."
    )
    ends = (min(low, value), max(high, value))
    return Estimate(value, *ends, n, "bootstrap within groups", meaning=meaning, better="lower")


def _unseen(patients: int, rate: float) -> float:
    """How far a group's sensitivity of 0 or 1 may lie from that, by Wilson's interval of its patients."""
    low, high = score_interval(rate, patients)
    return max(rate - low, high - rate)


def _drawn(found: Bools, patients: NDArray[np.intp], generator: np.random.Generator) -> Floats:
    """Sensitivities (1000,) of a group whose patients are drawn anew."""
    _, who = np.unique(patients, return_inverse=True)
    count = int(who.max()) + 1
    if count == len(found):
        return np.asarray(generator.binomial(count, found.mean(), DRAWS) / count, np.float64)
    hits, held = np.bincount(who, found), np.bincount(who)
    pieces = []
    for _ in range(0, DRAWS, AT_ONCE):
        drawn = generator.integers(0, count, (AT_ONCE, count))
        pieces.append(hits[drawn].sum(axis=1) / held[drawn].sum(axis=1))
    return np.concatenate(pieces)


def _by_chance(groups: Mapping[str, Bools], seed: int) -> float:
    """The gap that groups of these sizes show on average where all have one sensitivity."""
    together = float(np.concatenate(list(groups.values())).mean())
    generator = np.random.default_rng([seed, len(groups), 1])
    draws = np.stack([generator.binomial(len(found), together, DRAWS) / len(found) for found in groups.values()])
    return float((draws.max(axis=0) - draws.min(axis=0)).mean())


def shown(contrast: Contrast) -> str:
    """`0.52 (0.40 to 0.63), against 0.86 in the others`."""
    return f"{contrast.found}, against {number(contrast.others)} in the other groups"
