"""What the operating point means for patients: who is found, predictive values elsewhere, net benefit."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray

from components.evaluate import counts
from components.evaluate.decision_charts import decision_curves
from components.evaluate.figures import shown
from components.evaluate.part import Evaluated, Part
from components.evaluate.prevalences import blocks as of_prevalences
from components.evaluate.results import Result
from components.lib.bootstrap import Design
from components.lib.class_metrics import Share
from components.lib.decisions import (
    decision_curve,
    miss_in_false_alarms,
    percent,
    proportions,
    useful_range,
)
from components.lib.kinds import Chart
from components.lib.kinds._classes import Classes, finite, percentage, spoken, written
from components.lib.page import Section, paragraph, table
from components.lib.statistics import Bools, Floats

ONE_CLASS = "Only one class is among the test samples whose truth is known, so no operating point can be measured."
GLOSS = (
    "Sensitivity: of those labelled {yes}, how many are called so. Specificity: of those labelled {no}, how many are "
    "left alone. Trade-off: what somebody who acts from that probability on takes a miss for. In brackets: the 95% "
    "interval."
)
HOW_TO_READ = (
    "How to read the decision curve: the threshold probability is the chance of {finding} from which on one would act. "
    "Who acts from 10% upwards accepts nine false alarms for one hit; who acts from 50%, one. Net benefit is the share "
    "of hits, less the false alarms at that price: 0.1 is worth as much as 10 hits among 100 samples without any false "
    "alarm. To act on nobody is worth 0."
)


def part(evaluated: Evaluated) -> Part:
    """Operating points, predictive values at stated prevalences and decision curves, of every target with classes."""
    sections: list[Section] = []
    charts: dict[str, Chart] = {}
    for result in evaluated.results:
        if isinstance(result.kind, Classes):
            section, chart = _look(result, result.kind, evaluated)
            sections.append(section)
            charts |= {f"{result.target}_{chart.name}": chart} if chart else {}
    return Part(tuple(sections), charts)


def _look(result: Result, kind: Classes, evaluated: Evaluated) -> tuple[Section, Chart | None]:
    """The section of one target, and its decision curve; without a curve where there is only one class."""
    label, columns = kind.labels(result.encoded[result.known]), kind.columns(result.output[result.known])
    title, answers = f"Operating points: {result.title}", counts.Answers.of(result, kind)
    if len(np.unique(label)) < 2:
        return Section(title, (paragraph(ONE_CLASS),)), None
    patients = result.patients_of(result.known)
    if "threshold" in result.fitted.decision:
        score, positive = finite(result.output[result.known]).reshape(-1), label == 1
        prevalences = evaluated.spec.evaluate.prevalences
        blocks = _binary(answers, score, positive, result.fitted.decision, patients, prevalences)
        curves = {kind.spoken[1]: decision_curve(score, positive, patients)}
    else:
        called = kind.called(result.output[result.known], result.fitted.decision)
        blocks = [*_one_against_rest(kind, called, label, patients), *counts.tables(answers)]
        present = [k for k in range(len(kind.class_names)) if (label == k).any()]
        curves = {kind.class_names[k]: decision_curve(columns[:, k], label == k, patients) for k in present}
    chart = decision_curves(curves)
    return Section(title, (*blocks, *_curve_words(curves), shown(chart, result.target))), chart


def _binary(
    answers: counts.Answers,
    score: Floats,
    positive: Bools,
    decision: Mapping[str, float],
    patients: NDArray[np.integer] | None,
    prevalences: tuple[float, ...],
) -> list[Markup]:
    """The trade-off, the table of operating points, results in counts, and what they mean here and elsewhere."""
    kind, points, label = answers.kind, _points(decision), positive.astype(np.intp)
    design = Design.of(label, patients)
    found = _measured({name: (score >= at, positive) for name, at in points.items()}, design)
    rows = [(name, written(at), *found[name][:2], exchange(at)) for name, at in points.items()]
    frame = pd.DataFrame(rows, columns=["Operating point", "Called from", "Sensitivity", "Specificity", "Trade-off"])
    no, yes = kind.spoken
    gloss = GLOSS.format(yes=yes, no=no)
    first = (
        f"From its threshold upwards a sample is called {yes}; the model's own is what is served. All were chosen on "
        "validation, test only measures them."
    )
    few = filter(None, [design.too_few(label == k, f"labelled {name}") for k, name in enumerate(kind.spoken)])
    blocks = [
        paragraph(first),
        paragraph(trade_off(answers, decision)),
        table(frame),
        paragraph(gloss),
        *[paragraph(f"{each[:1].upper()}{each[1:]}.") for each in few],
    ]
    asked = sorted({*prevalences, *([decision["asked_prevalence"]] if "asked_prevalence" in decision else [])})
    return [*blocks, *counts.tables(answers), *of_prevalences(yes, score, positive, points, patients, asked)]


def trade_off(answers: counts.Answers, decision: Mapping[str, float]) -> str:
    """What the model's own threshold takes a miss for, and what it costs here."""
    at, yes = decision["threshold"], answers.kind.spoken[1]
    told = f"Calling {yes} from a probability of {written(at)} upwards, {exchange(at)}, if the probabilities are right."
    if decision.get("threshold_youden") == at and 0 < decision.get("prevalence", 0) < 1:
        share = decision["prevalence"]
        told += (
            " Youden's point weighs sensitivity and specificity alike, however rare the finding: where "
            f"{percentage(share)} are {yes}, as in validation, {exchange(share)}."
        )
    hits, false, _, _ = answers.crossed(1)
    if not hits:
        return f"{told} Here {false:,} false alarms found nobody."
    alarms = "was 1 false alarm" if false == hits else f"were {_few(false / hits)} false alarms"
    return f"{told} Here there {alarms} for each {yes} found."


def exchange(threshold: float) -> str:
    """`a miss counts as 49 false alarms`: what a threshold probability says of the two."""
    worth = miss_in_false_alarms(threshold)
    if worth == np.inf:
        return "a miss counts as any number of false alarms"
    if worth == 0:
        return "a false alarm counts as any number of misses"
    if worth >= 1:
        return f"a miss counts as {_few(worth)} false alarm{'' if _few(worth) == '1' else 's'}"
    return f"a false alarm counts as {_few(1 / worth)} miss{'' if _few(1 / worth) == '1' else 'es'}"


def _few(value: float) -> str:
    """Two digits that say something: 49, 1.5, 0.12; of large numbers all before the point."""
    return f"{value:,.0f}" if value >= 10 else f"{float(f'{value:.2g}'):g}"


def _points(decision: Mapping[str, float]) -> dict[str, float]:
    """Thresholds by what to call them, the model's own first; one that several methods chose stands there once."""
    words = {
        "threshold_youden": "Best sum of both (Youden)",
        "threshold_sensitivity": f"Sensitivity of {decision.get('asked_sensitivity', 0):.0%} on validation",
        "threshold_cost": f"Least cost, {decision.get('asked_miss_cost', 0):g} : 1 for a miss",
    }
    named = {decision["threshold"]: ["The model's own"]}
    for key, name in words.items():
        if key in decision:
            named.setdefault(decision[key], []).append(name)
    return {"; ".join(names): at for at, names in named.items()}


def _measured(points: Mapping[str, tuple[Bools, Bools]], design: Design) -> dict[str, list[str]]:
    """Cells of sensitivity, specificity, PPV and NPV of each point: which samples are called, which are positive."""
    shares: dict[str, Share] = {}
    for name, (called, positive) in points.items():
        none = "nobody is called so"
        shares |= {
            f"{name} 0": Share(called, positive, none), f"{name} 1": Share(~called, ~positive, none),
            f"{name} 2": Share(positive, called, none), f"{name} 3": Share(~positive, ~called, none),
        }  # fmt: skip
    found = proportions(shares, design)
    return {name: [percent(found[f"{name} {column}"]) for column in range(4)] for name in points}


def _one_against_rest(
    kind: Classes, called: NDArray[np.intp], label: NDArray[np.intp], patients: NDArray[np.integer] | None
) -> list[Markup]:
    """Every class against all others, as called."""
    found = _measured(
        {name: (called == k, label == k) for k, name in enumerate(kind.class_names)}, Design.of(label, patients)
    )
    rows = [(name, *found[name]) for name in kind.class_names]
    frame = pd.DataFrame(rows, columns=["Class", "Sensitivity", "Specificity", "PPV", "NPV"])
    gloss = (
        "Each class against all others, as the model calls them. Sensitivity: of those labelled so, how many "
        "are called so. Specificity: of the others, how many aren't. PPV and NPV, the predictive values: of those "
        "called so, how many are, and of those not called so, how many aren't; both hold for the shares of this test "
        "sample. In brackets: the 95% interval."
    )
    return [table(frame), paragraph(gloss)]


def _curve_words(curves: Mapping[str, pd.DataFrame]) -> list[Markup]:
    """From which to which threshold probability the model is worth more than treating everybody or nobody."""
    several = len(curves) > 1
    told = [_range_words(spoken(name) if several else "", curve) for name, curve in curves.items()]
    finding = "the class" if several else next(iter(curves))
    return [paragraph(" ".join(told)), paragraph(HOW_TO_READ.format(finding=finding))]


def _range_words(name: str, curve: pd.DataFrame) -> str:
    start = f"For {name}, going" if name else "Going"
    found, surely = useful_range(curve), useful_range(curve, surely=True)
    if found is None:
        return f"{start} by the model is at no threshold probability worth more than acting on everybody or on nobody."
    sentence = (
        f"{start} by the model is worth more than acting on everybody or on nobody for threshold probabilities from "
        f"{found[0]:.0%} to {found[1]:.0%}"
    )
    if surely is None:
        return f"{sentence}, but nowhere beyond chance."
    return f"{sentence}, and beyond chance (95% interval at each) from {surely[0]:.0%} to {surely[1]:.0%}."
