"""Errors of predicted numbers, with 95% intervals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from components.lib.bootstrap import Design
from components.lib.bootstrap_t import Quotient, log_intervals
from components.lib.class_metrics import Share, measured, noted
from components.lib.resampling import FEW, Statistic, ratio
from components.lib.statistics import Bools, Estimate, Floats, missing

ERRORS = ("mae", "rmse", "r2", "bias")


def error_metrics(
    predicted: Floats, known: Floats, held: Bools, patients: NDArray[np.integer] | None = None
) -> dict[str, Estimate]:
    """Mean absolute error, root mean squared error, R² and bias (predicted minus known), and how many were held.

    Args:
        predicted: (N,).
        known: (N,).
        held: whether the served interval holds the known value (N,).
        patients: equal numbers for samples of one patient (N,); None: nobody has several.

    Returns:
        "mae", "rmse", "r2", "bias" and "coverage"; the errors missing below two samples, or where all samples are of
        one patient, R² also where all known values are the same.
    """
    n = len(known)
    if not n:
        return {name: missing("no sample to count") for name in (*ERRORS, "coverage")}
    every = np.ones(n, bool)
    design = Design.of(np.zeros(n, np.intp), patients)
    share = {"coverage": Share(held, every)}
    if design.units(every) < 2:
        whose = "sample" if n == 1 else "patient"
        found = measured(share, {}, design, shares=())
        found |= {name: missing(f"a single {whose} has no interval", n) for name in ERRORS}
    else:
        found = measured(share, _errors(predicted - known, known), design, shares=())
        found["bias"] = _mean(found["bias"], predicted - known, design)
        if design.units(every) >= FEW:
            found |= _studentised(found, predicted - known, known, design)
    if np.ptp(known) == 0 and found["r2"].known:
        found["r2"] = missing("all known values are the same", n)
    return {name: noted(each, design.too_few(every, "in all")) for name, each in found.items()}


def _studentised(found: dict[str, Estimate], error: Floats, known: Floats, design: Design) -> dict[str, Estimate]:
    """The same figures with better intervals; of fewer samples these can be of any width."""
    each, centred = np.ones(len(error)), known - known.mean()
    ends = log_intervals(
        {
            "mae": Quotient(np.abs(error), each),
            "rmse": Quotient(error**2, each),
            "r2": Quotient(error**2, centred**2, centred),
        },
        design,
    )
    roots = (float(np.sqrt(end)) for end in ends["rmse"])
    explained = (1 - ends["r2"][1], 1 - ends["r2"][0])
    scaled: dict[str, tuple[float, ...]] = {"mae": ends["mae"], "rmse": tuple(roots), "r2": explained}
    told = f"studentised bootstrap{design.drawn}"
    return {
        name: replace(found[name], low=min(low, found[name].value), high=max(high, found[name].value), method=told)
        for name, (low, high) in scaled.items()
        if np.isfinite([low, high]).all()
    }


def _mean(found: Estimate, error: Floats, design: Design) -> Estimate:
    """A mean with Student's interval (1908, doi:10.1093/biomet/6.1.1); patients are what varies."""
    away = design.totals(error - found.value)
    units, n = len(away), len(error)
    half = float(stdtrit(units - 1, 0.975) * np.sqrt(units / (units - 1) * (away**2).sum()) / n)
    method = "Student's t" if design.patients is None else "Student's t, by patient"
    return replace(found, low=found.value - half, high=found.value + half, method=method)


def _errors(error: Floats, known: Floats) -> dict[str, Statistic]:
    each = np.ones(len(error))
    squared = ratio(error**2, each)
    return {
        "mae": ratio(np.abs(error), each),
        "rmse": lambda weights: np.sqrt(squared(weights)),
        "r2": r2_of(error, known),
        "bias": ratio(error, each),
    }


def r2_of(error: Floats, known: Floats) -> Statistic:
    """R²: one minus squared errors over squared distances from the mean; 0 for a draw of equal values."""
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
