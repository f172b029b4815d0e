"""Calibration as the field reports it, in words and numbers: in the large, slope, observed/expected, curves, intervals.

Of numbers: the line of known values over predictions, and whether intervals of every promise keep it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from markupsafe import Markup

from components.evaluate.calibration_curves import ClassCurve, curves
from components.evaluate.reliability_charts import interval_coverage
from components.evaluate.results import Result
from components.lib.bootstrap import Design
from components.lib.calibration_curve import DISTANCES, E90, EMAX, ICI, curve, distances
from components.lib.class_metrics import Share, measured
from components.lib.kinds import Chart
from components.lib.kinds._classes import hundred, spoken
from components.lib.numbers import number
from components.lib.page import paragraph, table
from components.lib.quantile_error import quantile_error
from components.lib.recalibration import LARGE, MEASURES, RATIO, SLOPE, measures, noted, of_numbers, slope
from components.lib.statistics import Bools, Estimate, Floats

IDEAL = {LARGE: 0.0, SLOPE: 1.0, RATIO: 1.0}
TITLES = {LARGE: "In the large", SLOPE: "Slope", RATIO: "Observed/expected"}
SHARES = (0.5, 0.8, 0.9)
"""Of the intervals, those in the table; the chart has all."""
GLOSS = (
    "Observed/expected: how many there were over how many the probabilities add up to. In the large: by how much all "
    "log odds are too low (above 0) or too high (below 0). Slope: below 1, probabilities are too extreme, so that low "
    "ones are too low and high ones too high; above 1, not extreme enough."
)


@dataclass(frozen=True)
class Measured:
    """What stands in the section on calibration, above all else."""

    blocks: tuple[Markup, ...]
    chart: Chart
    metrics: Mapping[str, Estimate]
    """By the name that a gate takes."""


def of_classes(result: Result) -> Measured:
    """The measures of each class against the rest, of two classes of the positive one; and their smooth curves."""
    encoded = result.encoded[result.known]
    stated = result.kind.stated_of_classes(result.output[result.known], encoded)
    patients = result.patients_of(result.known)
    found: dict[str, dict[str, Estimate]] = {}
    metrics: dict[str, Estimate] = {}
    drawn: list[ClassCurve] = []
    for label, (probability, true) in stated.items():
        design = Design.of(true.astype(np.intp), patients)
        few = _few(design, true, spoken(label))
        found[label] = noted(measures(probability, true, design), few)
        metrics |= {result.kind.class_metric(name, label): each for name, each in found[label].items()}
        smooth = curve(probability, true, design)
        drawn.append(ClassCurve(spoken(label), probability, true, smooth))
        if len(stated) == 1:
            metrics |= noted(distances(smooth, probability), few)
    if len(stated) > 1:
        design = Design.of(np.zeros(len(encoded), np.intp), patients)
        fewest = next((each[SLOPE].note for each in found.values() if each[SLOPE].note), "")
        metrics[SLOPE] = noted({SLOPE: slope(stated, design)}, fewest)[SLOPE]
    metrics = {name: _explained(name, each) for name, each in metrics.items()}
    words = _of_one(*next(iter(found.items())), stated, metrics) if len(found) == 1 else _of_several(found, metrics)
    return Measured((*map(paragraph, words), _table(found), paragraph(GLOSS)), curves(drawn), metrics)


def _few(design: Design, true: Bools, label: str) -> str:
    return design.too_few(true, f"labelled {label}") or design.too_few(~true, f"labelled otherwise than {label}")


def _explained(name: str, found: Estimate) -> Estimate:
    meaning = f"{_meaning(name)}." if found.known else ""
    return replace(found, better="lower" if name in DISTANCES else "between", meaning=meaning)


def _meaning(name: str) -> str:
    of = next((measure for measure in MEASURES if name.startswith(measure)), name)
    return {
        LARGE: "Shift of the log odds that would make the mean probability right: 0 is right",
        SLOPE: "Below 1, probabilities are too extreme; above 1, not extreme enough",
        RATIO: "Observed over expected: below 1, probabilities are too high on the whole; above 1, too low",
        ICI: "Mean gap between stated probabilities and the smooth curve",
        E90: "Nine of ten samples lie nearer to the smooth curve",
        EMAX: "The largest gap between stated probabilities and the smooth curve",
    }[of]


def _of_one(
    label: str,
    found: Mapping[str, Estimate],
    stated: Mapping[str, tuple[Floats, Bools]],
    metrics: Mapping[str, Estimate],
) -> list[str]:
    """Of two classes: the positive one in sentences."""
    probability, true = stated[label]
    name = spoken(label)
    ratio, extreme = found[RATIO], found[SLOPE]
    lines = [
        f"Of {len(true):,} samples, {int(true.sum()):,} are labelled {name}; the stated probabilities add up to "
        f"{number(float(probability.sum()))}. {_ratio_words(ratio)}",
        _slope_words(extreme),
    ]
    if metrics[ICI].known:
        mean, nine, most = (metrics[each] for each in DISTANCES)
        lines.append(
            f"The smooth curve lies {_points(mean)} points of 100 from what is stated on average (ICI), within "
            f"{_points(nine)} for nine of ten samples (E90), {_points(most)} at most (Emax). Chance alone makes these "
            "larger than 0."
        )
    else:
        lines.append(f"{metrics[ICI].note[:1].upper()}{metrics[ICI].note[1:]}.")
    return lines


def _points(found: Estimate) -> str:
    return f"{100 * found.value:.1f} ({100 * found.low:.1f} to {100 * found.high:.1f})"


def _ratio_words(found: Estimate) -> str:
    if not found.known:
        return f"Observed/expected is unknown: {found.note}."
    start = f"Observed/expected is {found}: "
    return start + _by_chance(
        found, 1.0, "probabilities are too high on the whole", "probabilities are too low on the whole"
    )


def _slope_words(found: Estimate) -> str:
    if not found.known:
        return f"The calibration slope is unknown: {found.note}."
    start = f"The calibration slope is {found}: "
    return start + _by_chance(found, 1.0, "probabilities are too extreme", "probabilities aren't extreme enough")


def _by_chance(found: Estimate, ideal: float, below: str, above: str) -> str:
    """What a figure off its ideal means, where chance alone doesn't explain it."""
    if found.note:
        return f"not to be relied on: {found.note}."
    if found.low <= ideal <= found.high:
        return f"not off {ideal:g} beyond chance."
    return f"{below if found.value < ideal else above}, beyond chance."


def _of_several(found: Mapping[str, Mapping[str, Estimate]], metrics: Mapping[str, Estimate]) -> list[str]:
    """Of several classes: one slope for all, and which classes are off."""
    off = [
        f"{spoken(label)} ({number(each[RATIO].value)})"
        for label, each in found.items()
        if each[RATIO].trusted and not each[RATIO].low <= 1 <= each[RATIO].high
    ]
    words = (
        f"observed/expected is off beyond chance: {', '.join(off)}"
        if off
        else "no observed/expected is off beyond chance"
    )
    return [f"{_slope_words(metrics[SLOPE])} It is one slope for all classes, each against the rest.",
            f"Of the single classes, {words}."]  # fmt: skip


def _table(found: Mapping[str, Mapping[str, Estimate]]) -> Markup:
    """A row a measure, of several classes a row a class."""
    if len(found) == 1:
        (only,) = found.values()
        rows = [(f"{TITLES[name]} (right: {IDEAL[name]:g})", _shown(each)) for name, each in only.items()]
        return table(pd.DataFrame(rows, columns=["Calibration", "Found"]), "In brackets: the 95% interval.")
    order = (RATIO, SLOPE, LARGE)
    frame = pd.DataFrame(
        [(spoken(label), *(_shown(each[name]) for name in order)) for label, each in found.items()],
        columns=["Class", *(f"{TITLES[name]} (right: {IDEAL[name]:g})" for name in order)],
    )
    return table(frame, "Each class against the rest. In brackets: the 95% interval.")


def _shown(found: Estimate) -> str:
    return str(found) if found.known else "–"


def of_numbers_stated(result: Result, levels: Mapping[float, Bools]) -> Measured:
    """The line of known values over predictions; the error of the quantiles; and intervals of every promise.

    Args:
        result: of a target that is a number.
        levels: of `TargetKind.stated_levels`, of the known samples.
    """
    known = np.asarray(result.encoded, np.float64)[result.known].reshape(-1)
    predicted = np.asarray(result.answer["prediction"], np.float64)[result.known]
    design = Design.of(np.zeros(len(known), np.intp), result.patients_of(result.known))
    few = design.too_few(np.ones(len(known), bool), "in all")
    line = of_numbers(predicted, known, design)
    found = noted({**line, "quantile_error": quantile_error(levels, design)}, few)
    metrics = {
        SLOPE: replace(found[SLOPE], better="between", meaning=NUMBER_MEANING[SLOPE]),
        "calibration_intercept": replace(
            found["calibration_intercept"], better="between", meaning=NUMBER_MEANING["calibration_intercept"]
        ),
        "quantile_error": replace(found["quantile_error"], meaning=NUMBER_MEANING["quantile_error"]),
    }
    coverage = _intervals(levels, design)
    words = [_line_words(metrics), _quantile_words(metrics["quantile_error"])]
    blocks = (*map(paragraph, words), _coverage_table(coverage))
    return Measured(blocks, interval_coverage(coverage), metrics)


NUMBER_MEANING = {
    SLOPE: "Below 1, predictions spread too far: high ones are too high, low ones too low; above 1, not far enough.",
    "calibration_intercept": "Where the line of known values over predictions meets 0.",
    "quantile_error": "Mean gap between the share of values that a quantile states and the share found below it.",
}


def _line_words(found: Mapping[str, Estimate]) -> str:
    spread = found[SLOPE]
    if not spread.known:
        return f"The calibration slope is unknown: {spread.note}."
    shift = found["calibration_intercept"]
    line = f"{number(shift.value)} {'−' if spread.value < 0 else '+'} {number(abs(spread.value))} × the prediction"
    start = f"Known values lie around {line}. "
    below, above = "predictions spread too far", "predictions don't spread far enough"
    return f"{start}The calibration slope is {spread}: {_by_chance(spread, 1.0, below, above)}"


def _quantile_words(found: Estimate) -> str:
    words = f"Stated quantiles are off by {_points(found)} points of 100 on average"
    if found.note:
        return f"{words}; not to be relied on: {found.note}."
    return f"{words}{', beyond chance' if found.low > 0 else ', which chance explains'}."


def _intervals(levels: Mapping[float, Bools], design: Design) -> dict[float, Estimate]:
    """Of the intervals between quantiles at equal distance from the median: what they promise to what they hold."""
    ordered = sorted(levels)
    pairs = zip(ordered[: len(ordered) // 2], reversed(ordered[(len(ordered) + 1) // 2 :]), strict=True)
    every = np.ones(len(next(iter(levels.values()))), bool)
    shares = {round(high - low, 4): Share(levels[high] & ~levels[low], every) for low, high in pairs}
    named = {str(promise): share for promise, share in shares.items()}
    found = measured(named, {}, design, shares=())
    return {promise: found[str(promise)] for promise in sorted(shares)}


def _coverage_table(found: Mapping[float, Estimate]) -> Markup:
    shown = {promise: each for promise, each in found.items() if promise in SHARES} or found
    rows = [(f"{promise:.0%}", f"{hundred(each)} of 100", str(each.n)) for promise, each in shown.items()]
    frame = pd.DataFrame(rows, columns=["Should hold", "Holds (95% interval)", "n"])
    return table(frame, "Intervals around the prediction.")
