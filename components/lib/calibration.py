"""What is fitted on validation after training, so that probabilities of a finding mean what they say.

Training weighs both classes alike, so its probabilities are those of a world where half of all have the finding. That
is undone first, by the shares of the classes, which are known: an offset of the logit (Elkan 2001, "The foundations of
cost-sensitive learning", IJCAI, theorem 2). On the logit u that this leaves, one of four is fitted:

    platt        sigmoid(slope · u + intercept)        Platt 1999, "Probabilistic outputs for support vector machines"
    isotonic     sigmoid(g(u)), g rising, in pieces    see `lib.isotonic`
    temperature  sigmoid(u / T)                        Guo et al. 2017, arXiv:1706.04599
    none         sigmoid(u)

Validation is small and often perfectly separated, so each holds back by a weak prior where the data say little, and
none fits worse than u itself. What is fitted is plain numbers, `scaling`, that go into the graph and into model.json:
`offset`, with `slope` and `intercept`, or `temperature`, or `knot_0`, `value_0` … Of several classes:
`lib.vector_scaling`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, log_expit, log_softmax, logit

from components.lib import isotonic
from components.lib.numbers import number

Floats = NDArray[np.floating]
BinaryMethod = Literal["platt", "isotonic", "temperature", "none"]
LOWEST, HIGHEST = 0.05, 20.0
"""Bounds of the temperature, and of the slope."""
SLOPE_PRIOR, SHIFT_PRIOR = 1.0, 2.0
"""Standard deviations of the normal priors on log slope and, in logits, on the shift: each tells less than one sample
with the finding does."""
EDGE = 1e-7
"""Float32 rounds probabilities that are nearer to 0 and 1: their logits are unknown."""


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


def class_offsets(true: ArrayLike, learnt: ArrayLike) -> NDArray[np.float64]:
    """What must be added to each class's logit so that a network trained on other shares states the true ones.

    Args:
        true: (K,), samples of each class, each counted once.
        learnt: (K,), their summed weights in the loss, copies included.

    Returns:
        (K,): log of the true share over the learnt one, with mean 0 over the classes that occur; 0 for the others.
    """
    right, found = np.asarray(true, np.float64), np.asarray(learnt, np.float64)
    there = (right > 0) & (found > 0)
    offsets = np.zeros(len(right))
    offsets[there] = np.log(right[there]) - np.log(found[there])
    offsets[there] -= offsets[there].mean() if there.any() else 0.0
    return offsets


def fit_binary(method: BinaryMethod, logits: Floats, encoded: Floats, offset: float) -> dict[str, float]:
    """What `binary_logits` needs, `offset` left out.

    Args:
        method: the setting `calibration` of the target.
        logits: (N, 1), of known samples that the network didn't learn from.
        encoded: (N, 1), 0 and 1.
        offset: what undoes the class weights, added to the logits.
    """
    start = np.asarray(logits, np.float64).reshape(-1) + offset
    positive = np.asarray(encoded).reshape(-1) > 0.5
    if method == "none":
        return {}
    if method == "temperature":
        return {"temperature": fit_temperature(start[:, None], positive[:, None].astype(np.float64))}
    if method == "isotonic":
        return isotonic.fit_isotonic(start, positive)
    return fit_platt(start, positive)


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


def fit_platt(start: NDArray[np.float64], positive: NDArray[np.bool_]) -> dict[str, float]:
    """{"slope", "intercept"} for which sigmoid(slope · start + intercept) is calibrated on validation.

    Logistic regression of the truth on the logit, by the highest posterior: log slope ~ N(0, 1²), and the shift at the
    mean logit ~ N(0, 2²). Without the priors it is Platt's method; his smoothed targets would state a rare finding one
    case too often. The slope stays above 0, so the order of samples, and with it AUC, stays.

    Args:
        start: (N,), logits with class weights undone.
        positive: (N,).

    Returns:
        slope .05 to 20; 1 and 0 without samples, and where nothing fits better.
    """
    if not len(start):
        return {"slope": 1.0, "intercept": 0.0}
    centre = float(start.mean())

    def cost(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        log_slope, shift = values
        slope = math.exp(log_slope)
        shifted = slope * (start - centre) + centre + shift
        loss = -float(np.where(positive, log_expit(shifted), log_expit(-shifted)).sum())
        off = expit(shifted) - positive
        gradient = np.array([slope * float(off @ (start - centre)), float(off.sum())])
        prior = (log_slope / SLOPE_PRIOR) ** 2 / 2 + (shift / SHIFT_PRIOR) ** 2 / 2
        return loss + prior, gradient + np.array([log_slope / SLOPE_PRIOR**2, shift / SHIFT_PRIOR**2])

    bounds = [(math.log(LOWEST), math.log(HIGHEST)), (-HIGHEST, HIGHEST)]
    # In log slope there can be more than one dip.
    tried = [minimize(cost, (first, 0.0), jac=True, method="L-BFGS-B", bounds=bounds) for first in (-1.5, 0.0, 1.0)]
    best = min(tried, key=lambda each: float(each.fun))
    if not best.fun <= cost(np.zeros(2))[0]:
        return {"slope": 1.0, "intercept": 0.0}
    slope, shift = math.exp(best.x[0]), float(best.x[1])
    return {"slope": slope, "intercept": centre + shift - slope * centre}


def binary_method(scaling: Mapping[str, float]) -> BinaryMethod:
    """Which method fitted these numbers."""
    if "slope" in scaling:
        return "platt"
    if "knot_0" in scaling:
        return "isotonic"
    return "temperature" if "temperature" in scaling else "none"


def binary_logits(logits: Any, scaling: Mapping[str, float], ops: Any = np) -> Any:
    """Calibrated logits of raw ones (…, 1): NumPy arrays, or Keras tensors with `ops` keras.ops."""
    start = logits + scaling.get("offset", 0.0)
    if "slope" in scaling:
        return start * scaling["slope"] + scaling["intercept"]
    if "knot_0" in scaling:
        return isotonic.rising(start, scaling, ops)
    return start / scaling.get("temperature", 1.0)


def binary_slope(scaling: Mapping[str, float]) -> float:
    """By how much the calibrated logit rises with the raw one; of an isotonic one on average."""
    if "knot_0" in scaling:
        return isotonic.mean_slope(scaling)
    return scaling.get("slope", 1 / scaling.get("temperature", 1.0))


def binary_before(output: Floats, scaling: Mapping[str, float]) -> NDArray[np.float64]:
    """What the network states without any calibration (N, 1), from what is served (N, 1)."""
    calibrated = logit(np.clip(np.asarray(output, np.float64), EDGE, 1 - EDGE))
    if "slope" in scaling:
        start = (calibrated - scaling["intercept"]) / scaling["slope"]
    elif "knot_0" in scaling:
        start = isotonic.before(calibrated, scaling)
    else:
        start = calibrated * scaling.get("temperature", 1.0)
    return np.asarray(expit(start - scaling.get("offset", 0.0)), np.float64)


def binary_text(scaling: Mapping[str, float]) -> str:
    """`Platt: slope 1.1, intercept -0.21; class weights undone: offset -3.9`; empty where nothing was changed."""
    texts: dict[BinaryMethod, Callable[[], str]] = {
        "platt": lambda: f"Platt: slope {number(scaling['slope'])}, intercept {number(scaling['intercept'])}",
        "isotonic": lambda: f"isotonic: {isotonic.count(scaling)} knots",
        "temperature": lambda: "" if scaling["temperature"] == 1 else f"temperature {number(scaling['temperature'])}",
        "none": lambda: "",
    }
    offset = scaling.get("offset", 0.0)
    undone = f"class weights undone: offset {number(offset)}" if offset else ""
    return "; ".join(filter(None, [texts[binary_method(scaling)](), undone]))
