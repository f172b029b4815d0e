"""How sure is it? Whether prediction sets and intervals hold their promise, and how often the model abstains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray

from components.evaluate.decision_charts import set_shares
from components.evaluate.figures import shown
from components.evaluate.intervals import below, of_number
from components.evaluate.part import Evaluated, Part
from components.evaluate.results import Result
from components.lib.bootstrap import Design
from components.lib.class_metrics import Share, noted
from components.lib.conformal import ALONE, abstained, fitted_least, members, unsure_band
from components.lib.decisions import percent, proportions
from components.lib.kinds._classes import Classes, hundred
from components.lib.page import Section, paragraph, table
from components.lib.statistics import Bools, Estimate, Floats, missing

OFTEN = 0.25
"""Share of abstentions from which on a reader must not miss it."""


@dataclass(frozen=True)
class Sets:
    """The prediction sets of one target on the n test samples whose truth is known."""

    kind: Classes
    inside: Bools
    """Which classes are in each set (n, K)."""
    called: NDArray[np.intp]
    label: NDArray[np.intp]
    least: Floats
    """From which probability each class is in a set (K,)."""
    design: Design
    """Whose the samples are."""

    @property
    def holds(self) -> Bools:
        """Whether the truth is in the set (n,)."""
        return self.inside[np.arange(len(self.label)), self.label]

    @property
    def unsure(self) -> Bools:
        """Whether the model abstains (n,)."""
        return abstained(self.inside, self.called)

    @property
    def groups(self) -> dict[str, Bools]:
        """Samples by what is in their sets (n,): of two classes by the very set, of several by its size."""
        sizes = self.inside.sum(axis=1)
        if len(self.kind.class_names) > 2:
            words = {0: "no class", 1: "one class"}
            sized = {
                words.get(size, f"{size} classes"): sizes == size for size in range(len(self.kind.class_names) + 1)
            }
            return {name: there for name, there in sized.items() if there.any()}
        (no, yes), (first, second) = self.kind.spoken, self.inside.T
        return {f"{no} alone": first & ~second, f"{yes} alone": second & ~first, "both": sizes == 2, "none": sizes == 0}

    def counted(self) -> dict[str, Estimate]:
        """Every share that the report tells, with its interval."""
        right, every, empty = self.called == self.label, np.ones(len(self.label), bool), "there is no such sample"
        shares = {
            "set_coverage": Share(self.holds, every), "abstained": Share(self.unsure, every),
            "right": Share(right, every), "answered right": Share(right, ~self.unsure, empty),
        }  # fmt: skip
        for name, there in self.groups.items():
            shares |= {f"share of {name}": Share(there, every), f"held in {name}": Share(self.holds, there, empty)}
        for k, name in enumerate(self.kind.spoken):
            shares[f"labelled {name}"] = Share(self.holds, self.label == k, empty)
        return proportions(shares, self.design)


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
    called = pd.Index(kind.class_names).get_indexer(pd.Index(result.answer["label"][known]))
    inside, label = members(kind.columns(result.output[known]), least), kind.labels(result.encoded[known])
    design = Design.of(label, result.patients_of(known))
    sets = Sets(kind, inside, called.astype(np.intp), label, least, design)
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
        table(_contents(sets, found), "What is in the sets."),
    ]


def _figures(sets: Sets, found: Mapping[str, Estimate], promised: float) -> dict[str, Estimate]:
    """What a gate may name."""
    few = sets.design.too_few(np.ones(len(sets.label), bool), "in all")
    coverage, unsure = noted(found["set_coverage"], few), noted(found["abstained"], few)
    holds = f"Of 100 samples, about {hundred(coverage)} have the truth in their prediction set; {100 * promised:g} were"
    open_ = f"Of 100 samples, about {hundred(unsure)} get no sure answer."
    return {
        "set_coverage": replace(coverage, meaning=f"{holds} promised."),
        "abstained": replace(unsure, meaning=open_, better="lower"),
    }


def _what_it_is(promised: float) -> str:
    return (
        "For every sample the model says which classes it can't rule out: its prediction set. On validation that was "
        f"set so that the truth is among them for {100 * promised:g} of 100 samples, of every class alike. Where one "
        "class alone is left, and it is the one that is called, the model is sure. Else it abstains: a person decides."
    )


def _band(kind: Classes, low: float, high: float) -> str:
    """In probabilities of the positive class."""
    no, yes = kind.spoken
    if low <= 0 and high >= 1:
        return "Validation had too few samples for such a promise: the model abstains on every sample."
    sure = [f"below {low:.3f} it is sure of {no}"] if low > 0 else []
    sure += [f"from {high:.3f} upwards it is sure of {yes}"] if high < 1 else []
    if len(sure) == 2:
        return f"In probabilities of {yes}: {sure[0]}, {sure[1]}; in between it abstains."
    other = yes if low > 0 else no
    return (
        f"In probabilities of {yes}: {sure[0]}, else it abstains; validation had too few samples to be sure of {other}."
    )


def _abstention(sets: Sets, found: Mapping[str, Estimate]) -> str:
    start = f"It abstains on {hundred(found['abstained'])} of 100 test samples."
    if sets.unsure.all():
        return f"{start} No sample is answered for sure."
    sentence = (
        f"{start} Of 100 that it is sure of, {hundred(found['answered right'])} are called right, against "
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


def _contents(sets: Sets, found: Mapping[str, Estimate]) -> pd.DataFrame:
    """One row for what a set may hold."""
    rows = [
        (name, str(int(there.sum())), percent(found[f"share of {name}"]), percent(found[f"held in {name}"]))
        for name, there in sets.groups.items()
    ]
    return pd.DataFrame(rows, columns=["Set", "n", "Share of all", "Truth in it"])


def _shares(sets: Sets) -> pd.DataFrame:
    """Per class that occurs, what becomes of its samples; the shares add up to 1."""
    empty, holds, unsure = ~sets.inside.any(axis=1), sets.holds, sets.unsure
    parts = {
        "sure_right": ~unsure & holds,
        "unsure_held": unsure & holds,
        "empty": empty,
        "unsure_lost": unsure & ~holds & ~empty,
        "sure_wrong": ~unsure & ~holds,
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
        f"promised: for {', '.join(told)}. Test differs from validation: take what the model is sure of with care."
    ]
