"""A few test samples for looks that ask the network many times: evenly over the classes, by a fixed rule."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.evaluate.results import Result, in_sentence
from components.lib.summaries import evenly


def chosen(result: Result, most: int) -> NDArray[np.intp]:
    """Positions of at most so many samples whose truth is known, ascending.

    Of a target with classes equally many of each, as far as there are, evenly over their order; of a number evenly
    over its size.
    """
    known = np.flatnonzero(result.known)
    truth = result.truth.iloc[known]
    if not result.kind.class_names:
        size = np.asarray(result.encoded, np.float64).reshape(len(result.encoded), -1)[known, 0]
        return np.sort(evenly(known[np.argsort(size, kind="stable")], most))
    names = truth.astype(str).to_numpy()
    found = sorted({*names})
    share = most // max(1, len(found))
    return np.sort(np.concatenate([np.empty(0, np.intp), *[evenly(known[names == name], share) for name in found]]))


def told(rows: NDArray[np.intp], result: Result, noun: str) -> str:
    """`256 of the 624 test films, evenly over the classes,`."""
    known = int(result.known.sum())
    if len(rows) == known:
        return f"all {known} test {noun}"
    over = "the classes" if result.kind.class_names else f"the range of {result.target.replace('_', ' ')}"
    return f"{len(rows)} of the {known} test {noun}, evenly over {over},"


def in_words(metric: str) -> str:
    """A metric's name inside a sentence: `AUC`, `mean absolute error`."""
    return in_sentence(metric)
