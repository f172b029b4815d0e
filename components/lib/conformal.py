"""Prediction sets: every class that can't be ruled out, so that the truth is among them as often as was promised.

Split conformal prediction, class by class: class k is in a sample's set when its probability is at least the figure
`set_k`, which was fitted on validation. A sample whose set isn't its answer alone is one on which the model abstains.
NumPy alone, since serving asks this too.

Sources: Vovk, Gammerman & Shafer 2005, Algorithmic Learning in a Random World, doi:10.1007/b106715; a promise for each
class: Vovk 2012, "Conditional validity of inductive conformal predictors", arXiv:1209.2673; sets of least
probabilities: Sadinle, Lei & Wasserman 2019, doi:10.1080/01621459.2017.1395341.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

ALONE = 20
"""Samples of a class in validation from which on it has a figure of its own; rarer classes share one."""
SEPARATOR = " | "


def fit_sets(probability: Floats, label: NDArray[np.intp], coverage: float) -> dict[str, float]:
    """The least probability with which each class is in a set, from samples that the network didn't learn from.

    A new sample of class k from the same population has k in its set with a chance of `coverage` at least. That holds
    for each class with 20 samples or more; rarer ones share a figure, and for them it holds together. Where even they
    are too few (fewer than coverage / (1 - coverage), 9 for 90%), the figure is 0: such a class is never ruled out,
    which is what so few samples can promise.

    Args:
        probability: (N, K).
        label: (N,), 0 … K-1.
        coverage: what is promised, above 0 and below 1.

    Returns:
        "coverage"; per class "set_0" … in 0..1, and "samples_0" …, how many samples of it there were.
    """
    classes = range(probability.shape[1])
    counts = np.bincount(label, minlength=len(classes))
    of_truth = probability[np.arange(len(label)), label]
    rare = np.isin(label, np.flatnonzero(counts < ALONE))
    shared = least_probability(of_truth[rare], coverage)
    least = [least_probability(of_truth[label == k], coverage) if counts[k] >= ALONE else shared for k in classes]
    return {
        "coverage": coverage,
        **{f"set_{k}": least[k] for k in classes},
        **{f"samples_{k}": float(counts[k]) for k in classes},
    }


def least_probability(of_truth: Floats, coverage: float) -> float:
    """The probability that a new sample gives to its true class, or more, with a chance of `coverage` at least.

    Of n samples the one of rank ⌈(n + 1) · coverage⌉ from above; 0 where n is too small for that.

    Args:
        of_truth: (n,), what each sample gave to its true class.
        coverage: above 0, below 1.
    """
    rank = math.ceil(round((len(of_truth) + 1) * coverage, 9))
    return float(np.sort(of_truth)[::-1][rank - 1]) if rank <= len(of_truth) else 0.0


def fitted_least(decision: Mapping[str, float], classes: int) -> Floats | None:
    """The figures of `fit_sets` (K,); None of a model that has no sets."""
    if "set_0" not in decision:
        return None
    return np.array([decision[f"set_{k}"] for k in range(classes)])


def members(probability: Floats, least: Floats) -> Bools:
    """Which classes are in each sample's set (N, K), of probabilities (N, K) and the figures of `fit_sets` (K,).

    A set may be empty: then the model is less sure of every class than it was of nearly all samples of that class. It
    stays empty, since the most probable class, put there, would make an answer of the samples least like any other.
    """
    return np.asarray(probability >= least)


def abstained(inside: Bools, called: NDArray[np.intp]) -> Bools:
    """Where the set (N, K) isn't the class that was called (N,) and no other: where the model gives no answer (N,)."""
    alone = inside.sum(axis=1) == 1
    return np.asarray(~(alone & inside[np.arange(len(called)), called]), np.bool_)


def set_columns(
    probability: Floats, called: NDArray[np.intp], names: Sequence[str], decision: Mapping[str, float]
) -> dict[str, NDArray[Any]]:
    """The serving columns `prediction_set` and `abstain`; null, of a model that has no sets.

    Args:
        probability: (N, K).
        called: position of the answer (N,).
        names: of the classes.
        decision: what `fit_decision` gave.

    Returns:
        prediction_set: text (N,), the classes joined by " | ", empty for an empty set; abstain: bool (N,).
    """
    least = fitted_least(decision, len(names))
    if least is None:
        return {name: np.full(len(called), None, object) for name in SET_TYPES}
    inside = members(probability, least)
    text = [SEPARATOR.join(name for name, there in zip(names, row, strict=True) if there) for row in inside]
    return {"prediction_set": np.array(text, object), "abstain": abstained(inside, called)}


SET_TYPES = {"prediction_set": "string", "abstain": "boolean"}
"""MLflow data types of `set_columns`."""
SET_MEANINGS = {
    "prediction_set": f"the classes that aren't ruled out, joined by `{SEPARATOR}`; may be empty. That is less than "
    "found: how many of such samples have it (PPV, NPV) stands in the model card",
    "abstain": "true where the set is anything but the label alone: an indeterminate result, a person must decide",
}
"""What they tell, in a line each."""


def unsure_band(decision: Mapping[str, float]) -> tuple[float, float] | None:
    """For two classes, the positive one's probabilities (low, high) between which the model abstains.

    Below `low` the set is the negative class alone, and that is the answer; above `high` the positive one. The ends are
    those of three figures that lie furthest apart: from which probability upwards the positive class is in the set, up
    to which the negative one is, and the threshold of the answer. None: the model has no sets.
    """
    if "set_0" not in decision:
        return None
    ends = (decision["set_1"], 1 - decision["set_0"], decision["threshold"])
    return min(ends), max(ends)


def out_of_range(decision: Mapping[str, float], names: Sequence[str]) -> str | None:
    """The first figure of these that is NaN, below 0 or above 1, as `threshold nan`; None: there is none."""
    for name in names:
        if name in decision and not 0 <= decision[name] <= 1:
            return f"{name} {decision[name]:g}"
    return None
