"""Figures of targets with classes, with 95% intervals: a formula where nobody has several samples, else a bootstrap."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from components.lib import resampling as rs
from components.lib import statistics as st
from components.lib.bootstrap import EQUAL, Design, bootstrap
from components.lib.statistics import Bools, Estimate, Floats

LOGIT = "average_precision"


@dataclass(frozen=True)
class Share:
    """A proportion: of the samples `among` (N,) those that are `hit` (N,)."""

    hit: Bools
    among: Bools
    empty: str = "no sample to count"
    """Why there is none where `among` is empty."""

    def estimate(self) -> Estimate:
        """With Wilson's interval, as if nobody had several samples."""
        return st.wilson(int((self.hit & self.among).sum()), int(self.among.sum()), empty=self.empty)

    def statistic(self) -> rs.Statistic:
        """The same of resampled data."""
        return rs.ratio((self.hit & self.among).astype(np.float64), self.among.astype(np.float64))

    def when_equal(self, found: Estimate, design: Design) -> Estimate:
        """Every patient alike: Wilson's interval with the patients as its n."""
        low, high = st.score_interval(found.value, design.units(self.among))
        return replace(found, low=low, high=high, method="Wilson, patients counted")


@dataclass(frozen=True)
class Area:
    """An area under the ROC curve; of several classes the mean of each against the rest."""

    columns: Floats
    """A column a class (N, K)."""
    label: NDArray[np.intp]
    """(N,), 0 … K-1."""

    def estimate(self) -> Estimate:
        """With DeLong's interval, as if nobody had several samples."""
        if self.columns.shape[1] == 2:
            return st.auc(self.columns[:, 1], self.label == 1)
        return st.macro_auc(self.columns, self.label)

    def statistic(self) -> rs.Statistic:
        """The same of resampled data."""
        present = np.unique(self.label)
        classes = present[1:] if self.columns.shape[1] == 2 else present
        return rs.mean([rs.area(self.columns[:, k], self.label == k) for k in classes])

    def when_equal(self, found: Estimate, design: Design) -> Estimate:
        """Every draw alike: Newcombe's interval with the patients of the rarest class and of the others as its n."""
        units = [(design.units(self.label == k), design.units(self.label != k)) for k in np.unique(self.label)]
        low, high = st.newcombe(found.value, *min(units))
        return replace(found, low=low, high=high, method="Newcombe's score interval, patients counted")


def measured(
    exact: Mapping[str, Share | Area], drawn: Mapping[str, rs.Statistic], design: Design, *, shares: Collection[str]
) -> dict[str, Estimate]:
    """Every figure with its interval.

    Args:
        exact: proportions and areas, which have a formula where nobody has several samples.
        drawn: all others.
        design: whose the N samples are, N at least 1.
        shares: names in `drawn` of what lies in 0 … 1, 1 the best: where every draw gives the same, such an interval
            is that of a proportion.
    """
    found = {name: each.estimate() for name, each in exact.items()}
    resampled = {} if design.patients is None else {n: exact[n].statistic() for n in exact if found[n].known}
    for name, estimate in bootstrap({**drawn, **resampled}, design, logit=[n for n in drawn if n == LOGIT]).items():
        flat = estimate.high - estimate.low < EQUAL
        if name in resampled:
            value, n = found[name].value, found[name].n
            low, high = min(estimate.low, value), max(estimate.high, value)
            by_patient = replace(estimate, value=value, low=low, high=high, n=n)
            found[name] = exact[name].when_equal(by_patient, design) if flat else by_patient
        else:
            found[name] = _as_share(estimate, design) if flat and name in shares else estimate
    return found


def _as_share(found: Estimate, design: Design) -> Estimate:
    """Every draw gives the same: Wilson's interval with the rarest class as its n."""
    rarest = min(design.units(design.strata == k) for k in np.unique(design.strata))
    low, high = st.score_interval(found.value, rarest)
    return replace(found, low=low, high=high, method="Wilson, the rarest class counted")


def noted(estimate: Estimate, *notes: str) -> Estimate:
    """The estimate with those notes that say something; one that is missing keeps its own."""
    if not estimate.known:
        return estimate
    return replace(estimate, note="; ".join(filter(None, [estimate.note, *notes])))
