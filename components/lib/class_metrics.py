"""Figures of targets with classes, with 95% intervals: a formula where there is one, else a bootstrap."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from components.lib import resampling as rs
from components.lib import statistics as st
from components.lib.bootstrap import EQUAL, Design, bootstrap
from components.lib.shares import F1, Mean, Share
from components.lib.statistics import Estimate, Floats

__all__ = ["F1", "Area", "Mean", "Share", "measured", "noted"]

LOGIT = "average_precision"
NEAR_ONE = 0.95
ALIKE = 1e-6
"""Losses that differ by less are alike: those of .03 and of 1 - .97 differ as float32 rounds them."""


@dataclass(frozen=True)
class Area:
    """An area under the ROC curve; of several classes the mean of each against the rest."""

    columns: Floats
    """A column a class (N, K)."""
    label: NDArray[np.intp]
    """(N,), 0 … K-1."""

    def estimate(self, design: Design) -> Estimate:
        """With its interval on the logit scale, of samples or where they repeat of patients."""
        if self.columns.shape[1] == 2:
            return st.auc(self.columns[:, 1], self.label == 1, design.patients)
        return st.macro_auc(self.columns, self.label, design.patients)

    def statistic(self) -> rs.Statistic:
        """The same of resampled data."""
        present = np.unique(self.label)
        classes = present[1:] if self.columns.shape[1] == 2 else present
        return rs.mean([rs.area(self.columns[:, k], self.label == k) for k in classes])


def measured(
    exact: Mapping[str, Share | F1 | Mean | Area],
    drawn: Mapping[str, rs.Statistic],
    design: Design,
    *,
    shares: Collection[str] = (),
    most: Mapping[str, float] | None = None,
) -> dict[str, Estimate]:
    """Every figure with its interval; whatever rests on several classes allows for another mix of them.

    Args:
        exact: what has a formula, for patients with several samples, too.
        drawn: all others. Patients of all classes are drawn together, so that the mix of classes is drawn, too.
        design: whose the N samples are, N at least 1.
        shares: names in `drawn` of what lies in 0 … 1, 1 the best: such an interval is no narrower than that of a
            proportion.
        most: of names in `drawn` that are means of losses of samples, from 0 to so much: where every draw gives the
            same, as of a constant or a perfect model, the interval is that of losses that all are alike.
    """
    found = {name: each.estimate(design) for name, each in exact.items()}
    logit = [name for name in drawn if name == LOGIT]
    for name, estimate in bootstrap(drawn, design.any_mix, logit=logit).items() if drawn else ():
        flat = estimate.high - estimate.low < EQUAL
        if name in shares:
            found[name] = _no_narrower_than_a_share(estimate, design, flat=flat)
        elif estimate.high - estimate.low < ALIKE and name in (most or {}):
            every = design.units(np.ones(estimate.n, bool))
            low, high = st.all_alike(estimate.value, every, (most or {})[name])
            found[name] = replace(estimate, low=low, high=high, method="Clopper-Pearson, all losses alike")
        else:
            found[name] = estimate
    return found


def _no_narrower_than_a_share(found: Estimate, design: Design, *, flat: bool) -> Estimate:
    """The wider ends of the draws' interval and of Wilson's with the rarest class as its n.

    Of a figure near 1 hardly a draw knows of the misses that this sample happens not to have. Where patients repeat
    Wilson's counts them, which is too wide for all but that.

    Source: Boyd, Eng & Page 2013, doi:10.1007/978-3-642-40994-3_29 (a binomial interval of the positives).
    """
    if not (flat or design.patients is None or found.value > NEAR_ONE):
        return found
    low, high = st.score_interval(found.value, min(design.units(design.strata == k) for k in np.unique(design.strata)))
    if flat:
        return replace(found, low=low, high=high, method="Wilson, the rarest class counted")
    ends = min(low, found.low), max(high, found.high)
    return replace(found, low=ends[0], high=ends[1], method=f"{found.method}, no narrower than Wilson")


def noted(estimate: Estimate, *notes: str) -> Estimate:
    """The estimate with those notes that say something; one that is missing keeps its own."""
    if not estimate.known:
        return estimate
    return replace(estimate, note="; ".join(filter(None, [estimate.note, *notes])))
