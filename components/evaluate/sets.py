"""How sure is it? Whether prediction sets and intervals hold their promise, and how often the model abstains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from markupsafe import Markup

from components.evaluate.decision_charts import set_shares
from components.evaluate.figures import shown
from components.evaluate.intervals import below, of_number
from components.evaluate.part import Evaluated, Part
from components.evaluate.results import Result
from components.evaluate.set_values import Sets, sets_of, worth
from components.lib.class_metrics import noted
from components.lib.conformal import ALONE, fitted_least, unsure_band
from components.lib.decisions import percent
from components.lib.kinds._classes import Classes, hundred, written
from components.lib.page import Section, paragraph, table
from components.lib.statistics import Estimate, missing

OFTEN = 0.25
"""Share of abstentions from which on a reader must not miss it."""


def part(evaluated: Evaluated) -> Part:
    """Coverage and size of prediction sets, abstention and what it buys; of numbers the coverage of the interval."""
    parts = [
        _classes(result, result.kind) if isinstance(result.kind, Classes) else of_number(result)
        for result in evaluated.results
    ]
    return Part(
        tuple(section for each in parts for section in each.sections),
        {name: chart for each in parts for name, chart in each.charts.items()},
        {name: figures for each in parts for name, figures in each.metrics.items()},
        tuple(warning for each in parts for warning in each.warnings),
    )


def _classes(result: Result, kind: Classes) -> Part:
    decision, known = result.fitted.decision, result.known
    least = fitted_least(decision, len(kind.class_names))
    if least is None:
        return _nothing(result, "this model has no prediction sets: it was trained with `train.coverage: 0`, or before "
                                "medpipe had them")  # fmt: skip
    if not known.any():
        return _nothing(result, "the truth of no test sample is known, so no promise can be checked")
    sets = sets_of(result, kind, least)
    found, chart = sets.counted(), set_shares(_shares(sets), decision["coverage"])
    return Part(
        (Section(_title(result), (*_words(sets, found, decision), shown(chart, result.target))),),
        {f"{result.target}_{chart.name}": chart},
        {result.target: _figures(sets, found, decision["coverage"])},
        (*_often(result, found), *_broken(result, sets, found, decision["coverage"])),
    )


def _nothing(result: Result, why: str) -> Part:
    """A section of one sentence, and figures that say the same to a gate."""
    none = {"set_coverage": missing(why), "abstained": replace(missing(why), better="lower")}
    text = f"{why[:1].upper()}{why[1:]}."
    return Part((Section(_title(result), (paragraph(text),)),), metrics={result.target: none})


def _title(result: Result) -> str:
    return f"How sure it is: {result.title}"


def _words(sets: Sets, found: Mapping[str, Estimate], decision: Mapping[str, float]) -> list[Markup]:
    """What the sets are, when the model abstains, and whether the promise holds."""
    promised, band = decision["coverage"], unsure_band(decision) if "threshold" in decision else None
    return [
        paragraph(_what_it_is(promised)),
        *([paragraph(_band(sets.kind, *band))] if band else []),
        paragraph(_abstention(sets, found)),
        table(_coverage(sets, found, decision), "Whether the promise holds on test."),
        *worth(sets, found),
    ]


def _figures(sets: Sets, found: Mapping[str, Estimate], promised: float) -> dict[str, Estimate]:
    """What a gate may name."""
    few = sets.design.too_few(np.ones(len(sets.label), bool), "in all")
    coverage, unsure = noted(found["set_coverage"], few), noted(found["abstained"], few)
    holds = f"Of 100 samples, about {hundred(coverage)} have the truth in their prediction set; {100 * promised:g} were"
    open_ = f"Of 100 samples, about {hundred(unsure)} get no answer."
    return {
        "set_coverage": replace(coverage, meaning=f"{holds} promised."),
        "abstained": replace(unsure, meaning=open_, better="lower"),
    }


def _what_it_is(promised: float) -> str:
    return (
        "For every sample the model says which classes it can't rule out: its prediction set. On validation that was "
        f"set so that the truth is among them for {100 * promised:g} of 100 samples, of every class alike: "
        f"{100 * (1 - promised):.3g} of 100 of each class are ruled out wrongly. Where one class alone is left, and it "
        "is the one that is called, the model answers. Else it abstains: a person decides. Not ruled out is less than "
        "found: how often an answer is right depends on how frequent the class is, and stands below."
    )


def _band(kind: Classes, low: float, high: float) -> str:
    """In probabilities of the positive class."""
    no, yes = kind.spoken
    if low <= 0 and high >= 1:
        return "Validation had too few samples for such a promise: the model abstains on every sample."
    answered = [f"below {written(low)} {yes} is ruled out"] if low > 0 else []
    answered += [f"from {written(high)} upwards {yes} is called and not ruled out"] if high < 1 else []
    if len(answered) == 2:
        return f"In probabilities of {yes}: {answered[0]}, {answered[1]}; in between the model abstains."
    other = yes if low <= 0 else no
    return (
        f"In probabilities of {yes}: {answered[0]}, else the model abstains; validation had too few samples to rule "
        f"{other} out."
    )


def _abstention(sets: Sets, found: Mapping[str, Estimate]) -> str:
    start = f"It abstains on {hundred(found['abstained'])} of 100 test samples."
    if sets.unsure.all():
        return f"{start} No sample gets an answer."
    sentence = (
        f"{start} Of 100 that it answers, {hundred(found['answered right'])} are called right, against "
        f"{hundred(found['right'])} of 100 among all. In brackets: the 95% interval."
    )
    empty = ~sets.inside.any(axis=1)
    if 2 * int(empty.sum()) <= int(sets.unsure.sum()) or not empty.any():
        return sentence
    return (
        f"{sentence} Most of those left open have an empty set: no class fits as well as it did nearly all its samples "
        "on validation. That share is the price of the promise; a higher `train.coverage` leaves fewer open."
    )


def _coverage(sets: Sets, found: Mapping[str, Estimate], decision: Mapping[str, float]) -> pd.DataFrame:
    """One row for all samples and for every class."""
    promised = decision["coverage"]
    rows = [("All", str(found["set_coverage"].n), percent(found["set_coverage"]), f"{promised:.0%}")]
    for k, name in enumerate(sets.kind.spoken):
        own = found[f"labelled {name}"]
        if sets.least[k] <= 0:
            told = "never ruled out: too few in validation"
        else:
            alone = decision.get(f"samples_{k}", 0) >= ALONE
            told = f"{promised:.0%}" if alone else f"{promised:.0%}, of all rare classes together"
        rows.append((f"Labelled {name}", str(own.n), percent(own), told))
    return pd.DataFrame(rows, columns=["Samples", "n", "Truth in the set", "Promised"])


def _shares(sets: Sets) -> pd.DataFrame:
    """Per class that occurs, what becomes of its samples; the shares add up to 1."""
    empty, holds, unsure = ~sets.inside.any(axis=1), sets.holds, sets.unsure
    parts = {
        "answered_right": ~unsure & holds,
        "abstained_held": unsure & holds,
        "empty": empty,
        "abstained_lost": unsure & ~holds & ~empty,
        "answered_wrong": ~unsure & ~holds,
    }
    frame = pd.DataFrame(parts).astype(float).groupby(sets.label)
    table = frame.mean().reset_index(drop=True)
    table.insert(0, "class", [sets.kind.class_names[k] for k in np.unique(sets.label)])
    table.insert(1, "count", np.unique(sets.label, return_counts=True)[1])
    return table


def _often(result: Result, found: Mapping[str, Estimate]) -> list[str]:
    """A sentence where the model leaves many samples to people."""
    if found["abstained"].value < OFTEN:
        return []
    return [
        f"{result.title}: the model abstains on {hundred(found['abstained'])} of 100 test samples. A person must "
        "decide about these."
    ]


def _broken(result: Result, sets: Sets, found: Mapping[str, Estimate], promised: float) -> list[str]:
    """A sentence where a promise was broken beyond chance."""
    of = {"samples in all": found["set_coverage"]}
    of |= {f"samples labelled {name}": found[f"labelled {name}"] for name in sets.kind.spoken}
    told = [f"{hundred(each)} of 100 {who}" for who, each in of.items() if below(each, promised)]
    if not told:
        return []
    return [
        f"{result.title}: prediction sets hold the truth less often than the {100 * promised:g} of 100 that validation "
        f"promised: for {', '.join(told)}. Test differs from validation: take its answers with care."
    ]
