"""How far probabilities are from what comes true, on average, along a smooth curve: of resampled data too.

The curve is a logistic recalibration (Cox 1958, doi:10.1093/biomet/45.3-4.562): an intercept and a slope on the logit
of the probability, fitted to the very samples. The index is the mean distance between probability and curve (Austin &
Steyerberg 2019, doi:10.1002/sim.8281, there with loess). By chance alone it is above 0, alike for two models on the
same samples.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logit

from components.lib.resampling import Statistic
from components.lib.statistics import Bools, Floats

EDGE = 1e-7
"""Probabilities nearer 0 or 1 count as so far from it: float32 rounds them there."""
PRIOR = 0.1
"""Weight that holds intercept and slope at 0 and 1, in samples: separated classes would ask for an endless slope."""
STEPS, LONGEST = 25, 2.0
"""Newton's steps at most, and how far one goes at most."""
NEAR = 1e-6
AT_ONCE = 2_000_000
"""Numbers in one array: 16 MB."""


def calibration_index(probability: Floats, positive: Bools) -> Statistic:
    """Mean distance between stated probability and recalibrated one: 0 is perfect, in probability.

    Args:
        probability: stated (N,), 0..1.
        positive: what came true (N,).
    """
    score = logit(np.clip(probability, EDGE, 1 - EDGE))
    truth = positive.astype(np.float64)
    rows = max(1, AT_ONCE // max(len(score), 1))
    # From a flat curve: from a slope of 1 the first step of probabilities that say too much would be endless.
    whole = _fitted(score, truth, np.ones((1, len(score))), (0.0, 0.0))
    start_at = (float(whole[0][0]), float(whole[1][0]))

    def piece(weights: Floats) -> Floats:
        intercept, slope = _fitted(score, truth, weights, start_at)
        gap = np.abs(expit(intercept[:, None] + slope[:, None] * score) - probability)
        return np.asarray((weights * gap).sum(axis=1) / np.maximum(weights.sum(axis=1), 1))

    def statistic(weights: Floats) -> Floats:
        pieces = [piece(weights[start : start + rows]) for start in range(0, len(weights), rows)]
        return np.concatenate(pieces)

    return statistic


def _fitted(score: Floats, truth: Floats, weights: Floats, start: tuple[float, float]) -> tuple[Floats, Floats]:
    """Intercept and slope (draws,) of logits (N,) by Newton's method, each draw (draws, N) by itself."""
    intercept, slope = np.full(len(weights), start[0]), np.full(len(weights), start[1])
    for _ in range(STEPS):
        fitted = expit(intercept[:, None] + slope[:, None] * score)
        off = weights * (truth - fitted)
        curved = weights * fitted * (1 - fitted)
        first = off.sum(axis=1) - PRIOR * intercept
        second = off @ score - PRIOR * (slope - 1)
        own, both, other = curved.sum(axis=1) + PRIOR, curved @ score, curved @ score**2 + PRIOR
        determinant = own * other - both**2
        steps = np.stack([other * first - both * second, own * second - both * first]) / determinant
        length = np.abs(steps).max(axis=0)
        steps *= np.minimum(1, LONGEST / np.maximum(length, NEAR))
        intercept, slope = intercept + steps[0], slope + steps[1]
        if float(length.max(initial=0)) < NEAR:
            break
    return intercept, slope
