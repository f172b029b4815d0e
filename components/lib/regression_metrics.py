"""Errors of predicted numbers, with 95% intervals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from components.lib.resampling import Statistic, bootstrap, ratio
from components.lib.statistics import Estimate, Floats, missing


def error_metrics(predicted: Floats, known: Floats) -> dict[str, Estimate]:
    """Mean absolute error, root mean squared error, R² and bias (predicted minus known), with BCa intervals.

    Args:
        predicted: (N,).
        known: (N,).

    Returns:
        "mae", "rmse", "r2" and "bias"; missing below two samples, R² also where all known values are the same.
    """
    names, n = ("mae", "rmse", "r2", "bias"), len(known)
    if n < 2:
        return {name: missing("a single sample has no interval" if n else "no sample to count", n)
                for name in names}  # fmt: skip
    error, each = predicted - known, np.ones(n)
    squared = ratio(error**2, each)
    found = bootstrap(
        {
            "mae": ratio(np.abs(error), each),
            "rmse": lambda weights: np.sqrt(squared(weights)),
            "r2": _r2(error, known),
            "bias": ratio(error, each),
        },
        np.zeros(n, np.intp),
    )
    if np.ptp(known) == 0:
        found["r2"] = missing("all known values are the same", n)
    return {name: few(estimate) for name, estimate in found.items()}


def few(estimate: Estimate) -> Estimate:
    """An estimate of unclassed samples by `resampling.bootstrap`: its warning without a word of classes."""
    if not estimate.known or not estimate.note:
        return estimate
    return replace(estimate, note=f"too few: {estimate.n} samples, the interval is too narrow")


def _r2(error: Floats, known: Floats) -> Statistic:
    """One minus squared errors over squared distances from the mean; 0 for a draw of equal values."""
    centred = known - known.mean()
    parts = np.stack([error**2, centred**2, centred, np.ones(len(known))], axis=1)
    # A draw of equal values leaves rounding errors in place of 0.
    least = 1e-12 * float((centred**2).max())

    def statistic(weights: Floats) -> Floats:
        wrong, squares, total, count = (weights @ parts).T
        spread = squares - total**2 / np.maximum(count, 1)
        share: Floats = np.divide(wrong, spread, out=np.ones_like(wrong), where=spread > least)
        return 1 - share

    return statistic
