"""What happens to the model when samples get worse in ways that happen in practice.

After Hendrycks & Dietterich 2019, arXiv:1903.12261. What gets worse, and how, is the input kind's to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray

from components.evaluate.chosen import chosen, in_words, told
from components.evaluate.figures import draw
from components.evaluate.part import Evaluated, Part
from components.evaluate.results import Result
from components.lib.kinds import Array, Chart
from components.lib.kinds._charts import COLOURS, GREY, single_axes
from components.lib.kinds.base import Corruption
from components.lib.numbers import number
from components.lib.page import Section, paragraph, picture, table
from components.lib.statistics import Estimate

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

STRENGTHS = (1, 2, 3, 4, 5)
MIDDLE = 3
"""The strength that is put into words."""
MOST_SAMPLES, FEWEST_SAMPLES = 192, 64
MOST_NUMBERS = 16_000_000
"""That the network is given in all; of large samples there are fewer, so that a look takes seconds."""
FAR_FALL = 0.1
"""Share of a figure that is lost at the lowest strength when a reader is warned."""


@dataclass(frozen=True)
class Curve:
    """One target under one corruption."""

    name: str
    """Of the corruption, in words."""
    figures: tuple[Estimate, ...]
    """The metric at each strength."""
    differences: tuple[Estimate, ...]
    """Of it to the untouched samples, paired, at the lowest and at the middle strength."""


@dataclass(frozen=True)
class Found:
    """One target under all corruptions."""

    result: Result
    rows: NDArray[np.intp]
    untouched: Estimate
    curves: tuple[Curve, ...]

    @property
    def metric(self) -> str:
        """What is measured."""
        return self.result.kind.comparable[0]

    @property
    def worst(self) -> Curve:
        """What hurts most at the middle strength."""
        return max(self.curves, key=lambda curve: self.loss(curve.figures[MIDDLE - 1]))

    def loss(self, estimate: Estimate) -> float:
        """How much worse a figure is than that of the untouched samples."""
        sign = 1 if self.untouched.better == "higher" else -1
        return sign * (self.untouched.value - estimate.value)


def part(evaluated: Evaluated) -> Part:
    """One section, one chart and one figure a target; a sentence where nothing can be measured."""
    if not any(kind.corruptions for kind in evaluated.network.info.inputs.values()):
        return Part()
    found = [_measured(evaluated, result) for result in evaluated.results]
    charts = {f"{each.result.target}_robustness": _chart(each) for each in found if isinstance(each, Found)}
    sections, metrics, warnings = [], {}, []
    for result, each in zip(evaluated.results, found, strict=True):
        title = f"When {evaluated.noun} get worse: {result.title}"
        if isinstance(each, str):
            sections.append(Section(title, (paragraph(each),)))
            continue
        chart = charts[f"{result.target}_robustness"]
        sections.append(Section(title, (*_blocks(evaluated, each, chart), *_examples(evaluated, each))))
        metrics[result.target] = {f"{each.metric}_under_{MIDDLE}": each.worst.figures[MIDDLE - 1]}
        warnings += _warnings(evaluated, each)
    return Part(tuple(sections), charts, metrics, tuple(warnings))


def _measured(evaluated: Evaluated, result: Result) -> Found | str:
    """The curves of a target, or why there are none."""
    kinds = evaluated.network.info.inputs
    corruptions = [(name, each, how) for name, kind in kinds.items() for each, how in kind.corruptions.items()]
    numbers = sum(int(np.prod(kind.shape)) for kind in kinds.values())
    per_sample = max(1, numbers) * len(corruptions) * len(STRENGTHS)
    rows = chosen(result, int(np.clip(MOST_NUMBERS // per_sample, FEWEST_SAMPLES, MOST_SAMPLES)))
    plain = {name: np.asarray(array[rows]) for name, array in evaluated.arrays.items()}
    output, encoded = result.output[rows], result.encoded[rows]
    whose, decision = result.patients_of(rows), result.fitted.decision
    untouched = result.kind.comparable_metric(output, encoded, decision, whose)
    if not untouched.known:
        return f"Not measured: {in_words(result.kind.comparable[0])} is unknown ({untouched.note})."
    curves = []
    for place, (name, title, corruption) in enumerate(corruptions):
        outputs = [
            evaluated.network.predict({**plain, name: _worse(plain[name], corruption, place, strength)})[result.target]
            for strength in STRENGTHS
        ]
        figures = [result.kind.comparable_metric(each, encoded, decision, whose) for each in outputs]
        differences = [result.kind.difference(output, outputs[at - 1], encoded, whose) for at in (1, MIDDLE)]
        curves.append(Curve(title, tuple(figures), tuple(differences)))
    return Found(result, rows, untouched, tuple(curves))


def _worse(cleaned: Array, corruption: Corruption, place: int, strength: int) -> Array:
    return corruption.apply(cleaned, strength, np.random.default_rng([place, strength]))


def _blocks(evaluated: Evaluated, found: Found, chart: Chart) -> tuple[Markup, ...]:
    what = (
        f"{_capital(told(found.rows, found.result, evaluated.noun))} were made worse on purpose, as happens in "
        "practice, at five strengths each; the network was asked again."
    )
    frame = pd.DataFrame(
        [[curve.name, *[_cell(each) for each in curve.figures]] for curve in found.curves],
        columns=["Made worse by", *[f"Strength {strength}" for strength in STRENGTHS]],
    )
    caption = f"{_capital(in_words(found.metric))} with its 95% interval; untouched it is {_cell(found.untouched)}."
    return (
        paragraph(what),
        paragraph(_sentence(found)),
        picture(draw(chart), f"{chart.title}. {_sentence(found)}", chart.caption),
        table(frame, caption),
        table(_strengths(evaluated), "What each strength is."),
    )


def _sentence(found: Found) -> str:
    """What hurts most, and whether it can be told from chance."""
    worst, metric = found.worst, in_words(found.metric)
    difference = worst.differences[1]
    before, after = number(found.untouched.value), number(worst.figures[MIDDLE - 1].value)
    if found.loss(worst.figures[MIDDLE - 1]) <= 0:
        return f"At strength {MIDDLE} nothing of it makes the {metric} worse than untouched ({before})."
    verb = "falls" if found.untouched.better == "higher" else "rises"
    said = f"With {worst.name} of strength {MIDDLE} the {metric} {verb} from {before} to {after}"
    if not difference.known or difference.low <= 0 <= difference.high:
        return f"{said}, the most of all at that strength; a change of this size could be chance."
    ends = sorted(abs(end) for end in (difference.low, difference.high))
    return f"{said}, the most of all at that strength: a difference of {number(ends[0])} to {number(ends[1])}."


def _strengths(evaluated: Evaluated) -> pd.DataFrame:
    rows = [
        [f"{title}: {corruption.measure}", *corruption.strengths]
        for kind in evaluated.network.info.inputs.values()
        for title, corruption in kind.corruptions.items()
    ]
    return pd.DataFrame(rows, columns=["Made worse by", *[f"Strength {strength}" for strength in STRENGTHS]])


def _examples(evaluated: Evaluated, found: Found) -> list[Markup]:
    """One sample at the middle strength of each; of real patients only where the task file lets them be shown."""
    if not (evaluated.data.info.synthetic or evaluated.spec.evaluate.thumbnails):
        return []
    shown = []
    kinds = evaluated.network.info.inputs
    ways = [(name, kind, *each) for name, kind in kinds.items() for each in kind.corruptions.items()]
    for place, (name, kind, title, corruption) in enumerate(ways):
        worse = _worse(np.asarray(evaluated.arrays[name][found.rows]), corruption, place, MIDDLE)[0]
        caption = f"{_capital(title)} of strength {MIDDLE} ({corruption.measure}: {corruption.strengths[MIDDLE - 1]})"
        shown.append(picture(kind.picture(worse, None, 1.0), f"One of the {kind.noun}. {caption}", caption))
    return shown


def _warnings(evaluated: Evaluated, found: Found) -> list[str]:
    """Of what costs much already at the lowest strength."""
    said = []
    for curve in found.curves:
        lost, difference = found.loss(curve.figures[0]), curve.differences[0]
        sure = difference.known and not difference.low <= 0 <= difference.high
        if sure and lost > FAR_FALL * abs(found.untouched.value):
            before, after = number(found.untouched.value), number(curve.figures[0].value)
            said.append(
                f"{found.result.title}: a little {curve.name} already takes the {in_words(found.metric)} from {before} "
                f"to {after}. Check the {evaluated.noun} of every new machine before use."
            )
    return said


def _chart(found: Found) -> Chart:
    """The metric over the strength, a line a corruption."""
    metric, kind = in_words(found.metric), found.result.kind
    every: Mapping[str, tuple[Estimate, ...]] = {
        curve.name: (found.untouched, *curve.figures) for curve in found.curves
    }
    frame = pd.DataFrame(
        [
            {"made worse by": name, "strength": strength, "value": each.value, "low": each.low, "high": each.high}
            for name, figures in every.items()
            for strength, each in enumerate(figures)
        ]
    )

    def draw_on(figure: Canvas) -> None:
        axes = single_axes(figure, f"{_capital(metric)} when samples get worse", "Strength (0: untouched)", metric)
        for place, (name, figures) in enumerate(every.items()):
            values = [each.value for each in figures]
            axes.plot(range(len(values)), values, color=COLOURS[place % len(COLOURS)], marker="o", label=name)
        low = [found.untouched.low, found.untouched.high]
        axes.axhspan(min(low), max(low), color=GREY, alpha=0.15, linewidth=0, label="untouched, 95% interval")
        if kind.chance[0] == found.metric:
            axes.axhline(kind.chance[1], color=GREY, linestyle=":", linewidth=1, label="chance")
        axes.set_xticks(range(len(STRENGTHS) + 1))
        axes.legend(frameon=False, fontsize=8)

    bends = "falls" if found.untouched.better == "higher" else "rises"
    caption = f"{_capital(metric)} of the same samples as they get worse. A line that {bends} early is a weak point."
    return Chart("robustness", f"{_capital(metric)} when samples get worse", caption, frame, draw_on)


def _cell(estimate: Estimate) -> str:
    return str(estimate) if estimate.known else "unknown"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
