"""How much of a result rests on some of the test samples: the metrics with them and without them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from markupsafe import Markup

from components.evaluate.results import Result, in_sentence, words
from components.lib.page import table
from components.lib.statistics import Bools, Estimate

Metrics = Mapping[str, Estimate]


def measured(result: Result, rows: Bools) -> Metrics:
    """The metrics on those of the chosen test samples (N,) whose truth is known."""
    chosen = rows & result.known
    whose = result.patients_of(chosen)
    return result.kind.metrics(result.output[chosen], result.encoded[chosen], result.fitted.decision, whose)


def deciding(result: Result) -> str:
    """The metric by which models of this target are compared."""
    return result.kind.comparable[0]


def tables(results: Sequence[Result], found: Mapping[str, Metrics], which: str) -> list[Markup]:
    """A table for each target that was measured again.

    Args:
        results: of all test samples.
        found: per target, the metrics without some of them.
        which: those that are missing: "duplicates".
    """
    return [_table(result, found[result.target], which) for result in results if result.target in found]


def _table(result: Result, without: Metrics, which: str) -> Markup:
    names = [name for name in result.metrics if name in without]
    n = int(without[deciding(result)].n)
    frame = pd.DataFrame(
        {
            "Metric": [words(name, result.kind) for name in names],
            f"All test samples (n {int(result.known.sum())})": [str(result.metrics[name]) for name in names],
            f"Without {which} (n {n})": [str(without[name]) for name in names],
        }
    )
    return table(frame, result.title)


def effect(result: Result, without: Metrics, with_them: str) -> str:
    """What the metric that decides is without them, in a sentence.

    Args:
        result: of all test samples.
        without: the metrics without some of them.
        with_them: what a difference beyond the 95% interval means, with {better} for "better" or "worse": "they make
            the model look {better} than it is on new samples".
    """
    name = deciding(result)
    every, rest = result.metrics[name], without[name]
    metric = in_sentence(name, result.kind)
    if not every.known or not rest.known:
        return f"Without them {metric} of {result.target} is unknown: {rest.note or every.note}."
    told = f"Without them {metric} of {result.target} is {rest}, with them {every}"
    better = every.value < rest.value if every.better == "lower" else every.value > rest.value
    if rest.low <= every.value <= rest.high:
        return f"{told}: a difference within the 95% interval."
    return f"{told}: {with_them.format(better='better' if better else 'worse')}."
