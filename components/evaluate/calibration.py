"""Do stated probabilities come true? Before and after calibration; of numbers, whether their quantiles hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from markupsafe import Markup

from components.evaluate.calibration_measures import of_classes, of_numbers_stated
from components.evaluate.figures import shown
from components.evaluate.part import Evaluated, Part
from components.evaluate.reliability_charts import quantiles, reliability
from components.evaluate.results import Result
from components.lib.bootstrap import Design, bootstrap
from components.lib.brier import decompose
from components.lib.calibration_interval import calibration_error
from components.lib.class_metrics import Share, measured
from components.lib.kinds import Chart
from components.lib.kinds._classes import hundred
from components.lib.kinds.base import Whose
from components.lib.numbers import signed
from components.lib.page import Section, paragraph, table
from components.lib.resampling import calibration_bins, calibration_floor, ratio
from components.lib.statistics import Bools, Estimate, Floats, missing

WORTH_A_WARNING = 0.1
"""A calibration error that is larger beyond chance stands at the top of the report."""
SHOWN = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
"""Of the quantiles, those in the table; the chart has all."""
NOTHING = "No truth is known on test: whether what the model states comes true can't be told."


@dataclass(frozen=True)
class Stated:
    """Probabilities that were stated of n samples, and what came true."""

    confidence: Floats
    true: Bools
    error: Estimate
    """The calibration error."""
    brier: Estimate


def part(evaluated: Evaluated) -> Part:
    """A section and a chart of each target; a warning where probabilities are far off."""
    sections: list[Section] = []
    charts: dict[str, Chart] = {}
    metrics: dict[str, Mapping[str, Estimate]] = {}
    warnings: list[str] = []
    for result in evaluated.results:
        section, drawn, found, warning = _look(result)
        sections.append(section)
        charts |= {f"{result.target}_{chart.name}": chart for chart in drawn}
        metrics[result.target] = found
        warnings += [warning] if warning else []
    return Part(tuple(sections), charts, metrics, tuple(warnings))


def _look(result: Result) -> tuple[Section, tuple[Chart, ...], Mapping[str, Estimate], str]:
    title = f"Calibration: {result.title}"
    if not result.known.any():
        none = {name: missing("no sample to count") for name in result.kind.calibration_names}
        return Section(title, (paragraph(NOTHING),)), (), none, ""
    output, encoded = result.output[result.known], result.encoded[result.known]
    if (stated := result.kind.stated(output, encoded)) is not None:
        before = result.kind.before_calibration(output, result.fitted.scaling)
        earlier = result.kind.stated(before, encoded)
        blocks, chart, warning = _of_probabilities(result, stated, earlier or stated)
        measures = of_classes(result)
    elif levels := result.kind.stated_levels(output, encoded, result.fitted.decision):
        measures = of_numbers_stated(result, levels)
        blocks, chart = _of_quantiles(result, levels)
        warning = ""
    else:
        return Section(title, (paragraph("The model states neither a probability nor quantiles."),)), (), {}, ""
    drawn = (measures.chart, chart)
    parts = (*measures.blocks, shown(measures.chart, result.target), *blocks, shown(chart, result.target))
    return Section(title, parts), drawn, measures.metrics, warning


def _of_probabilities(
    result: Result, after: tuple[Floats, Bools], before: tuple[Floats, Bools]
) -> tuple[list[Markup], Chart, str]:
    """Both tables, in words; the chart; and a warning where it is needed."""
    patients = result.patients_of(result.known)
    design = Design.of(after[1].astype(np.intp), patients)
    rows = {
        "Before (as the network was trained)": _stated(*before, design),
        "After (as it is served)": _stated(*after, design),
    }
    served = rows["After (as it is served)"]
    few = design.too_few(np.ones(len(served.true), bool), "in all")
    came_true = result.kind.came_true
    blocks = [paragraph(_words(served, few)), *map(paragraph, _in_groups(served, patients, came_true))]
    blocks += [
        _table(rows),
        paragraph(_helped(result, after, before, design)),
        _decomposed(rows),
        paragraph(GLOSS),
    ]
    chart = reliability(before, after)
    return blocks, chart, _warning(result, served, few)


GLOSS = (
    "Brier score = reliability − resolution + uncertainty + within groups. Reliability: the cost of probabilities that "
    "don't come true, 0 is best. Resolution: the gain from telling samples apart, the more the better. Uncertainty: "
    "what always stating the share of all would give. Within groups: probabilities that differ in one group."
)


def _stated(confidence: Floats, true: Bools, design: Design) -> Stated:
    losses = ratio((confidence - true) ** 2, np.ones(len(true)))
    brier = measured({}, {"brier": losses}, design, most={"brier": 1.0})["brier"]
    return Stated(confidence, true, calibration_error(confidence, true, design), brier)


def _words(served: Stated, few: str) -> str:
    """How far off, and how far chance alone would put it."""
    off, low, high = (100 * value for value in (served.error.value, served.error.low, served.error.high))
    floor = 100 * calibration_floor(served.confidence)
    text = (
        f"Stated probabilities are off by {off:.1f} points of 100 on average ({low:.1f} to {high:.1f}); on so many "
        f"samples a perfectly calibrated model shows {floor:.1f} by chance alone."
    )
    return f"{text} Not to be relied on: {few}." if few else text


def _in_groups(served: Stated, patients: Whose, came_true: str) -> list[str]:
    """What came true where the model states a low, a middling and a high probability."""
    bins = calibration_bins(served.confidence)
    means = np.bincount(bins, served.confidence) / np.bincount(bins)
    chosen = sorted({int(means.argmin()), int(np.abs(means - 0.5).argmin()), int(means.argmax())})
    told = []
    for group in chosen:
        member = bins == group
        design = Design.of(np.zeros(int(member.sum()), np.intp), None if patients is None else patients[member])
        share = Share(served.true[member], np.ones(int(member.sum()), bool))
        found = measured({"share": share}, {}, design, shares=())["share"]
        samples = f"{found.n:,} sample{'' if found.n == 1 else 's'}"
        said = f"When it says about {100 * means[group]:.0f} of 100 ({samples})"
        told.append(f"{said}, {hundred(found)} of 100 are {came_true}.")
    return told


def _table(rows: Mapping[str, Stated]) -> Markup:
    frame = pd.DataFrame(
        [(name, str(each.error), str(each.brier), str(len(each.true))) for name, each in rows.items()],
        columns=["Probabilities", "Calibration error (ECE)", "Brier score", "n"],
    )
    return table(frame, "0 is best. In brackets: the 95% interval.")


def _helped(result: Result, after: tuple[Floats, Bools], before: tuple[Floats, Bools], design: Design) -> str:
    """What calibration did, and whether it made the Brier score better, paired by sample."""
    said = result.kind.scaling_text(result.fitted.scaling)
    if not said:
        return "Nothing was changed after training."
    gain = (after[0] - after[1]) ** 2 - (before[0] - before[1]) ** 2
    found = bootstrap({"gain": ratio(gain, np.ones(len(gain)))}, design.any_mix)["gain"]
    ends = f"{signed(found.value)} ({signed(found.low)} to {signed(found.high)})"
    if found.low <= 0 <= found.high:
        verdict = "a gain or a loss can't be told from chance"
    else:
        verdict = f"{'better' if found.value < 0 else 'worse'} than before"
    return f"Calibration, fitted on validation: {said}. It changed the Brier score by {ends}: {verdict}."


def _decomposed(rows: Mapping[str, Stated]) -> Markup:
    parts = {name: decompose(each.confidence, each.true) for name, each in rows.items()}
    frame = pd.DataFrame(
        [
            (name, *(f"{v:.4f}" for v in (e.score, e.reliability, e.resolution, e.uncertainty, e.within)))
            for name, e in parts.items()
        ],
        columns=["Probabilities", "Brier score", "Reliability", "Resolution", "Uncertainty", "Within groups"],
    )
    return table(frame.replace("-0.0000", "0.0000"), "What the Brier score is made of (Murphy 1973).")


def _warning(result: Result, served: Stated, few: str) -> str:
    if few or served.error.low <= WORTH_A_WARNING:
        return ""
    return (
        f"{result.title}: stated probabilities are off by {100 * served.error.value:.0f} points of 100 on average, and "
        f"by {100 * served.error.low:.0f} at least. Don't read them as chances."
    )


def _of_quantiles(result: Result, levels: Mapping[float, Bools]) -> tuple[list[Markup], Chart]:
    """Share of known values below each quantile that validation gave."""
    patients = result.patients_of(result.known)
    n = int(result.known.sum())
    every = np.ones(n, bool)
    design = Design.of(np.zeros(n, np.intp), patients)
    shares = {str(level): Share(below, every) for level, below in levels.items()}
    found = measured(shares, {}, design, shares=())
    estimates = {level: replace(found[str(level)], note=design.too_few(every, "in all")) for level in levels}
    off = [level for level, each in estimates.items() if each.trusted and not each.low <= level <= each.high]
    shown = {level: each for level, each in estimates.items() if level in SHOWN} or estimates
    rows = [(f"{level:.0%}", f"{hundred(each)} of 100", str(each.n)) for level, each in shown.items()]
    frame = pd.DataFrame(rows, columns=["Stated share below", "Found (95% interval)", "n"])
    blocks = [
        paragraph(_quantile_words(estimates, off)),
        table(frame, "Known values at or below each stated quantile."),
    ]
    return blocks, quantiles(estimates)


def _quantile_words(found: Mapping[float, Estimate], off: list[float]) -> str:
    middle = min(found, key=lambda level: abs(level - 0.8))
    text = (
        f"Around each prediction validation gave quantiles. Where they state that {100 * middle:.0f} of 100 known "
        f"values lie below, {hundred(found[middle])} do. "
    )
    note = found[middle].note
    if note:
        return f"{text}Not to be relied on: {note}."
    if not off:
        return f"{text}No quantile is off beyond chance."
    told = ", ".join(f"{level:.0%}" for level in off)
    return f"{text}Off beyond chance: {told} ({len(off)} of {len(found)}; about one in 20 is by chance alone)."
