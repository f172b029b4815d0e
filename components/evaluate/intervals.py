"""How sure is a number? Whether its interval holds what validation promised, and for which predictions it doesn't."""

from __future__ import annotations

import numpy as np
import pandas as pd

from components.evaluate.part import Part
from components.evaluate.results import Result
from components.lib.bootstrap import Design
from components.lib.class_metrics import Share
from components.lib.decisions import percent, proportions
from components.lib.kinds._classes import hundred
from components.lib.numbers import number
from components.lib.page import Section, paragraph, table
from components.lib.statistics import Bools, Estimate, Floats

FEWEST = 20
"""Samples below which nothing is said of a promise: the interval would hold nearly anything."""
ALL, THIRDS = "All", ("Lowest third", "Middle third", "Highest third")


def of_number(result: Result) -> Part:
    """Coverage of a number's interval, over all samples whose truth is known and where predictions are low and high."""
    title, count = f"How sure it is: {result.title}", int(result.known.sum())
    if count < FEWEST:
        why = (
            f"Too few: the truth of {count} test samples is known; {FEWEST} are needed to check the interval's promise."
        )
        return Part((Section(title, (paragraph(why),)),))
    predicted, promised = np.asarray(result.answer["prediction"])[result.known], result.fitted.decision["coverage"]
    groups = _groups(predicted)
    patients = result.patients_of(result.known)
    held, design = _held(result), Design.of(np.zeros(count, np.intp), patients)
    found = proportions({name: Share(held, among) for name, among in groups.items()}, design)
    rows = [(name, _reach(predicted[groups[name]]), str(each.n), percent(each)) for name, each in found.items()]
    frame = pd.DataFrame(rows, columns=["Predictions", "From, to", "n", "Truth in the interval"])
    weak = [name.lower() for name in THIRDS if below(found[name], promised)]
    blocks = (paragraph(_words(promised, weak)), table(frame, "Whether the promise holds on test."))
    return Part((Section(title, blocks),), warnings=_warnings(result, found[ALL], promised))


def _groups(predicted: Floats) -> dict[str, Bools]:
    """All samples (n,), and thirds of them by their predictions."""
    groups = {ALL: np.ones(len(predicted), bool)}
    for name, rows in zip(THIRDS, np.array_split(np.argsort(predicted, kind="stable"), 3), strict=True):
        groups[name] = np.zeros(len(predicted), bool)
        groups[name][rows] = True
    return groups


def below(estimate: Estimate, promised: float) -> bool:
    """Whether a promise is broken beyond chance: the whole interval lies below, and rests on 20 samples or more."""
    return estimate.known and estimate.n >= FEWEST and estimate.high < promised


def _held(result: Result) -> Bools:
    """Whether the interval holds the truth, of the samples whose truth is known (n,)."""
    truth = np.asarray(result.encoded, np.float64)[result.known].reshape(-1)
    low, high = (np.asarray(result.answer[end])[result.known] for end in ("low", "high"))
    return np.asarray((low <= truth) & (truth <= high), np.bool_)


def _words(promised: float, weak: list[str]) -> str:
    text = (
        "Every prediction comes with an interval that was set on validation to hold the truth for "
        f"{100 * promised:.0f} of 100 samples. That is promised over all samples together, not for high or low "
        "predictions alone."
    )
    if not weak:
        return text
    return f"{text} It is kept less often, beyond chance, in the {' and the '.join(weak)} of predictions."


def _warnings(result: Result, overall: Estimate, promised: float) -> tuple[str, ...]:
    if not below(overall, promised):
        return ()
    return (
        f"{result.title}: the interval holds the truth for {hundred(overall)} of 100 test samples, less often than the "
        f"{100 * promised:.0f} of 100 that validation promised. It is too narrow.",
    )


def _reach(values: Floats) -> str:
    return f"{number(float(values.min()))} to {number(float(values.max()))}"
