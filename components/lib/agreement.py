"""Agreement of readers beyond chance: kappa, of two and of several, and weighted where classes have an order.

Sources: Cohen 1960, doi:10.1177/001316446002000104 (two readers); Cohen 1968, doi:10.1037/h0026256 (weighted); Fleiss
1971, doi:10.1037/h0031619 (several). Intervals by `lib.bootstrap`, which draws patients.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from components.lib.bootstrap import Design, bootstrap
from components.lib.resampling import Statistic
from components.lib.statistics import Estimate, Floats, missing

Labels = NDArray[np.intp]
ALONE = 1e-12
"""Chance agreement closer to 1 than this: all readers said one class throughout."""


def cohen(one: Labels, other: Labels, classes: int, *, weighted: bool = False) -> Statistic:
    """Kappa of two readers, of weights (draws, N); 1 where both say one and the same class throughout.

    Args:
        one: what a reader says of each sample (N,), 0 … K-1.
        other: what the other says.
        classes: K.
        weighted: whether a disagreement counts with the square of how many classes lie between.
    """
    pairs = np.eye(classes * classes)[one * classes + other]
    steps = np.abs(np.subtract.outer(np.arange(classes), np.arange(classes))).astype(np.float64)
    costs = steps**2 if weighted else (steps > 0).astype(np.float64)

    def statistic(weights: Floats) -> Floats:
        table = (weights @ pairs).reshape(-1, classes, classes)
        table = table / np.maximum(table.sum(axis=(1, 2), keepdims=True), 1e-300)
        chance = table.sum(axis=2)[:, :, None] * table.sum(axis=1)[:, None, :]
        return _beyond_chance((table * costs).sum(axis=(1, 2)), (chance * costs).sum(axis=(1, 2)))

    return statistic


def fleiss(labels: Labels, classes: int) -> Statistic:
    """Kappa of several readers, of weights (draws, N).

    Args:
        labels: what each says of each sample (N, R), 0 … K-1, R of 2 and more.
        classes: K.
    """
    readers = labels.shape[1]
    counts = np.stack([(labels == k).sum(axis=1) for k in range(classes)], axis=1).astype(np.float64)
    apart = 1 - (counts * (counts - 1)).sum(axis=1) / (readers * (readers - 1))

    def statistic(weights: Floats) -> Floats:
        total = np.maximum(weights.sum(axis=1), 1e-300)
        shares = weights @ counts / (readers * total[:, None])
        return _beyond_chance(weights @ apart / total, 1 - (shares**2).sum(axis=1))

    return statistic


def _beyond_chance(found: Floats, by_chance: Floats) -> Floats:
    """1 less the disagreement that is found over that of chance."""
    return np.asarray(1 - np.divide(found, by_chance, out=np.zeros_like(found), where=by_chance > ALONE), np.float64)


def measured(
    statistics: Mapping[str, Statistic], count: int, patients: NDArray[np.integer] | None, who: str = "both"
) -> dict[str, Estimate]:
    """Kappas of the same N samples with 95% intervals.

    Args:
        statistics: by name.
        count: N.
        patients: equal numbers for samples of one patient (N,); None: nobody has several.
        who: labelled them: "both", "all".
    """
    design = Design.of(np.zeros(count, np.intp), patients)
    if too_few := design.too_few(np.ones(count, bool), f"that {who} labelled"):
        return {name: missing(too_few) for name in statistics}
    return bootstrap(statistics, design)
