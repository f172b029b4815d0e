"""Shares, and what is made of shares (F1, macro forms), with Wilson's interval of as many samples as they are worth.

Where nobody has several samples a share rests on its samples. Where somebody has, samples of a patient are alike, and a
share is worth fewer: as many as would give the variance between patients. Nothing is drawn, so that an interval ends at
1 only where the share itself is 1, and one of a share that is 1 still has a width.

What a share counts says what its interval holds for. Sensitivity counts samples of one class, however many there are of
the other; accuracy, precision and F1 count over both, and their intervals allow for another mix of the classes.

Sources: Korn & Graubard 1998, Survey Methodology 24:193-201 (samples that a share is worth, with Student's tails); Kish
1965, Survey Sampling (design effect). Of few misses the variance between patients says little: then each patient counts
as one sample. Coverage is simulated in benchmarks/coverage.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from components.lib.bootstrap import TINY, Design
from components.lib.statistics import Bools, Estimate, Floats, Z, missing, score_interval

FEW_MISSES = 5
"""Patients with a miss (or with a hit) below which the variance between patients isn't relied on."""


@dataclass(frozen=True)
class Share:
    """A proportion: of the samples `among` (N,) those that are `hit` (N,)."""

    hit: Bools
    among: Bools
    empty: str = "no sample to count"
    """Why there is none where `among` is empty."""

    @property
    def n(self) -> int:
        """How many samples it counts."""
        return int(self.among.sum())

    @property
    def value(self) -> float:
        """The share; 0 of none."""
        return float((self.hit & self.among).sum()) / max(self.n, 1)

    def influence(self) -> Floats:
        """What each sample adds to the share's error (N,)."""
        return np.asarray((self.hit - self.value) * self.among / max(self.n, 1), np.float64)

    def estimate(self, design: Design) -> Estimate:
        """With its 95% interval; missing where it counts nothing."""
        if not self.n:
            return missing(self.empty)
        if design.patients is None:
            return Estimate(self.value, *score_interval(self.value, self.n), self.n, "Wilson")
        low, high = score_interval(self.value, self._worth(design))
        return Estimate(self.value, low, high, self.n, "Wilson, by patient")

    def _worth(self, design: Design) -> float:
        """How many independent samples it is worth, Student's tails counted in."""
        units = design.units(self.among)
        return _worth(self.value, self.influence(), design, units, float(self.n), float(units), (self,))


@dataclass(frozen=True)
class F1:
    """Harmonic mean of precision and recall (van Rijsbergen 1979).

    It is 2J / (1 + J) of the share J that hits have among all samples that are positive or called so: J is a share like
    any other, and F1 grows with it, so that the ends of J's interval are those of F1.
    """

    called: Bools
    positive: Bools

    @property
    def share(self) -> Share:
        """J, the index of Jaccard."""
        return Share(self.called & self.positive, self.called | self.positive)

    @property
    def n(self) -> int:
        """All samples."""
        return len(self.called)

    @property
    def value(self) -> float:
        """F1; 0 where nothing is positive or called so, as scikit-learn has it."""
        return _dice(self.share.value)

    def influence(self) -> Floats:
        """What each sample adds to its error (N,)."""
        return np.asarray(2 / (1 + self.share.value) ** 2 * self.share.influence(), np.float64)

    def estimate(self, design: Design) -> Estimate:
        """With its 95% interval."""
        found = self.share.estimate(design)
        if not found.known:
            return missing("no sample is of the class or called so", self.n)
        ends = _dice(found.low), _dice(found.high)
        return Estimate(self.value, *ends, self.n, f"{found.method}, of hits among all of the class or called so")


def _dice(share: float) -> float:
    return 2 * share / (1 + share)


@dataclass(frozen=True)
class Mean:
    """Mean of shares, or of F1s, of the same N samples: a macro form."""

    parts: Sequence[Share | F1]

    @property
    def n(self) -> int:
        """All samples."""
        return len(self.parts[0].influence())

    @property
    def value(self) -> float:
        """The mean."""
        return float(np.mean([part.value for part in self.parts]))

    def estimate(self, design: Design) -> Estimate:
        """With its 95% interval: Wilson's of as many samples as would give the mean's variance.

        Student's tails are those of its smallest part. Of a mean without a miss that part says the most against it: a
        miss there weighs as one of as many times its patients as there are parts (the exact bound of no miss at all has
        the same form).
        """
        shares = [part.share if isinstance(part, F1) else part for part in self.parts]
        units = max(1, min(design.units(share.among) for share in shares))
        influence = np.mean([part.influence() for part in self.parts], axis=0)
        worth = _worth(self.value, influence, design, units, np.inf, float(units * len(shares)), shares)
        by = "Wilson" if design.patients is None else "Wilson, by patient"
        return Estimate(self.value, *score_interval(self.value, worth), self.n, f"{by}, of the mean's variance")


def _worth(
    value: float, influence: Floats, design: Design, units: int, most: float, least: float, parts: Sequence[Share]
) -> float:
    """How many independent samples a figure in 0 … 1 is worth.

    Args:
        value: the figure.
        influence: what each sample adds to its error (N,).
        design: whose the samples are.
        units: patients that it counts.
        most: never more than this.
        least: what it is worth where nothing can be said of its variance; at most that where misses are few.
        parts: the shares it is made of.
    """
    totals = design.totals(influence)
    variance = units / max(units - 1, 1) * float((totals**2).sum())
    if variance < TINY or not 0 < value < 1:
        return least
    found = min(most, value * (1 - value) / variance) * (Z / float(stdtrit(max(units - 1, 1), 0.975))) ** 2
    misses, hits = (np.logical_or.reduce([part.among & (part.hit == side) for part in parts]) for side in (False, True))
    few = min(design.units(misses), design.units(hits)) < FEW_MISSES
    return min(found, least) if few else found
