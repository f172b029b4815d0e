"""Figures with 95% intervals: proportions and areas under curves here, a bootstrap for the rest.

proportions     Wilson: near nominal for any n, and never outside [0, 1]
AUC             DeLong on the logit scale; Newcombe's score interval where DeLong's variance vanishes
all others, and all where patients repeat
                a bootstrap: see `lib.bootstrap`

How often they hold the truth stands in docs/statistics.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit, ndtri
from scipy.stats import rankdata

from components.lib.numbers import number

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

Z = float(ndtri(0.975))


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95% interval; NaN with a note where the data can't give it."""

    value: float
    low: float
    high: float
    n: int
    """Samples it rests on: for recall, the positives."""
    method: str
    """How the interval was made."""
    note: str = ""
    """Why the figure is missing, or why its interval should not be trusted."""
    meaning: str = ""
    """One sentence in plain language."""
    better: Literal["higher", "lower", "between"] = "higher"
    """`between`: too much is as bad as too little, as of a slope that should be 1."""
    headline: bool = False
    """Whether its meaning belongs at the top of the report."""

    @property
    def known(self) -> bool:
        """Whether the data could give the figure."""
        return not math.isnan(self.value)

    @property
    def trusted(self) -> bool:
        """Whether the interval can carry a decision: the figure is known and rests on enough samples."""
        return self.known and not self.note

    def __str__(self) -> str:
        if not self.known:
            return f"unknown: {self.note}"
        return f"{number(self.value)} ({number(self.low)} to {number(self.high)})"


def missing(note: str, n: int = 0) -> Estimate:
    """A figure that the data can't give, and why."""
    return Estimate(math.nan, math.nan, math.nan, n, "none", note)


def wilson(successes: int, n: int, *, empty: str = "no sample to count") -> Estimate:
    """A proportion with Wilson's score interval; with n = 0 it is missing, and `empty` says why.

    Sources: Wilson 1927, doi:10.1080/01621459.1927.10502953; recommended for any n by Brown, Cai & DasGupta 2001,
    doi:10.1214/ss/1009213286.
    """
    if n == 0:
        return missing(empty)
    return Estimate(successes / n, *score_interval(successes / n, n), n, "Wilson")


def score_interval(share: float, n: float) -> tuple[float, float]:
    """Ends of Wilson's interval around a share (0..1) of n."""
    spread = Z * Z / n
    centre = (share + spread / 2) / (1 + spread)
    half = Z * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    low = 0.0 if share == 0 else max(0.0, centre - half)
    high = 1.0 if share == 1 else min(1.0, centre + half)
    return low, high


def auc(score: Floats, positive: Bools) -> Estimate:
    """Area under the ROC curve: the chance that a random positive scores above a random negative.

    DeLong's variance on the logit scale, so that the interval stays inside (0, 1). Where that variance is 0 (AUC 0 or
    1, one sample in a class) Newcombe's score interval, which has a width there.

    Args:
        score: (N,), higher means more likely positive.
        positive: (N,).

    Sources: DeLong et al. 1988, doi:10.2307/2531595; computed by ranks as in Sun & Xu 2014,
    doi:10.1109/LSP.2014.2337313; logit scale, and the need of another interval for separated classes: Perme &
    Manevski 2019, doi:10.1177/0962280218814556; Newcombe 2006, method 5, doi:10.1002/sim.2324.
    """
    m, n = int(positive.sum()), int((~positive).sum())
    if not m or not n:
        return missing("only one class among the samples" if m or n else "no sample to count", m + n)
    of_positives, of_negatives = placements(score, positive)
    variance = _mean_variance(of_positives) + _mean_variance(of_negatives)
    return _area(float(of_positives.mean()), variance, m, n)


def macro_auc(probability: Floats, label: NDArray[np.intp]) -> Estimate:
    """Mean of the one-versus-rest areas over the classes that occur, with DeLong's variance of that mean.

    A sample stands in every one of the areas, once as positive and else as negative; what it adds to the mean is
    summed first, and its variance taken within each class (for two classes this is DeLong's figure exactly).

    Args:
        probability: (N, K).
        label: (N,), 0 … K-1.
    """
    present = np.unique(label)
    if len(present) < 2:
        return missing("only one class among the samples" if len(label) else "no sample to count", len(label))
    areas, added = [], np.zeros(len(label))
    for k in present:
        positive = label == k
        of_positives, of_negatives = placements(probability[:, k], positive)
        areas.append(of_positives.mean())
        added[positive] += of_positives / len(of_positives)
        added[~positive] += of_negatives / len(of_negatives)
    added /= len(present)
    counts = [int((label == k).sum()) for k in present]
    variance = sum(count**2 * _mean_variance(added[label == k]) for k, count in zip(present, counts, strict=True))
    # With K classes, Newcombe's interval (only for vanishing variance) rests on the rarest class against the rest.
    estimate = _area(float(np.mean(areas)), variance, min(counts), len(label) - min(counts))
    return replace(estimate, n=len(label))


def placements(score: Floats, positive: Bools) -> tuple[Floats, Floats]:
    """Share of negatives below each positive (m,), and of positives above each negative (n,); ties count half."""
    ranks = rankdata(score)
    m, n = int(positive.sum()), int((~positive).sum())
    of_positives = (ranks[positive] - rankdata(score[positive])) / n
    of_negatives = 1 - (ranks[~positive] - rankdata(score[~positive])) / m
    return of_positives, of_negatives


def _mean_variance(values: Floats) -> float:
    """Variance of the mean; NaN for a single value."""
    return float(values.var(ddof=1) / len(values)) if len(values) > 1 else math.nan


def _area(value: float, variance: float, m: int, n: int) -> Estimate:
    if variance > 1e-12 and 0 < value < 1:
        half = Z * math.sqrt(variance) / (value * (1 - value))
        low, high = (float(expit(logit(value) + sign * half)) for sign in (-1, 1))
        return Estimate(value, low, high, m + n, "DeLong, logit scale")
    return Estimate(value, *newcombe(value, m, n), m + n, "Newcombe's score interval")


def newcombe(value: float, m: int, n: int, z: float = Z) -> tuple[float, float]:
    """Ends of Newcombe's score interval around an area (0..1) of m positives and n negatives, z deviations away.

    Source: Newcombe 2006, method 5, doi:10.1002/sim.2324.
    """
    extra = (m + n) / 2 - 1

    def distance(area: float) -> float:
        spread = area * (1 - area) * (1 + extra * (1 - area) / (2 - area) + extra * area / (1 + area)) / (m * n)
        return (area - value) ** 2 - z * z * spread

    # Just beside the value, not at it: where value is 0 or 1 it is a root itself.
    beside = 1e-9
    low = float(brentq(distance, 0.0, value - beside)) if value > beside else 0.0
    high = float(brentq(distance, value + beside, 1.0)) if value < 1 - beside else 1.0
    return low, high
