"""Figures with 95% intervals: proportions and areas under curves here, a bootstrap for the rest.

proportions     Wilson: near nominal for any n, and never outside [0, 1]; by patient, and of what is made of
                proportions: see `lib.shares`
AUC             the wider ends of DeLong's interval on the logit scale, of patients where they repeat, and Newcombe's
                score interval
all others      a bootstrap: see `lib.bootstrap`

How often they hold the truth stands in docs/statistics.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit, ndtri, stdtrit
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

    @property
    def bounded(self) -> bool:
        """Whether it has an interval."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    def __str__(self) -> str:
        if not self.known:
            return f"unknown: {self.note}"
        if not self.bounded:
            return f"{number(self.value)} (no interval)"
        return f"{number(self.value)} ({number(self.low)} to {number(self.high)})"


def missing(note: str, n: int = 0) -> Estimate:
    """A figure that the data can't give, and why."""
    return Estimate(math.nan, math.nan, math.nan, n, "none", note)


def withheld(found: Estimate, why: str) -> Estimate:
    """The figure without an interval: it may be anything, so that it differs from nothing beyond chance."""
    return replace(found, low=-math.inf, high=math.inf, method="none", note=why)


def all_alike(value: float, n: int, most: float) -> tuple[float, float]:
    """Ends of the 95% interval of a mean of losses (0 … most) that were the same in all of n samples.

    Of the population at most 1 - .025^(1/n) differ from that value (Clopper & Pearson 1934,
    doi:10.1093/biomet/26.4.404, for no hit of n; about 3.7 / n, a rule of three with two sides), and those may lie
    anywhere. Exact for any distribution.
    """
    others = 1 - 0.025 ** (1 / n)
    return value * (1 - others), value + others * (most - value)


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


def delong(score: Floats, positive: Bools) -> Estimate:
    """Area under the ROC curve with DeLong's interval on the logit scale, as other programs give it.

    Where its variance is 0 or unknown Newcombe's score interval. Of few samples of a class, and of areas near 1, it is
    too narrow (see docs/statistics.md): `auc` is what the report shows.

    Args:
        score: (N,), higher means more likely positive.
        positive: (N,).

    Sources: DeLong et al. 1988, doi:10.2307/2531595; computed by ranks as in Sun & Xu 2014,
    doi:10.1109/LSP.2014.2337313; logit scale: Perme & Manevski 2019, doi:10.1177/0962280218814556.
    """
    found = _added(np.stack([-score, score], axis=1), positive.astype(np.intp))
    if isinstance(found, Estimate):
        return found
    value, added = found
    variance, _ = _variance(added, positive.astype(np.intp), None)
    if _usable(value, variance):
        ends = _on_logit_scale(value, variance, Z)
        return Estimate(value, *ends, len(score), "DeLong, logit scale")
    return Estimate(value, *newcombe(value, positive.sum(), (~positive).sum()), len(score), "Newcombe's score interval")


def auc(score: Floats, positive: Bools, patients: NDArray[np.intp] | None = None) -> Estimate:
    """Area under the ROC curve: the chance that a random positive scores above a random negative.

    Args:
        score: (N,), higher means more likely positive.
        positive: (N,).
        patients: position of each sample's patient (N,), 0 … P-1; None: nobody has several.
    """
    return macro_auc(np.stack([-score, score], axis=1), positive.astype(np.intp), patients)


def macro_auc(probability: Floats, label: NDArray[np.intp], patients: NDArray[np.intp] | None = None) -> Estimate:
    """Mean of the one-versus-rest areas over the classes that occur; of two classes the area of the second.

    The interval has the wider ends of two: DeLong's variance on the logit scale with Student's tails, of patients where
    they repeat; and Newcombe's score interval, whose variance doesn't vanish where hardly a pair is ranked wrongly, for
    as many samples as those of alike patients are worth. Each alone is too narrow somewhere.

    A sample stands in every one of the areas, once as positive and else as negative; what it adds to the error of the
    mean is summed first (for two classes this is DeLong's figure exactly). Of several classes "the rest" is a mix of
    them, which the variance allows to be another.

    Args:
        probability: (N, K).
        label: (N,), 0 … K-1.
        patients: position of each sample's patient (N,), 0 … P-1; None: nobody has several.

    Sources: of `delong`; of patients: Obuchowski 1997, doi:10.2307/2533958; degrees of freedom: Welch 1947,
    doi:10.1093/biomet/34.1-2.28; Newcombe 2006, method 5, doi:10.1002/sim.2324.
    """
    found = _added(probability, label)
    if isinstance(found, Estimate):
        return found
    value, added = found
    variance, reach = _variance(added, label, patients)
    # Newcombe's interval rests on the rarest class against the rest.
    sides = min(
        (int((label == k).sum()), _units(label == k, patients), _units(label != k, patients)) for k in np.unique(label)
    )
    ends = newcombe(value, *_worth(sides, len(label), variance, _variance(added, label, None)[0]))
    if not _usable(value, variance):
        return Estimate(value, *ends, len(label), f"Newcombe's score interval{_by(patients)}")
    low, high = _on_logit_scale(value, variance, reach)
    return Estimate(value, min(low, ends[0]), max(high, ends[1]), len(label), f"DeLong and Newcombe{_by(patients)}")


def _added(probability: Floats, label: NDArray[np.intp]) -> tuple[float, Floats] | Estimate:
    """The mean area, and what each sample adds to its error (N,); missing where only one class occurs."""
    present = np.unique(label)
    if len(present) < 2:
        return missing("only one class among the samples" if len(label) else "no sample to count", len(label))
    # Of two classes both areas are the same: one is enough.
    classes = present[1:] if probability.shape[1] == 2 else present
    areas, added = [], np.zeros(len(label))
    for k in classes:
        positive = label == k
        of_positives, of_negatives = placements(probability[:, k], positive)
        areas.append(float(of_positives.mean()))
        added[positive] += (of_positives - areas[-1]) / len(of_positives)
        added[~positive] += (of_negatives - areas[-1]) / len(of_negatives)
    return float(np.mean(areas)), added / len(classes)


def _worth(sides: tuple[int, int, int], n: int, variance: float, alone: float) -> tuple[float, float]:
    """How many samples those of a class and of the rest are worth, where patients repeat: at least the patients."""
    samples, patients, others = sides
    effect = max(1.0, variance / alone) if alone > 0 and variance > 0 else float(n)
    return max(patients, samples / effect), max(others, (n - samples) / effect)


def _by(patients: NDArray[np.intp] | None) -> str:
    return "" if patients is None else ", by patient"


def _usable(value: float, variance: float) -> bool:
    return variance > 1e-12 and 0 < value < 1


def _on_logit_scale(value: float, variance: float, reach: float) -> tuple[float, float]:
    half = reach * math.sqrt(variance) / (value * (1 - value))
    return float(expit(logit(value) - half)), float(expit(logit(value) + half))


def _units(member: Bools, patients: NDArray[np.intp] | None) -> int:
    return int(member.sum()) if patients is None else len(np.unique(patients[member]))


def placements(score: Floats, positive: Bools) -> tuple[Floats, Floats]:
    """Share of negatives below each positive (m,), and of positives above each negative (n,); ties count half."""
    ranks = rankdata(score)
    m, n = int(positive.sum()), int((~positive).sum())
    of_positives = (ranks[positive] - rankdata(score[positive])) / n
    of_negatives = 1 - (ranks[~positive] - rankdata(score[~positive])) / m
    return of_positives, of_negatives


def _variance(added: Floats, label: NDArray[np.intp], patients: NDArray[np.intp] | None) -> tuple[float, float]:
    """Variance of a figure to whose error each sample adds so much (N,), and Student's 97.5% point.

    A patient is of the rarest class that the samples have, and each class's share is widened by m / (m - 1).
    NaN where a class has a single patient.
    """
    _, position, counts = np.unique(label, return_inverse=True, return_counts=True)
    of_unit = np.argsort(np.argsort(counts, kind="stable"), kind="stable")[position]
    totals: Floats = added
    if patients is not None:
        totals = np.asarray(np.bincount(patients, added), np.float64)
        rarest = np.full(len(totals), len(counts))
        np.minimum.at(rarest, patients, of_unit)
        of_unit = rarest
    units = np.bincount(of_unit, minlength=len(counts)).astype(np.float64)
    squares = np.bincount(of_unit, totals**2, minlength=len(counts))[units > 0]
    units = units[units > 0]
    if (units < 2).any():
        return math.nan, Z
    shares = squares * units / (units - 1)
    variance = float(shares.sum())
    if variance <= 0:
        return variance, Z
    return variance, float(stdtrit(variance**2 / float((shares**2 / (units - 1)).sum()), 0.975))


def newcombe(value: float, m: float, n: float, z: float = Z) -> tuple[float, float]:
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
