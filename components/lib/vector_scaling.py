"""Calibration of several classes that exclude each other: a slope and an intercept of each class's log-probability.

Class weights are undone first (see `lib.calibration`). On u, the log-probabilities that this leaves, is fitted
softmax(slope · u + intercept): Dirichlet calibration with a diagonal matrix (Kull et al. 2019, arXiv:1910.12656), which
is vector scaling (Guo et al. 2017, arXiv:1706.04599) of log-probabilities. Where validation can't bear so many numbers,
fewer are taken: one slope and the intercepts (bias-corrected temperature scaling, Alexandari, Kundaje & Shrikumar 2020,
arXiv:1901.06852), or a temperature alone. Which is decided by cross-validation within validation, see `fit_vector`.

What is fitted is plain numbers: `offset_k`, with `temperature`, or `slope_k`, and `intercept_k`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from components.lib.calibration import EDGE, HIGHEST, LOWEST, SHIFT_PRIOR, SLOPE_PRIOR, fit_temperature
from components.lib.numbers import number
from components.lib.statistics import macro_auc

Floats = NDArray[np.float64]
ClassesMethod = Literal["vector", "temperature", "none"]
Family = Literal["temperature", "intercepts", "vector"]
FAMILIES: tuple[Family, ...] = ("temperature", "intercepts", "vector")
"""The simplest first."""
NAMES: Mapping[str, str] = {
    "temperature": "temperature", "intercepts": "temperature and intercepts", "vector": "vector scaling",
}  # fmt: skip
APART_PRIOR = 0.5
"""Standard deviation of a class's log slope around the common one."""
FOLDS = 5
MOST_AUC_LOST = 0.001
"""Of the mean AUC of one versus rest: a family that loses more against a temperature isn't taken."""


def fit_classes(method: ClassesMethod, logits: NDArray[np.floating], encoded: NDArray[Any],
                scaling: Mapping[str, float]) -> dict[str, float]:  # fmt: skip
    """What `classes_logits` needs, the offsets left out.

    Args:
        method: the setting `calibration` of the target.
        logits: (N, K), of known samples that the network didn't learn from.
        encoded: one-hot (N, K).
        scaling: holds the offsets that undo the class weights, `offset_k`.
    """
    start, one_hot = _start(np.asarray(logits, np.float64), scaling), np.asarray(encoded, np.float64)
    if method == "none":
        return {}
    return fit_vector(start, one_hot) if method == "vector" else _family("temperature", start, one_hot)


def fit_vector(start: Floats, one_hot: Floats) -> dict[str, float]:
    """Vector scaling, or the simpler family that five-fold cross-validation within validation prefers.

    Of the three families the one with the least mean log loss on the folds left out is taken, of those whose mean AUC
    of one versus rest on them is at most .001 below a temperature's. Each is fitted by the highest posterior: log slope
    ~ N(0, 1²), a class's around the common one ~ N(0, .5²), the shift at a class's mean log-probability ~ N(0, 2²).

    Args:
        start: (N, K), log-probabilities with class weights undone.
        one_hot: (N, K).

    Returns:
        its numbers, and `loss_…` and `auc_…` of every family, what it was chosen by.
    """
    if len(start) < 2 * FOLDS:
        return _family("temperature", start, one_hot)
    folds = _folds(one_hot.argmax(axis=1))
    judged: dict[str, float] = {}
    for family in FAMILIES:
        stated = np.empty_like(start)
        for fold in range(FOLDS):
            out = folds == fold
            stated[out] = log_softmax(_scaled(start[out], _family(family, start[~out], one_hot[~out])), axis=1)
        judged[f"loss_{family}"] = float(-(one_hot * stated).sum(axis=1).mean())
        area = macro_auc(np.exp(stated), one_hot.argmax(axis=1))
        judged[f"auc_{family}"] = area.value if area.known else 0.5
    least = judged["auc_temperature"] - MOST_AUC_LOST
    allowed = [family for family in FAMILIES if judged[f"auc_{family}"] >= least]
    chosen = min(allowed, key=lambda family: judged[f"loss_{family}"])
    return _family(chosen, start, one_hot) | judged


def _folds(labels: NDArray[np.intp]) -> NDArray[np.intp]:
    """The fold of each sample (N,): each class in even stretches, so that neighbours, often of one patient, stay
    together."""
    folds = np.empty(len(labels), np.intp)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        folds[rows] = (np.arange(len(rows)) * FOLDS // max(len(rows), FOLDS) + label) % FOLDS
    return folds


def _family(family: Family, start: Floats, one_hot: Floats) -> dict[str, float]:
    """The numbers of one family, fitted to all these samples."""
    if family == "temperature" or not len(start):
        return {"temperature": fit_temperature(start, one_hot)}
    slopes, intercepts = _posterior(start, one_hot, apart=family == "vector")
    named = {f"intercept_{k}": float(each) for k, each in enumerate(intercepts)}
    if family == "intercepts":
        return {"temperature": float(1 / slopes[0])} | named
    return {f"slope_{k}": float(each) for k, each in enumerate(slopes)} | named


def _posterior(start: Floats, one_hot: Floats, *, apart: bool) -> tuple[Floats, Floats]:
    """Slopes and intercepts (K,) of the highest posterior; slopes 1 and intercepts 0 where nothing fits better."""
    classes = start.shape[1]
    centre = start.mean(axis=0)
    moved = start - centre
    size = 1 + (classes if apart else 0)

    def split(values: Floats) -> tuple[Floats, Floats]:
        own = values[0] + (values[1:size] if apart else np.zeros(classes))
        return np.exp(np.clip(own, math.log(LOWEST), math.log(HIGHEST))), values[size:]

    def cost(values: Floats) -> tuple[float, Floats]:
        slopes, shifts = split(values)
        scaled = slopes * moved + centre + shifts
        off = softmax(scaled, axis=1) - one_hot
        by_slope, by_shift = slopes * (off * moved).sum(axis=0), off.sum(axis=0)
        loss = float(-(one_hot * log_softmax(scaled, axis=1)).sum())
        sd = np.concatenate([[SLOPE_PRIOR], np.full(size - 1, APART_PRIOR), np.full(classes, SHIFT_PRIOR)])
        gradient = np.concatenate([[by_slope.sum()], by_slope if apart else [], by_shift])
        return loss + float(((values / sd) ** 2).sum()) / 2, gradient + values / sd**2

    begin = np.zeros(size + classes)
    found = minimize(cost, begin, jac=True, method="L-BFGS-B", options={"maxiter": 500})
    slopes, shifts = split(found.x if found.fun <= cost(begin)[0] else begin)
    return slopes, centre + shifts - slopes * centre


def _start(logits: Floats, scaling: Mapping[str, float]) -> Floats:
    offsets = np.array([scaling.get(f"offset_{k}", 0.0) for k in range(logits.shape[1])])
    return np.asarray(log_softmax(logits + offsets, axis=1), np.float64)


def slopes_of(scaling: Mapping[str, float], classes: int) -> NDArray[np.float32]:
    """By how much each class's calibrated logit rises with its raw one (K,)."""
    common = 1 / scaling.get("temperature", 1.0)
    return np.array([scaling.get(f"slope_{k}", common) for k in range(classes)], np.float32)


def _intercepts(scaling: Mapping[str, float], classes: int) -> NDArray[np.float32]:
    return np.array([scaling.get(f"intercept_{k}", 0.0) for k in range(classes)], np.float32)


def _scaled(start: Floats, scaling: Mapping[str, float]) -> Floats:
    classes = start.shape[1]
    return np.asarray(start * slopes_of(scaling, classes) + _intercepts(scaling, classes), np.float64)


def classes_logits(logits: Any, scaling: Mapping[str, float], ops: Any = np) -> Any:
    """Calibrated logits of raw ones (…, K): NumPy arrays, or Keras tensors with `ops` keras.ops."""
    classes = logits.shape[-1]
    if not {f"offset_{classes - 1}", f"intercept_{classes - 1}"} & scaling.keys():
        return logits / scaling.get("temperature", 1.0)
    offsets = np.array([scaling.get(f"offset_{k}", 0.0) for k in range(classes)], np.float32)
    start = logits + offsets
    start = start - ops.max(start, axis=-1, keepdims=True)
    start = start - ops.log(ops.sum(ops.exp(start), axis=-1, keepdims=True))
    return start * slopes_of(scaling, classes) + _intercepts(scaling, classes)


def classes_before(output: NDArray[np.floating], scaling: Mapping[str, float]) -> Floats:
    """What the network states without any calibration (N, K), from what is served (N, K).

    Served log-probabilities are slope · u + intercept - c with one c for a sample: the one for which exp(u) sums to 1.
    """
    served = np.log(np.clip(np.asarray(output, np.float64), EDGE, 1.0))
    classes = served.shape[1]
    slopes = slopes_of(scaling, classes).astype(np.float64)
    moved = (served - _intercepts(scaling, classes)) / slopes
    # The sum rises with c. By halves: between the c at which the largest term is 1, and that at which all are 1 / K.
    high = (-moved * slopes).min(axis=1)
    low = high - math.log(classes) * slopes.max()
    for _ in range(60):
        middle = (low + high) / 2
        above = np.exp(moved + middle[:, None] / slopes).sum(axis=1) > 1
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    start = moved + high[:, None] / slopes
    offsets = np.array([scaling.get(f"offset_{k}", 0.0) for k in range(classes)])
    return np.asarray(softmax(start - offsets, axis=1), np.float64)


def classes_text(scaling: Mapping[str, float]) -> str:
    """Method, numbers and why, as `vector scaling: slopes 0.9 to 1.1, …`; empty where nothing was changed."""
    told = []
    slopes = [value for name, value in scaling.items() if name.startswith("slope_")]
    intercepts = [value for name, value in scaling.items() if name.startswith("intercept_")]
    if slopes:
        told.append(f"vector scaling: slopes {_range(slopes)}, intercepts {_range(intercepts)}")
    elif "temperature" in scaling and (scaling["temperature"] != 1 or intercepts):
        own = f", intercepts {_range(intercepts)}" if intercepts else ""
        told.append(f"temperature {number(scaling['temperature'])}{own}")
    offsets = [value for name, value in scaling.items() if name.startswith("offset_")]
    if any(offsets):
        told.append(f"class weights undone: offsets {_range(offsets)}")
    losses = [f"{NAMES[each]} {scaling[f'loss_{each}']:.4f}" for each in FAMILIES if f"loss_{each}" in scaling]
    if losses:
        told.append(f"chosen by cross-validated log loss on validation: {', '.join(losses)}")
    return "; ".join(told)


def _range(values: list[float]) -> str:
    return f"{number(min(values))} to {number(max(values))}"
