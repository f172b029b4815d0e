"""What a smaller model gains and loses beside the full one: on validation, by which it was taken, and on test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray

from components.evaluate.chosen import in_words
from components.evaluate.part import Evaluated, Part
from components.evaluate.results import Result, ends, words
from components.lib.bootstrap import Design
from components.lib.class_metrics import Share
from components.lib.decisions import proportions
from components.lib.gate_names import LOST, SMALLER
from components.lib.model_dir import MOST_LOST, Attempt, Model, ModelInfo, Smaller
from components.lib.numbers import number
from components.lib.page import Section, paragraph, table
from components.lib.statistics import Estimate
from components.lib.tracking import latencies

HOW = {
    "distil": "one net, taught by all",
    "int8": "the full model in int8",
    "distil_int8": "one net, taught by all, in int8",
}
ACCURACY = "accuracy"


@dataclass(frozen=True)
class Beside:
    """One target of the smaller model and of the full one, on the same test samples."""

    result: Result
    """Of the smaller one, which is served."""
    full: Mapping[str, Estimate]
    """Metrics of the full one."""
    difference: Estimate
    """The metric that decides, of the smaller one less the full one's, paired."""
    alike: Estimate | None
    """Share of samples that both call the same; None of a number."""


def part(evaluated: Evaluated) -> Part:
    """Nothing where no smaller model was asked for."""
    tried = evaluated.network.info.smaller
    if tried is None:
        return Part()
    blocks = [paragraph(_what(tried)), _attempts(tried, evaluated.network)]
    full = evaluated.network.full()
    beside = [_beside(result, full, evaluated) for result in evaluated.results] if full else []
    for each in beside:
        blocks += _blocks(each, several=len(beside) > 1)
    if tried.served and not full:
        blocks.append(paragraph("The full model stays where it was trained: on these samples it wasn't asked."))
    metrics = {each.result.target: {_name(each.result): _lost(each)} for each in beside}
    return Part((Section("A smaller model", tuple(blocks)),), {}, metrics, tuple(_warnings(tried)))


def _name(result: Result) -> str:
    return f"{SMALLER}{result.kind.comparable[0]}{LOST}"


def _what(tried: Smaller) -> str:
    nets = f"the mean of {tried.full.nets} nets" if tried.full.nets > 1 else "one net"
    served = f"Served is {HOW[tried.served.how]}." if tried.served else "Served is the full model."
    return (
        f"The full model is {nets}. A smaller one is served in its place when, on samples that neither learnt from, it "
        f"loses at most {MOST_LOST:g} of the score of any target. {served}"
    )


def _attempts(tried: Smaller, network: Model) -> Markup:
    """Size, score and time of every model."""
    taken, info = latencies(network.path), network.info
    rows = [_row("full model", tried.full.bytes, tried.full.parameters, _full_scores(tried), info, taken.get("full"))]
    rows[0]["Verdict"] = "" if tried.served else "served"
    for each in tried.attempts:
        rows.append(_row(HOW[each.how], each.bytes, each.parameters, each.scores, info, taken.get(each.how)))
        rows[-1]["Verdict"] = "served" if each is tried.served else "kept" if each.kept else f"refused: {each.refused}"
    frame = pd.DataFrame(rows)
    caption = "Before test was opened. "
    caption += "Time: median of one answer on one thread, where it was trained." if taken else "Time: unknown here."
    return table(frame if taken else frame.drop(columns="Time (ms)"), caption)


def _full_scores(tried: Smaller) -> Mapping[str, float]:
    return tried.attempts[0].full_scores


def _row(
    name: str, size: int | None, parameters: int, scores: Mapping[str, float], info: ModelInfo, taken: float | None
) -> dict[str, str]:
    told = {
        "Score" if len(info.targets) == 1 else f"Score, {target}": f"{scores[target]:.4f}" if target in scores else "–"
        for target in info.targets
    }
    return {
        "Model": name,
        "Size (kB)": "–" if size is None else f"{size / 1000:,.1f}",
        "Parameters": f"{parameters:,}",
        **told,
        "Time (ms)": "–" if taken is None else f"{taken:.3f}",
    }


def _beside(result: Result, full: Model, evaluated: Evaluated) -> Beside:
    kind, known = result.kind, result.known
    output = full.predict(evaluated.arrays)[result.target]
    decision, truth = full.info.fitted[result.target].decision, result.encoded[known]
    whose = result.patients_of(known)
    return Beside(
        result,
        kind.metrics(output[known], truth, decision, whose),
        kind.difference(output[known], result.output[known], truth, whose),
        _alike(result, kind.answer(output, decision).get("label")),
    )


def _lost(beside: Beside) -> Estimate:
    """What the smaller model loses: below 0 it is the better one."""
    found = beside.difference
    if found.better == "higher":
        found = replace(found, value=-found.value, low=-found.high, high=-found.low)
    metric = in_words(beside.result.kind.comparable[0])
    return replace(found, better="lower", meaning=f"What the smaller model loses of the full one's {metric}.")


def _alike(result: Result, labels: NDArray[np.object_] | None) -> Estimate | None:
    if labels is None:
        return None
    every = np.ones(len(labels), bool)
    same = np.asarray(labels == result.answer["label"], np.bool_)
    design = Design.of(np.zeros(len(labels), np.intp), result.patients)
    return proportions({"alike": Share(same, every)}, design)["alike"]


def _blocks(beside: Beside, *, several: bool) -> list[Markup]:
    result, deciding = beside.result, beside.result.kind.comparable[0]
    names = [deciding, *([ACCURACY] if ACCURACY in beside.full else [])]
    rows = [
        (words(name), number(found.value), ends(found), number(own.value), ends(own))
        for name, found, own in ((name, beside.full[name], result.metrics[name]) for name in names)
    ]
    columns = ["Metric", "Full", "95% interval", "Smaller", "95% interval of the smaller"]
    about = f"{result.title}: on" if several else "On"
    caption = f"{about} the same {int(result.known.sum()):,} test samples."
    return [table(pd.DataFrame(rows, columns=columns), caption), paragraph(_sentence(beside, words(deciding)))]


def _sentence(beside: Beside, metric: str) -> str:
    found = beside.difference
    alike = f" Both call {100 * beside.alike.value:.1f} of 100 alike." if beside.alike and beside.alike.known else ""
    if not found.known:
        return f"They can't be compared: {found.note}.{alike}"
    verdict = "chance may explain that" if found.low <= 0 <= found.high else "chance doesn't explain that"
    return f"{metric} of the smaller model less that of the full one, paired by sample: {found}; {verdict}.{alike}"


def _warnings(tried: Smaller) -> list[str]:
    """A smaller model that was asked for and isn't served."""
    return [_warning(each, tried) for each in tried.attempts if not each.kept]


def _warning(attempt: Attempt, tried: Smaller) -> str:
    served = HOW[tried.served.how] if tried.served else "the full model"
    return f"A smaller model was asked for ({HOW[attempt.how]}) and refused: {attempt.refused}. Served is {served}."
