"""What an operating point means where a finding is as frequent as here, or as rare as elsewhere."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray

from components.lib.bootstrap import Design
from components.lib.class_metrics import Share
from components.lib.decisions import (
    Frequencies,
    Rate,
    alarms,
    natural_frequencies,
    number_needed,
    percent,
    predictive_estimates,
    proportions,
)
from components.lib.kinds._classes import percentage
from components.lib.page import paragraph, table
from components.lib.statistics import Bools, Estimate, Floats

COLUMNS = ["Operating point", "PPV", "NPV", "Called per 1,000", "Number needed to evaluate"]
GLOSS = (
    "PPV, the positive predictive value: of those called {yes}, how many are. NPV, the negative one: of those not "
    "called so, how many aren't. Called per 1,000: of 1,000 samples, how many are called {yes}, rightly or wrongly. "
    "Number needed to evaluate: of those called {yes}, how many somebody has to look at for one who is (1 / PPV). In "
    "brackets: the 95% interval."
)
ELSEWHERE = (
    "Where {yes} is rarer or more frequent, these figures are others: state the shares in the task file, as in "
    "`evaluate.prevalences: [0.01, 0.05]`, to see them here."
)


def blocks(
    yes: str,
    score: Floats,
    positive: Bools,
    points: Mapping[str, float],
    patients: NDArray[np.integer] | None,
    prevalences: list[float],
) -> list[Markup]:
    """Predictive values, alarms and the number needed to evaluate of every operating point, here and elsewhere.

    Args:
        yes: the positive class, as a sentence says it.
        score: its probabilities (n,).
        positive: (n,), with both classes.
        points: thresholds by name, the model's own first.
        patients: (n,), equal for samples of one patient, or None.
        prevalences: stated ones, each above 0 and below 1.
    """
    here = f"Where {percentage(float(positive.mean()))} of all are {yes}, as in this test sample."
    rows = [_row(name, *found) for name, found in _here(score, positive, points, patients).items()]
    told, sentences = [table(pd.DataFrame(rows, columns=COLUMNS), here), paragraph(GLOSS.format(yes=yes))], list[str]()
    for prevalence in prevalences:
        rates = {name: _both(score >= at, positive, patients) for name, at in points.items()}
        rows = [
            _row(name, *predictive_estimates(*both, prevalence), alarms(*both, prevalence))
            for name, both in rates.items()
        ]
        caption = f"Where {100 * prevalence:g}% of all are {yes} (predictive values: Mercaldo, Lau & Zhou 2007)."
        told.append(table(pd.DataFrame(rows, columns=COLUMNS), caption))
        found, left = next(iter(rates.values()))
        sentences.append(_in_people(natural_frequencies(found.value, left.value, prevalence), yes))
    if not prevalences:
        return [*told, paragraph(ELSEWHERE.format(yes=yes))]
    above = "At the model's own threshold, were sensitivity and specificity elsewhere as they are here:"
    return [*told, paragraph(f"{above} {' '.join(sentences)}")]


def _here(
    score: Floats, positive: Bools, points: Mapping[str, float], patients: NDArray[np.integer] | None
) -> dict[str, tuple[Estimate, Estimate, Estimate]]:
    """PPV, NPV and the share called positive of each point, on these very samples."""
    every, none = np.ones(len(score), bool), "nobody is called so"
    shares: dict[str, Share] = {}
    for name, at in points.items():
        called = score >= at
        shares |= {
            f"{name} ppv": Share(positive, called, none), f"{name} npv": Share(~positive, ~called, none),
            f"{name} called": Share(called, every),
        }  # fmt: skip
    found = proportions(shares, Design.of(positive.astype(np.intp), patients))
    return {name: (found[f"{name} ppv"], found[f"{name} npv"], found[f"{name} called"]) for name in points}


def _row(name: str, ppv: Estimate, npv: Estimate, called: Estimate) -> tuple[str, ...]:
    needed = number_needed(ppv)
    return (name, percent(ppv), percent(npv), _counted(called, 1000), _counted(needed, 1))


def _counted(estimate: Estimate, times: int) -> str:
    """`216 (198 to 235)`; with one digit behind the point below 100 where it isn't a count of 1,000."""
    if not estimate.known:
        return "–"
    value, low, high = (_plain(times * each, times) for each in (estimate.value, estimate.low, estimate.high))
    return f"{value} ({low} to {high})"


def _plain(value: float, times: int) -> str:
    if not np.isfinite(value):
        return "no limit"
    digits = 0 if value >= 100 or (times > 1 and value >= 10) else 1
    return f"{value:,.{digits}f}"


def _both(called: Bools, positive: Bools, patients: NDArray[np.integer] | None) -> tuple[Rate, Rate]:
    """Sensitivity and specificity, with the samples that they are worth."""
    of = [None if patients is None else patients[among] for among in (positive, ~positive)]
    return Rate.of(called[positive], of[0]), Rate.of(~called[~positive], of[1])


def _in_people(counts: Frequencies, yes: str) -> str:
    """`Of 1,000 people, 50 of them pneumonia, 96 are called pneumonia, 45 of them rightly; 5 are missed.`"""
    return (
        f"Of {counts.people:,} people, {counts.positive:,} of them {yes}, {counts.called:,} are called {yes}, "
        f"{counts.rightly:,} of them rightly; {counts.missed:,} {'is' if counts.missed == 1 else 'are'} missed."
    )
