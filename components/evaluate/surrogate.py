"""What plain figures of the samples already explain: a sparse linear model on them, beside the network.

A global surrogate (Craven & Shavlik 1996) that sees what a reader can name: how light, how sharp, where. Where it does
nearly as well as the network, the finding may lie in the exposure and not in the patient.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from components.evaluate.chosen import in_words
from components.evaluate.part import Evaluated, Part
from components.evaluate.results import Result
from components.lib.kinds import Array
from components.lib.numbers import number
from components.lib.page import Section, paragraph, table
from components.lib.statistics import Estimate, Floats, wilson
from components.lib.summaries import evenly, most, summed_up

SEED = 0
SHOWN = 5
"""Figures that are named."""
MOST_LEARNT = 5_000
"""Training samples: plenty for a few dozen figures, and seconds on one core."""
FEWEST_OF_A_CLASS = 10
"""Training samples of the rarest class, for five folds of two."""
FEWEST = 20
NEAR = 0.02
"""A difference in AUC up to which plain figures do as well, for a reader."""


@dataclass(frozen=True)
class Surrogate:
    """The plain model of one target, beside the network on the same test samples."""

    result: Result
    rows: NDArray[np.intp]
    """Test samples (n,) whose truth is known."""
    learnt: int
    """Training samples it was fitted on."""
    output: Floats
    """In the form of the network's (n, units)."""
    own: Estimate
    network: Estimate
    difference: Estimate
    """The plain model less the network, paired."""
    weights: dict[str, Floats]
    """By what they speak for (F,)."""
    words: tuple[tuple[str, str], ...]
    """What more and what less of each figure mean (F,)."""
    calls: Estimate | None
    """Share of samples that both call the same; None of a number."""
    along: float
    """Rank correlation of what both say."""


def part(evaluated: Evaluated) -> Part:
    """A section a target that a plain model could be fitted for; else a sentence why not."""
    inputs = [name for name in evaluated.network.info.inputs if _has_figures(evaluated, name)]
    if not inputs:
        return Part()  # rows of a table have their plain models among the baselines
    if not evaluated.data.info.counts.get("train"):
        why = "This dataset has no train split: there is nothing to fit a plain model on."
        return Part((Section("What plain figures explain", (paragraph(why),)),))
    training, test, names, rows = _figures(evaluated, inputs)
    sections, metrics, said = [], {}, []
    for result in evaluated.results:
        title = f"What plain figures explain: {result.title}"
        found = _fitted(evaluated, result, training, test, names, rows)
        if isinstance(found, str):
            sections.append(Section(title, (paragraph(found),)))
            continue
        sections.append(Section(title, _blocks(found, evaluated)))
        metrics[result.target] = {f"surrogate_{result.kind.comparable[0]}": found.own}
        said += _warnings(found)
    return Part(tuple(sections), {}, metrics, tuple(said))


def _has_figures(evaluated: Evaluated, name: str) -> bool:
    """Whether the input has plain figures, and no baselines on its columns, as the rows of a table have."""
    kind, fitted = evaluated.network.info.inputs[name], evaluated.network.info.fitted_inputs[name]
    one = np.zeros((1, *kind.network_shape(fitted)), np.float32)
    return bool(kind.summary_words(fitted)) and kind.features(one) is None


def _figures(
    evaluated: Evaluated, inputs: list[str]
) -> tuple[tuple[pd.DataFrame, Floats], Floats, tuple[tuple[str, str], ...], NDArray[np.intp]]:
    """Table and figures of training samples; figures of test samples, what more of each means; and which test ones."""
    info = evaluated.network.info
    splits = ("train", "validation") if info.cross_validated else ("train",)
    learnt = [summed_up(evaluated.data, splits, name, info.inputs[name], info.fitted_inputs[name]) for name in inputs]
    rows = evenly(np.arange(len(evaluated.samples)), min(most(info.inputs[name]) for name in inputs))
    shown = [info.inputs[n].summary(np.asarray(evaluated.arrays[n][rows]), info.fitted_inputs[n]) for n in inputs]
    of = {name: f" ({name})" if len(inputs) > 1 else "" for name in inputs}
    names = [
        (f"{more}{of[name]}", f"{less}{of[name]}")
        for name in inputs
        for more, less in info.inputs[name].summary_words(info.fitted_inputs[name]).values()
    ]
    return (learnt[0][0], np.hstack([each for _, each in learnt])), np.hstack(shown), tuple(names), rows


def _fitted(
    evaluated: Evaluated,
    result: Result,
    training: tuple[pd.DataFrame, Floats],
    test: Floats,
    names: tuple[tuple[str, str], ...],
    rows: NDArray[np.intp],
) -> Surrogate | str:
    table_of, columns = training
    kind, plain = result.kind, result.kind.surrogate(SEED)
    if plain is None:
        return "Targets of this kind have no plain linear model to hold against the network."
    if result.target not in table_of:
        return f"The train split holds no {result.target}: there is nothing to fit a plain model on."
    encoded, known = kind.encode(table_of[result.target])
    some = evenly(np.flatnonzero(known), MOST_LEARNT)
    target = kind.baseline_target(encoded[some])
    held = result.known[rows]
    if why := _too_few(target, int(held.sum()), classes=bool(kind.class_names)):
        return why
    estimator, scale = _fit(plain, columns[some], target)
    chosen = rows[held]
    output = kind.baseline_output(estimator, scale.transform(test[held]))
    network, truth = result.output[chosen], result.encoded[chosen]
    whose = result.patients_of(chosen)
    learnt = kind.baseline_output(estimator, scale.transform(columns[some]))
    decision = dict(kind.fit_decision(learnt, encoded[some], evaluated.spec.train))
    return Surrogate(
        result=result,
        rows=chosen,
        learnt=len(some),
        output=np.asarray(output, np.float64),
        own=kind.comparable_metric(output, truth, decision, whose),
        network=kind.comparable_metric(network, truth, result.fitted.decision, whose),
        difference=kind.difference(network, output, truth, whose),
        weights=dict(kind.surrogate_weights(estimator)),
        words=names,
        calls=_calls(result, network, output, decision),
        along=_along(network, output),
    )


def _too_few(target: Array, test: int, *, classes: bool) -> str | None:
    counts = np.unique(target, return_counts=True)[1]
    if len(counts) < 2:
        return "The training samples are all alike in it: there is nothing to learn from."
    if (classes and counts.min() < FEWEST_OF_A_CLASS) or len(target) < FEWEST:
        return f"Too few training samples for a plain model: {counts.min() if classes else len(target)}."
    if test < FEWEST:
        return f"Too few test samples whose truth is known to judge a plain model on: {test}."
    return None


def _fit(estimator: Any, columns: Floats, target: Array) -> tuple[Any, StandardScaler]:
    scale = StandardScaler().fit(columns)
    # One thread: sums in another order would give other last bits on another machine.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        # At the weakest penalty the last digits may be missing; cross-validation judges what was found.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(scale.transform(columns), target), scale


def _calls(result: Result, network: Array, output: Array, decision: dict[str, float]) -> Estimate | None:
    if not result.kind.class_names:
        return None
    one = result.kind.answer(network, result.fitted.decision)["label"]
    other = result.kind.answer(output, decision)["label"]
    return wilson(int((one == other).sum()), len(one))


def _along(network: Array, output: Array) -> float:
    """Mean over the units of the rank correlation; 0 where one says the same of all."""
    from scipy.stats import rankdata

    found = []
    for unit in range(network.shape[1]):
        one, other = rankdata(network[:, unit]), rankdata(output[:, unit])
        found.append(float(np.corrcoef(one, other)[0, 1]) if np.ptp(one) and np.ptp(other) else 0.0)
    return float(np.mean(found))


def _blocks(found: Surrogate, evaluated: Evaluated) -> tuple[Markup, ...]:
    noun = evaluated.noun
    metric = in_words(found.result.kind.comparable[0])
    how = (
        f"A linear model was given {len(found.words)} plain figures of the {noun} in place of the {noun}, and fitted "
        f"on {found.learnt:,} training samples (L1 penalty, chosen by cross-validation among them)."
    )
    frame = pd.DataFrame(
        [["network", str(found.network)], [f"plain figures of the {noun}", str(found.own)]],
        columns=["Model", metric[:1].upper() + metric[1:]],
    )
    caption = f"On the same {len(found.rows):,} test samples. Difference, paired: {found.difference!s}."
    return (paragraph(how), table(frame, caption), paragraph(_sentence(found, metric)), *_strongest(found))


def _sentence(found: Surrogate, metric: str) -> str:
    difference, better = found.difference, found.network.better
    agree = f"Both call {100 * found.calls.value:.0f} of 100 alike. " if found.calls else ""
    together = f"{agree}Rank correlation of what they say: {number(found.along)}."
    if not difference.known:
        return f"They can't be compared: {difference.note}. {together}"
    if difference.low <= 0 <= difference.high:
        return f"Plain figures do as well as the network, as far as these samples tell. {together}"
    plain_wins = (difference.value > 0) == (better == "higher")
    if plain_wins:
        return f"Plain figures do better than the network. {together}"
    return f"The network sees more than plain figures tell: its {metric} is better by {_size(difference)}. {together}"


def _size(difference: Estimate) -> str:
    ends = sorted(abs(end) for end in (difference.low, difference.high))
    return f"{number(abs(difference.value))} ({number(ends[0])} to {number(ends[1])})"


def _strongest(found: Surrogate) -> list[Markup]:
    """The few figures that count most, in words with their direction."""
    blocks = []
    for what, weights in found.weights.items():
        order = [int(at) for at in np.argsort(-np.abs(weights), kind="stable")[:SHOWN] if weights[at]]
        if not order:
            blocks.append(paragraph(f"No figure speaks {what}: none of them helps."))
            continue
        said = [f"{found.words[at][int(weights[at] < 0)]} ({number(abs(float(weights[at])))})" for at in order]
        told = f"What speaks {what} most, with its weight for one standard deviation: {'; '.join(said)}."
        blocks.append(paragraph(f"{told} Figures that go together share their weights."))
    return blocks


def _warnings(found: Surrogate) -> list[str]:
    """Where plain figures of the picture do as well as the network, and well."""
    if not (found.own.trusted and found.difference.trusted and found.result.kind.class_names):
        return []
    low_is_good = found.own.low > 0.8 and found.difference.low > -NEAR
    if not low_is_good:
        return []
    return [
        f"{found.result.title}: a linear model on plain figures, such as how light the edges are, does as well as the "
        f"network (AUC {number(found.own.value)}). Look whether exposure or machine gives the answer away."
    ]
