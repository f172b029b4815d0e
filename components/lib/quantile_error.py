"""How far stated quantiles of a number are from the shares that are found, with the 95% interval.

The mean of |found - stated| over the levels. As of the calibration error of probabilities, chance makes it larger than
0, so that its lower end inverts a test: quantiles that hold what they state give shares with the covariance
min(p, q) - pq of their levels, over n.

Sources: Kuleshov, Fenner & Ermon 2018, arXiv:1807.00263 (the figure, with squares); the ends: `calibration_interval`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import stdtrit

from components.lib.bootstrap import Design
from components.lib.calibration_interval import lower_end, square_root
from components.lib.statistics import Bools, Estimate, Floats

DRAWS = 4000


def quantile_error(below: Mapping[float, Bools], design: Design, *, seed: int = 0) -> Estimate:
    """The mean error of stated quantiles.

    Args:
        below: level (0..1) to whether each known value lies at or below that quantile (N,), N at least 1.
        design: whose the samples are.
        seed: equal seeds give equal intervals.
    """
    levels = np.array(sorted(below))
    held = np.stack([below[level] for level in levels], axis=1).astype(np.float64)
    n, count = held.shape
    gaps = (held.mean(axis=0) - levels) / count
    value = float(np.abs(gaps).sum())
    stated = (np.minimum.outer(levels, levels) - np.outer(levels, levels)) / n / count**2
    covariance = _covariance(held, design) / count**2
    found = held.mean(axis=0)
    alone = np.maximum(found * (1 - found), 1e-12) / n / count**2
    # What patients add is measured against independent samples, and then put on top of what was stated.
    widened = np.sqrt(np.maximum(np.diag(covariance) / alone, 1.0)) if design.patients is not None else np.ones(count)
    noise = np.random.default_rng(seed).standard_normal((DRAWS, count)) @ (square_root(stated) * widened)
    low = lower_end(value, gaps, lambda _: noise)
    signs = np.where(gaps < 0, -1.0, 1.0)
    reach = float(stdtrit(max(design.units(np.ones(n, bool)) - 1, 1), 0.975))
    error = np.sqrt(max(signs @ covariance @ signs, signs @ stated @ signs))
    by = "inverted test" if design.patients is None else "inverted test, by patient"
    return Estimate(value, min(low, value), min(value + reach * float(error), 1.0), n, by, better="lower")


def _covariance(held: Floats, design: Design) -> Floats:
    """Of the shares (L, L), with whole patients as what varies."""
    away = held - held.mean(axis=0)
    sums = np.stack([design.totals(column) for column in away.T], axis=1)
    units = len(sums)
    return np.asarray(sums.T @ sums * units / max(units - 1, 1) / len(held) ** 2, np.float64)
