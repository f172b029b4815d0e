"""Two models on the same samples: the difference of one figure, with an interval that knows of the pairing.

Each draw takes a sample with both models' answers, so that what makes it hard for both cancels: of two models much
alike the interval is many times narrower than two separate ones suggest.

Source: Efron & Tibshirani 1993, An Introduction to the Bootstrap, section 8.3 (the units that are resampled are the
independent ones, here a sample with all that belongs to it; of patients with several samples
the patient with all of them).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from components.lib.kinds._records import Whose

if TYPE_CHECKING:
    from components.lib.statistics import Estimate, Floats


def error_difference(errors: Floats, other: Floats, patients: Whose = None) -> Estimate:
    """Mean of the other model's absolute errors (N,) less the mean of the one's (N,)."""
    from components.lib.bootstrap import EQUAL, Design, bootstrap
    from components.lib.resampling import ratio
    from components.lib.statistics import missing, withheld

    n = len(errors)
    if n < 2:
        return missing("too few samples to compare", n)
    design = Design.of(np.zeros(n, np.intp), patients)
    figures = {"difference": ratio(other - errors, np.ones(n))}
    found = bootstrap(figures, design, normal=["difference"])["difference"]
    few = design.too_few(np.ones(n, bool), "in all")
    if found.high - found.low < EQUAL:
        same = "both are equally far off in every sample: no interval"
        return replace(withheld(found, "; ".join(filter(None, [few, same]))), better="lower")
    return replace(found, better="lower", note=few)


def area_difference(probability: Floats, other: Floats, label: NDArray[np.intp], patients: Whose = None) -> Estimate:
    """AUC of the other model less the AUC of the one; with several classes the mean of one versus rest.

    Args:
        probability: of the one model, a column a class (N, K).
        other: of the other model (N, K).
        label: (N,), 0 … K-1.
        patients: equal numbers for samples of one patient (N,); None: nobody has several.
    """
    from components.lib.bootstrap import EQUAL, Design, bootstrap
    from components.lib.resampling import area, mean
    from components.lib.statistics import all_alike, missing

    present = np.unique(label)
    if len(present) < 2:
        return missing("only one class among the samples" if len(label) else "no sample to count", len(label))
    # Of two classes both areas are the same: one is enough.
    classes = present[1:] if probability.shape[1] == 2 else present
    one, two = (mean([area(columns[:, k], label == k) for k in classes]) for columns in (probability, other))
    design = Design.of(label, patients)
    figures = {"difference": lambda weights: two(weights) - one(weights)}
    found = bootstrap(figures, design, normal=["difference"])["difference"]
    if found.high - found.low < EQUAL:
        # Of each class at most so many may rank otherwise than all that were seen, and a pair has one of two.
        apart = 2 * max(all_alike(0.0, design.units(label == k), 1.0)[1] for k in present)
        found = replace(found, low=max(-1.0, found.value - apart), high=min(1.0, found.value + apart))
    notes = [design.too_few(label == k, "of a class") for k in present]
    return replace(found, note=next(filter(None, notes), ""))
