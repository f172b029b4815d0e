"""Two models on the same samples: the difference of one figure, with an interval that knows of the pairing.

Each draw takes a sample with both models' answers, so that what makes it hard for both cancels: of two models much
alike the interval is many times narrower than two separate ones suggest.

Source: Efron & Tibshirani 1993, An Introduction to the Bootstrap, section 8.3 (the units that are resampled are the
independent ones, here a sample with all that belongs to it). BCa as in `lib.resampling`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from components.lib.resampling import Statistic
    from components.lib.statistics import Bools, Estimate, Floats


def error_difference(errors: Floats, other: Floats) -> Estimate:
    """Mean of the other model's absolute errors (N,) less the mean of the one's (N,)."""
    from components.lib.regression_metrics import few
    from components.lib.resampling import bootstrap, ratio
    from components.lib.statistics import missing

    n = len(errors)
    if n < 2:
        return missing("too few samples to compare", n)
    found = bootstrap({"difference": ratio(other - errors, np.ones(n))}, np.zeros(n, np.intp))["difference"]
    return replace(few(found), better="lower")


def area_difference(probability: Floats, other: Floats, label: NDArray[np.intp]) -> Estimate:
    """AUC of the other model less the AUC of the one; with several classes the mean of one versus rest.

    Args:
        probability: of the one model, a column a class (N, K).
        other: of the other model (N, K).
        label: (N,), 0 … K-1.
    """
    from components.lib.resampling import bootstrap, mean
    from components.lib.statistics import missing

    present = np.unique(label)
    if len(present) < 2:
        return missing("only one class among the samples" if len(label) else "no sample to count", len(label))
    # Of two classes both areas are the same: one is enough.
    classes = present[1:] if probability.shape[1] == 2 else present
    one, two = (mean([_area(columns[:, k], label == k) for k in classes]) for columns in (probability, other))
    return bootstrap({"difference": lambda weights: two(weights) - one(weights)}, label)["difference"]


def _area(score: Floats, positive: Bools) -> Statistic:
    """Area under the ROC curve: weighted share of pairs ranked right, ties by half; both classes are in each draw."""
    order = np.argsort(score, kind="stable")
    first_of_ties = np.flatnonzero(np.append(True, np.diff(score[order]) != 0))
    hits = positive[order].astype(np.float64)

    def statistic(weights: Floats) -> Floats:
        drawn = weights[:, order]
        of_positives = np.add.reduceat(drawn * hits, first_of_ties, axis=1)
        of_negatives = np.add.reduceat(drawn * (1 - hits), first_of_ties, axis=1)
        below = np.cumsum(of_negatives, axis=1) - of_negatives / 2
        pairs = of_positives.sum(axis=1) * of_negatives.sum(axis=1)
        right = (of_positives * below).sum(axis=1)
        area: Floats = np.divide(right, pairs, out=np.full_like(right, 0.5), where=pairs > 0)
        return area

    return statistic
