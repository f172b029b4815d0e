"""How far apart two groups are in a characteristic, in standard deviations: it doesn't grow with their size, as a
p value does.

Sources: Austin 2009, doi:10.1002/sim.3697 (numbers and two categories; from 0.1 on a difference is worth a look); Yang
& Dalton 2012, "A unified approach to measuring the effect size between two groups using SAS", SAS Global Forum, paper
335-2012 (several categories).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
NOTHING = 1e-12
"""Variances and differences below it are rounding."""


def of_numbers(one: Floats, other: Floats) -> float:
    """Difference of two means over the root of the mean variance.

    Args:
        one: values (N,) of a group, all known.
        other: values (M,) of the other.

    Returns:
        0 and more; infinite where neither group varies and their means differ; NaN where one has fewer than two values.
    """
    if min(len(one), len(other)) < 2:
        return math.nan
    distance, variance = abs(float(one.mean() - other.mean())), float(one.var(ddof=1) + other.var(ddof=1)) / 2
    if variance < NOTHING:
        return math.inf if distance > NOTHING else 0.0
    return distance / math.sqrt(variance)


def of_counts(one: NDArray[np.integer], other: NDArray[np.integer]) -> float:
    """Mahalanobis distance of two groups' shares of K categories.

    Args:
        one: how many of a group are of each category (K,).
        other: the same of the other group, in the same order.

    Returns:
        0 and more; infinite where the groups have no category in common; NaN where a group is empty.
    """
    if not one.sum() or not other.sum():
        return math.nan
    first, second = (np.asarray(counts, np.float64)[1:] / counts.sum() for counts in (one, other))
    apart = first - second
    if np.abs(apart).max(initial=0.0) < NOTHING:
        return 0.0
    covariance = (_covariance(first) + _covariance(second)) / 2
    inverse = np.linalg.pinv(covariance, rcond=1e-10, hermitian=True)
    if np.abs(covariance @ inverse @ apart - apart).max() > 1e-6:  # apart in a direction in which neither group varies
        return math.inf
    return math.sqrt(float(apart @ inverse @ apart))


def by_chance(one: int, other: int) -> float:
    """What 95 of 100 random divisions into groups of these sizes stay below, in a number or of two categories."""
    return 1.96 * math.sqrt(1 / one + 1 / other) if one and other else math.nan


def _covariance(shares: Floats) -> Floats:
    return np.asarray(np.diag(shares) - np.outer(shares, shares))
