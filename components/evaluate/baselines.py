"""Is the network worth it? Plain models, fitted on the train split and measured on test beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from components.evaluate.results import Result
from components.lib.dataset import Dataset
from components.lib.kinds import Array
from components.lib.model_dir import Model
from components.lib.numbers import number
from components.lib.page import Section, paragraph, prose, table
from components.lib.statistics import Estimate

MOST_ROWS = 100_000
"""Training samples that a baseline is fitted on: seconds on one core."""
WORDS = {
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "r2": "R²",
    "auc": "AUC",
    "average_precision": "average precision",
    "brier": "Brier score",
}

IN_UNITS = ("mae", "rmse")
"""Metrics in the target's own unit, of any size; all others are around 0 to 1."""

Floats = NDArray[np.float32]
Finding = Literal["better", "worse", "alike", "unknown"]


@dataclass(frozen=True)
class Baseline:
    """One plain model of one target, measured on the test samples that the network was measured on."""

    target: str
    title: str
    """The target's name for a heading."""
    name: str
    inputs: tuple[str, ...]
    """The inputs it reads: those that can be laid out as columns."""
    left_out: tuple[str, ...]
    """The network's other inputs."""
    rows: int
    """Training samples it was fitted on."""
    of: int
    """Training samples whose target is known."""
    metrics: Mapping[str, Estimate]
    """The comparable metrics of the target's kind, of the baseline."""
    network: Mapping[str, Estimate]
    """The same metrics of the network."""
    difference: Estimate
    """The first of them, baseline less network, with a paired interval."""

    @property
    def metric(self) -> str:
        """What the difference is of."""
        return next(iter(self.metrics))

    @property
    def finding(self) -> Finding:
        """What the difference says of the baseline: better or worse only where its interval leaves out 0."""
        if not self.difference.trusted:
            return "unknown"
        if self.difference.low <= 0 <= self.difference.high:
            return "alike"
        lower_is_better = self.metrics[self.metric].better == "lower"
        return "better" if (self.difference.value < 0) == lower_is_better else "worse"


def baselines(
    data: Dataset, network: Model, results: Sequence[Result], arrays: Mapping[str, Array], *, seed: int = 0
) -> tuple[Baseline, ...]:
    """Fit and measure the baselines of every target. Equal data and seed give equal figures.

    They are fitted on what the network learnt from: train, or with cross-validation train and validation. They have no
    decision of their own, so only metrics that need none are compared. A target gets none
    where no input can be laid out as columns, where fewer than two different values are known in train, or none in
    test.

    Args:
        data: the cleaned dataset that the model was trained on.
        network: the model.
        results: of the network, per target, on the test split.
        arrays: per input, the test split's samples (N, *shape), in the order of the results.
        seed: of the baselines and of the choice of rows, where train has more than 100,000.
    """
    fed = {name: columns for name in network.info.inputs if (columns := _features(network, name, arrays)) is not None}
    if not fed:
        return ()
    samples, training = _learnt_from(data, network, list(fed))
    test = np.concatenate(list(fed.values()), axis=1)
    left_out = tuple(name for name in network.info.inputs if name not in fed)
    found: list[Baseline] = []
    # One thread: sums in another order would give other last bits on another machine.
    with threadpool_limits(limits=1):
        for result in results:
            found += _of_target(network, result, samples[result.target], training, test, left_out, seed)
    return tuple(found)


def _learnt_from(data: Dataset, network: Model, names: list[str]) -> tuple[pd.DataFrame, dict[str, Array]]:
    splits = ("train", "validation") if network.info.cross_validated else ("train",)
    pieces = [data.select(split, names) for split in splits]
    arrays = {name: np.concatenate([held[name] for _, held in pieces]) for name in names}
    return pd.concat([table for table, _ in pieces], ignore_index=True), arrays


def sections(found: Sequence[Baseline]) -> list[Section]:
    """The report's section on each target that has baselines."""
    return [
        Section(f"Network and baselines: {own[0].title}", (_verdict(own), _table(own), paragraph(_how(own[0]))))
        for own in _by_target(found)
    ]


def lines(found: Sequence[Baseline]) -> list[str]:
    """For the terminal: one line a target."""
    return [_line(own) for own in _by_target(found)]


def _features(network: Model, name: str, arrays: Mapping[str, Array]) -> Floats | None:
    """One input as columns (N, F)."""
    kind = network.info.inputs[name]
    return kind.features(kind.to_network(arrays[name], network.info.fitted_inputs[name]))


def _of_target(
    network: Model,
    result: Result,
    values: pd.Series,
    training: Mapping[str, Array],
    test: Floats,
    left_out: tuple[str, ...],
    seed: int,
) -> list[Baseline]:
    kind = result.kind
    encoded, known = kind.encode(values)
    rows = _chosen(np.flatnonzero(known), seed)
    target = kind.baseline_target(encoded[rows])
    if len(np.unique(target)) < 2 or not result.known.any():
        return []
    pieces = {name: _features(network, name, {name: array[rows]}) for name, array in training.items()}
    columns = np.concatenate([piece for piece in pieces.values() if piece is not None], axis=1)
    truth, answered = result.encoded[result.known], result.output[result.known]
    whose = result.patients_of(result.known)
    found = []
    for name, estimator in kind.baselines(seed).items():
        output = kind.baseline_output(estimator.fit(columns, target), test[result.known])
        measured = kind.metrics(output, truth, result.fitted.decision, whose)
        found.append(
            Baseline(
                target=result.target,
                title=result.title,
                name=name,
                inputs=tuple(pieces),
                left_out=left_out,
                rows=len(rows),
                of=int(known.sum()),
                metrics={metric: measured[metric] for metric in kind.comparable},
                network={metric: result.metrics[metric] for metric in kind.comparable},
                difference=kind.difference(answered, output, truth, whose),
            )
        )
    return found


def _chosen(rows: NDArray[np.intp], seed: int) -> NDArray[np.intp]:
    """The rows that are fitted on, in order: all, or as many as is quick."""
    if len(rows) <= MOST_ROWS:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, MOST_ROWS, replace=False))


def _by_target(found: Sequence[Baseline]) -> list[list[Baseline]]:
    targets = dict.fromkeys(each.target for each in found)
    return [[each for each in found if each.target == target] for target in targets]


def _table(target: Sequence[Baseline]) -> Markup:
    """The network first, then each baseline."""
    first = target[0]
    models = {"network": first.network} | {each.name: each.metrics for each in target}
    frame = pd.DataFrame({"Model": list(models)})
    for metric in first.metrics:
        frame[_capital(_word(metric))] = [_figure(metric, metrics[metric]) for metrics in models.values()]
    frame[f"Difference in {_word(first.metric)}"] = ["–", *(_difference(each) for each in target)]
    return table(frame, "On the same test samples. In brackets: the 95% interval; of the difference, paired by sample.")


def _verdict(target: Sequence[Baseline]) -> Markup:
    # Not `page.verdict`: its Passed and Failed are for gates, and this is none.
    findings = {each.finding for each in target}
    look = " failed" if "better" in findings else "" if "unknown" in findings else " passed"
    return Markup('<p class="verdict{}">{}</p>').format(look, prose(_sentence(target)))


def _sentence(target: Sequence[Baseline]) -> str:
    """Which model one should take, in words."""
    groups = {finding: [each for each in target if each.finding == finding] for finding in ("better", "alike", "worse")}
    if better := groups["better"]:
        best = max(better, key=lambda each: abs(each.difference.value))
        return f"{_capital(best.name)}: {_told(best)}. Consider it in place of the network."
    if alike := groups["alike"]:
        told = "; ".join(f"{each.name}, whose {_told(each)}" for each in alike)
        return (
            f"The network can't be told from {told}: the interval of the difference holds 0. What is simpler is easier "
            "to keep."
        )
    if len(groups["worse"]) == len(target):
        told = "; ".join(f"with {each.name} the {_told(each)}" for each in target)
        return f"The network does better than every baseline: {told}."
    notes = dict.fromkeys(each.difference.note for each in target if each.finding == "unknown")
    return f"Network and baselines can't be compared: {'; '.join(notes)}."


def _told(each: Baseline) -> str:
    """`mean absolute error is lower by 5,912 (4,800 to 7,000)`; where 0 is inside, `… by 12 (−3 to 27)`."""
    value, low, high = each.difference.value, each.difference.low, each.difference.high
    if value < 0:
        value, low, high = -value, -high, -low
    word = "lower" if each.difference.value < 0 else "higher"
    told, *ends = (_number(each.metric, end) for end in (value, low, high))
    return f"{_word(each.metric)} is {word} by {told} ({' to '.join(ends)})"


def _how(first: Baseline) -> str:
    inputs = f"from {' and '.join(first.inputs)} alone, without {' and '.join(first.left_out)}"
    of = f"{first.rows:,} of the {first.of:,}" if first.rows < first.of else f"the {first.of:,}"
    return (
        f"Each baseline was fitted on {of} training samples whose target is known"
        f"{', ' + inputs if first.left_out else ''}, with its usual settings and nothing tuned on validation or test. "
        "It was not calibrated, and has no decision of its own: only figures that need none are compared."
    )


def _line(target: Sequence[Baseline]) -> str:
    first = target[0]
    told = [f"{each.name} {_value(each.metric, each.metrics[each.metric])} ({_difference(each)})" for each in target]
    network = _value(first.metric, first.network[first.metric])
    return f"{first.target}: {_word(first.metric)} of the network {network}; " + "; ".join(told)


def _difference(each: Baseline) -> str:
    found = each.difference
    if not found.known:
        return f"unknown: {found.note}"
    few = f", {found.note}" if found.note else ""
    value, low, high = (_signed(each.metric, end) for end in (found.value, found.low, found.high))
    return f"{value}, {low} to {high}{few}: {_CALLED[each.finding]}"


_CALLED: Mapping[Finding, str] = {
    "better": "better",
    "worse": "worse",
    "alike": "no difference shown",
    "unknown": "can't be judged",
}


def _figure(metric: str, estimate: Estimate) -> str:
    if not estimate.known:
        return "unknown"
    return f"{_value(metric, estimate)} ({_number(metric, estimate.low)} to {_number(metric, estimate.high)})"


def _value(metric: str, estimate: Estimate) -> str:
    return _number(metric, estimate.value) if estimate.known else "unknown"


def _number(metric: str, value: float) -> str:
    return number(value) if metric in IN_UNITS else f"{value:.3f}".replace("-", "−")


def _signed(metric: str, value: float) -> str:
    return f"+{_number(metric, value)}" if value > 0 else _number(metric, value)


def _word(metric: str) -> str:
    return WORDS.get(metric, metric.replace("_", " "))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
