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
NEAR = 1e-3
"""A step so short is the last: what is left is its square."""
RUNS = 256
"""Runs of neighbouring scores that draws tell apart; the index itself is exact."""


def calibration_index(probability: Floats, positive: Bools) -> Statistic:
    """Mean distance between stated probability and recalibrated one: 0 is perfect, in probability.

    Args:
        probability: stated (N,), 0..1, N at least 1.
        positive: what came true (N,).
    """
    score, truth = logit(np.clip(probability, EDGE, 1 - EDGE)), positive.astype(np.float64)
    # From a flat curve: from a slope of 1 the first step of probabilities that say too much would be endless.
    each = np.ones((1, len(score)))
    whole = _fitted(score, each, truth[None], (0.0, 0.0))
    start = float(whole[0][0]), float(whole[1][0])
    order = np.argsort(score, kind="stable")
    firsts = np.unique(np.linspace(0, len(score), min(RUNS, len(score)), endpoint=False).astype(np.intp))
    counts = np.diff(np.append(firsts, len(score)))
    of_run = np.add.reduceat(score[order], firsts) / counts

    def statistic(weights: Floats) -> Floats:
        if len(weights) == 1:
            return _distance(score, probability, weights, weights * truth, start)
        drawn = weights[:, order]
        every, came_true = (np.add.reduceat(values, firsts, axis=1) for values in (drawn, drawn * truth[order]))
        return _distance(of_run, expit(of_run), every, came_true, start)

    return statistic


def _distance(score: Floats, stated: Floats, weights: Floats, true: Floats, start: tuple[float, float]) -> Floats:
    """The index of each draw (draws,), from what it holds at each score (draws, N)."""
    intercept, slope = _fitted(score, weights, true, start)
    gap = np.abs(expit(intercept[:, None] + slope[:, None] * score) - stated)
    return np.asarray((weights * gap).sum(axis=1) / np.maximum(weights.sum(axis=1), 1))


def _fitted(score: Floats, weights: Floats, true: Floats, start: tuple[float, float]) -> tuple[Floats, Floats]:
    """Intercept and slope (draws,) on logits (N,) by Newton's method, each draw by itself.

    Args:
        score: logits (N,).
        weights: how many samples have each (draws, N).
        true: of how many of them it came true (draws, N).
        start: intercept and slope to begin from.
    """
    intercept, slope = np.full(len(weights), start[0]), np.full(len(weights), start[1])
    for _ in range(STEPS):
        fitted = expit(intercept[:, None] + slope[:, None] * score)
        off = true - weights * fitted
        curved = weights * fitted * (1 - fitted)
        first = off.sum(axis=1) - PRIOR * intercept
        second = off @ score - PRIOR * (slope - 1)
        own, both, other = curved.sum(axis=1) + PRIOR, curved @ score, curved @ score**2 + PRIOR
        steps = np.stack([other * first - both * second, own * second - both * first]) / (own * other - both**2)
        length = np.abs(steps).max(axis=0)
        steps *= LONGEST / np.maximum(length, LONGEST)
        intercept, slope = intercept + steps[0], slope + steps[1]
        if float(length.max(initial=0)) < NEAR:
            break
    return intercept, slope
