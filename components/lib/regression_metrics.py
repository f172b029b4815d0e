"""Errors of predicted numbers, with 95% intervals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from components.lib.bootstrap import EQUAL, Design
from components.lib.class_metrics import Share, measured, noted
from components.lib.error_intervals import heavy_tails, mean_error, mean_square, unexplained
from components.lib.resampling import FEW, Statistic, ratio
from components.lib.statistics import Bools, Estimate, Floats, missing, withheld

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
        found = measured(share, {}, design)
        found |= {name: missing(f"a single {whose} has no interval", n) for name in ERRORS}
    else:
        error = predicted - known
        found = measured(share, _errors(error, known), design)
        found["bias"] = _mean(found["bias"], error, design)
        if design.units(every) >= FEW and error.any():
            found |= _better(found, error, known, design)
        found = _or_withheld(found, error, known, design)
    if np.ptp(known) == 0 and found["r2"].known:
        found["r2"] = missing("all known values are the same", n)
    few = design.too_few(every, "in all")
    return {name: noted(replace(each, note=few), each.note) if each.known else each for name, each in found.items()}


def _better(found: dict[str, Estimate], error: Floats, known: Floats, design: Design) -> dict[str, Estimate]:
    """The same figures with better intervals; of fewer samples these can be of any width."""
    ends = {"mae": mean_error(error, design)}
    low, high = mean_square(error, design)
    ends["rmse"] = float(np.sqrt(low)), float(np.sqrt(high))
    if np.ptp(known):
        low, high = unexplained(error, known, design)
        ends["r2"] = 1 - high, 1 - low
    by = "" if design.patients is None else ", by patient"
    return {
        name: replace(
            found[name],
            low=min(low, found[name].value),
            high=max(high, found[name].value),
            method=f"logarithmic scale, kurtosis 5 allowed for{by}",
        )
        for name, (low, high) in ends.items()
    }


def _or_withheld(found: dict[str, Estimate], error: Floats, known: Floats, design: Design) -> dict[str, Estimate]:
    """Without intervals where all errors are the same, and noted where a few are too large for a promise.

    Errors of numbers have no bound: from equal ones nothing follows on how far others may go.
    """
    told = dict(found)
    same = "every error is the same, and nothing says how far off another sample may be: no interval"
    for name, values in (("mae", np.abs(error)), ("rmse", np.abs(error)), ("bias", error), ("r2", np.abs(error))):
        if np.ptp(values) <= EQUAL * max(1.0, float(np.abs(values).max())) and (name != "r2" or not error.any()):
            told[name] = withheld(found[name], same)
    heavy = heavy_tails(error, design, "errors")
    spread = heavy_tails(known - known.mean(), design, "known values")
    for name, notes in (("rmse", (heavy,)), ("r2", (heavy or spread,))):
        if told[name].bounded:
            told[name] = noted(told[name], *notes)
    return told


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
