"""Isotonic calibration as a strictly rising map of the logit, in straight pieces, that a graph in float32 can hold.

Pools of neighbours whose shares of positives don't rise are found by the pool-adjacent-violators algorithm; each is a
knot at its mean logit, and between knots the map is a straight line, so that no two samples become equal and AUC stays.
Beyond the outer knots it goes on with slope 1. A pool without a positive, or of positives alone, doesn't become 0 or 1:
in each one event and one non-event more are counted at the rates that the network stated.

Sources: Zadrozny & Elkan 2002, doi:10.1145/775047.775151; pools: Ayer et al. 1955, doi:10.1214/aoms/1177728423.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, isotonic_regression
from scipy.special import expit, log_expit

Floats = NDArray[np.float64]
FURTHEST = 15.0
"""Largest logit, of either sign: float32 can still tell its probability from 0 and 1."""
SHIFT_PRIOR = 2.0


def fit_isotonic(start: Floats, positive: NDArray[np.bool_]) -> dict[str, float]:
    """Knots of the map: {"knot_0", "value_0", …}, both in logits and rising.

    Args:
        start: (N,), logits with class weights undone.
        positive: (N,).

    Returns:
        one knot at 0 with value 0, the identity, without samples and where the map would fit worse than that.
    """
    same = {"knot_0": 0.0, "value_0": 0.0}
    if not len(start):
        return same
    knots, values = _steadied(*pools(start, positive))
    fitted = _named(knots, values)
    shift = _shift(rising(start, fitted), positive)
    fitted = _named(knots, values + shift)
    better = _loss(np.asarray(rising(start, fitted)), positive) <= _loss(start, positive)
    return fitted if better else same


def pools(start: Floats, positive: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats, Floats]:
    """The pools of the pool-adjacent-violators algorithm, in order of the logit.

    Returns:
        of each pool (P,): its mean logit, its samples, how many of them are positive, and how many the logits expect.
    """
    distinct, place = np.unique(start, return_inverse=True)
    counts, events = np.bincount(place).astype(np.float64), np.bincount(place, positive)
    pooled = isotonic_regression(events / counts, weights=counts)
    first = pooled.blocks[:-1]
    samples = np.add.reduceat(counts, first)
    expected = np.add.reduceat(counts * expit(distinct), first)
    return np.add.reduceat(counts * distinct, first) / samples, samples, np.add.reduceat(events, first), expected


def _steadied(centre: Floats, samples: Floats, events: Floats, expected: Floats) -> tuple[Floats, Floats]:
    """Knots and their values, of pools with one event and one non-event more at the rates that were expected."""
    expected = np.clip(expected, 1e-9, samples - 1e-9)
    positive = expected * (events + 1) / (expected + 1)
    negative = (samples - expected) * (samples - events + 1) / (samples - expected + 1)
    # What was added can turn the order of two neighbours round.
    again = isotonic_regression(np.log(positive / negative), weights=samples)
    first = again.blocks[:-1]
    knots = np.add.reduceat(samples * centre, first) / np.add.reduceat(samples, first)
    return knots, np.asarray(again.x[first], np.float64)


def _shift(calibrated: Floats, positive: NDArray[np.bool_]) -> float:
    """What is added to all logits so that as many are positive as are stated, but for a prior of N(0, 2²)."""

    def slope(shift: float) -> float:
        return float((expit(calibrated + shift) - positive).sum()) + shift / SHIFT_PRIOR**2

    return float(brentq(slope, -4 * FURTHEST, 4 * FURTHEST)) if slope(-4 * FURTHEST) < 0 < slope(4 * FURTHEST) else 0.0


def _loss(calibrated: Floats, positive: NDArray[np.bool_]) -> float:
    return -float(np.where(positive, log_expit(calibrated), log_expit(-calibrated)).sum())


def _named(knots: Floats, values: Floats) -> dict[str, float]:
    pairs = enumerate(zip(knots.tolist(), values.tolist(), strict=True))
    return {name: each for k, pair in pairs for name, each in zip((f"knot_{k}", f"value_{k}"), pair, strict=True)}


def count(scaling: Mapping[str, float]) -> int:
    """How many knots there are."""
    return sum(name.startswith("knot_") for name in scaling)


def _knots(scaling: Mapping[str, float]) -> tuple[Floats, Floats]:
    places = range(count(scaling))
    return np.array([scaling[f"knot_{k}"] for k in places]), np.array([scaling[f"value_{k}"] for k in places])


def rising(start: Any, scaling: Mapping[str, float], ops: Any = np) -> Any:
    """The map at logits (…, 1), or (N,) of NumPy; `ops` is NumPy or keras.ops.

    A sum of ramps, one a piece: nothing in it is looked up, so that every runtime computes it alike.
    """
    knots, values = _knots(scaling)
    low, high = float(knots[0]), float(knots[-1])
    found = float(values[0]) + ops.minimum(start - low, 0.0) + ops.maximum(start - high, 0.0)
    if len(knots) > 1:
        width = np.diff(knots).astype(np.float32)
        slope = (np.diff(values) / np.diff(knots)).astype(np.float32)
        flat = start if getattr(start, "shape", ())[-1:] == (1,) else start[..., None]
        ramps = ops.minimum(ops.maximum(flat - knots[:-1].astype(np.float32), 0.0), width) * slope
        total = ops.sum(ramps, axis=-1, keepdims=True)
        found = found + (total if flat is start else total[..., 0])
    return ops.minimum(ops.maximum(found, -FURTHEST), FURTHEST)


def before(calibrated: Floats, scaling: Mapping[str, float]) -> Floats:
    """The logits (…) that the map turned into these."""
    knots, values = _knots(scaling)
    inside = np.interp(calibrated, values, knots)
    return np.asarray(
        inside + np.minimum(calibrated - values[0], 0.0) + np.maximum(calibrated - values[-1], 0.0), np.float64
    )


def mean_slope(scaling: Mapping[str, float]) -> float:
    """Rise between the outer knots over their distance; 1 of one knot."""
    knots, values = _knots(scaling)
    return float((values[-1] - values[0]) / (knots[-1] - knots[0])) if len(knots) > 1 else 1.0
