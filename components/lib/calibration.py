"""What is fitted on validation after training, so that probabilities mean what they say: a temperature.

It is fitted on few samples, often perfectly separated, so it holds back where the data say little.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_expit, log_softmax

Floats = NDArray[np.floating]
LOWEST, HIGHEST = 0.05, 20.0
"""Bounds of the temperature."""


def negative_log_likelihood(logits: Floats, encoded: Floats) -> float:
    """Summed negative log-likelihood.

    Args:
        logits: (N, 1) for two classes, else (N, K).
        encoded: targets as the kind encodes them: (N, 1) of 0 and 1, else one-hot (N, K).
    """
    logits, encoded = np.asarray(logits, np.float64), np.asarray(encoded, np.float64)
    if logits.shape[1] == 1:
        return float(-(encoded * log_expit(logits) + (1 - encoded) * log_expit(-logits)).sum())
    return float(-(encoded * log_softmax(logits, axis=1)).sum())


def fit_temperature(logits: Floats, encoded: Floats) -> float:
    """The temperature T for which `activation(logits / T)` is calibrated on validation.

    Minimises the negative log-likelihood plus (log T)²/2. That prior weighs less than one sample, but perfectly
    separated samples, whose likelihood asks for T = 0, get a finite T; and no T is taken that fits worse than T = 1.

    Args:
        logits: (N, 1) or (N, K).
        encoded: (N, 1) of 0 and 1, or one-hot (N, K); known samples only.

    Returns:
        between .05 and 20; 1 without samples.

    Source: Guo et al. 2017, arXiv:1706.04599.
    """
    if not len(logits):
        return 1.0

    def cost(log_temperature: float) -> float:
        return negative_log_likelihood(logits / math.exp(log_temperature), encoded) + log_temperature**2 / 2

    # The sum of the two can have more than one dip: a coarse grid finds the deepest, which is then refined.
    grid = np.linspace(math.log(LOWEST), math.log(HIGHEST), 49)
    step, deepest = grid[1] - grid[0], grid[np.argmin([cost(value) for value in grid])]
    bounds = (max(grid[0], deepest - step), min(grid[-1], deepest + step))
    found = float(minimize_scalar(cost, bounds=bounds, method="bounded", options={"xatol": 1e-6}).x)
    return math.exp(found) if cost(found) <= cost(0.0) else 1.0
