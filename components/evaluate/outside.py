"""Are the test samples of the kind that the network has learnt, and would it be noticed if they were not?

The score is that of `lib.outside`; it is held against made samples of other kinds, which the input kind gives.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from markupsafe import Markup

from components.evaluate.figures import draw
from components.evaluate.part import Evaluated, Part
from components.lib.kinds import Array, Chart, InputKind
from components.lib.kinds._charts import COLOURS, GREY, single_axes
from components.lib.outside import Floats, Outside, distance
from components.lib.page import Section, paragraph, picture, table
from components.lib.statistics import Estimate, auc, wilson
from components.lib.summaries import evenly, most

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

MOST_STRANGERS = 256
FEWEST_SAMPLES = 20
FAR_SHARE = 0.03
"""Of test samples beyond the mark: a reader is warned where the interval lies above it; 0.01 is expected."""
TICKS = tuple(step * 10**power for power in range(6) for step in (1, 2, 5))
"""Of the axis of distances."""


@dataclass(frozen=True)
class Stranger:
    """Samples of another kind, held against those of the test split."""

    name: str
    distances: Floats
    area: Estimate
    """AUC of the distance."""
    beyond: Estimate
    """Share beyond the mark."""


@dataclass(frozen=True)
class Found:
    """One input."""

    name: str
    kind: InputKind
    outside: Outside
    distances: Floats
    """Of test samples (n,)."""
    of: int
    beyond: Estimate
    """Share of the test samples beyond the mark."""
    strangers: tuple[Stranger, ...]


def part(evaluated: Evaluated) -> Part:
    """A section and a chart for each input whose training samples the model holds; else a sentence that says why."""
    sections, charts, warnings = [], {}, []
    metrics: dict[str, dict[str, Estimate]] = {result.target: {} for result in evaluated.results}
    several = len(evaluated.network.info.inputs) > 1
    for name, kind in evaluated.network.info.inputs.items():
        title = f"Samples of another kind: {name}" if several else "Samples of another kind"
        outside = evaluated.network.info.outside.get(name)
        if outside is None:
            sections.append(Section(title, (paragraph(_why_not(kind, evaluated, name)),)))
            continue
        found = _measured(evaluated, name, kind, outside)
        charts[f"{name}_outside"] = _chart(found)
        sections.append(_section(title, found, charts[f"{name}_outside"]))
        warnings += _warnings(found)
        for figures in metrics.values():
            figures[f"{name}_outside" if several else "outside"] = found.beyond
    return Part(
        tuple(sections), charts, {target: figures for target, figures in metrics.items() if figures}, tuple(warnings)
    )


def _why_not(kind: InputKind, evaluated: Evaluated, name: str) -> str:
    if not kind.summary_words(evaluated.network.info.fitted_inputs[name]):
        return f"Not measured: {kind.noun} of this task have no numbers that could lie outside of what is usual."
    return (
        "Not measured: the model doesn't hold how its training samples lie. It was trained by an earlier version, on a "
        "handful of samples, or on a table of very many columns."
    )


def _measured(evaluated: Evaluated, name: str, kind: InputKind, outside: Outside) -> Found:
    array, fitted = evaluated.arrays[name], evaluated.network.info.fitted_inputs[name]
    rows = evenly(np.arange(len(array)), most(kind))
    distances = distance(kind.summary(np.asarray(array[rows]), fitted), outside)
    meaning = "Share of test samples farther out than 99 of 100 training samples."
    beyond = replace(wilson(int((distances > outside.mark).sum()), len(rows)), better="lower", meaning=meaning)
    few = evenly(rows, MOST_STRANGERS)
    made = kind.strangers(np.asarray(array[few]), np.random.default_rng(0)) if len(few) >= FEWEST_SAMPLES else {}
    strangers = tuple(
        _stranger(each, kind.summary(samples, fitted), distances, outside) for each, samples in made.items()
    )
    return Found(name, kind, outside, distances, len(array), beyond, strangers)


def _stranger(name: str, summary: Floats, own: Floats, outside: Outside) -> Stranger:
    distances = distance(summary, outside)
    both = np.concatenate([own, distances])
    area = auc(both, np.arange(len(both)) >= len(own))
    return Stranger(name, distances, area, wilson(int((distances > outside.mark).sum()), len(distances)))


def _section(title: str, found: Found, chart: Chart) -> Section:
    shown = picture(draw(chart), f"{chart.title}. {_sentence(found)}", chart.caption)
    blocks = [paragraph(_how(found)), paragraph(_sentence(found)), shown]
    if found.strangers:
        blocks += [_table(found), paragraph(_weakest(found))]
    else:
        blocks.append(
            paragraph(f"With fewer than {FEWEST_SAMPLES} test samples no other kinds were held against them.")
        )
    return Section(title, tuple(blocks))


def _how(found: Found) -> str:
    return (
        "A network answers whatever it is shown. How far a sample lies from what it has learnt is told from "
        f"{len(found.outside.figures)} plain figures of it, not from the network, and said as the share of training "
        "samples that lie nearer (Mahalanobis' distance)."
    )


def _sentence(found: Found) -> str:
    count, of = round(found.beyond.value * found.beyond.n), found.beyond.n
    seen = f"the {of} test {found.kind.noun}" if of == found.of else f"{of} of the {found.of} test {found.kind.noun}"
    return (
        f"Of {seen}, {count} lie farther out than 99 of 100 training samples: {100 * found.beyond.value:.1f} of 100 "
        f"({100 * found.beyond.low:.1f} to {100 * found.beyond.high:.1f}), where 1 is expected."
    )


def _table(found: Found) -> Markup:
    frame = pd.DataFrame(
        [
            [
                each.name,
                str(each.area),
                f"{100 * each.beyond.value:.0f} ({100 * each.beyond.low:.0f} to {100 * each.beyond.high:.0f})",
            ]
            for each in found.strangers
        ],
        columns=["Made samples", "AUC against test", "Of 100, beyond the mark"],
    )
    caption = (
        f"{len(found.strangers[0].distances)} of each, made from nothing or from test {found.kind.noun}. AUC 1: all "
        "farther out than any test sample; 0.5: not told apart."
    )
    return table(frame, caption)


def _weakest(found: Found) -> str:
    """What would go through unnoticed."""
    missed = [each.name for each in found.strangers if each.beyond.value < 0.5]
    if not missed:
        return "More than half of every kind lies beyond the mark, so it would be noticed."
    listed = missed[0] if len(missed) == 1 else f"{', '.join(missed[:-1])} and {missed[-1]}"
    return f"Most of these would go through without a word: {listed}. Don't rely on the score to notice them."


def _warnings(found: Found) -> list[str]:
    if found.beyond.low <= FAR_SHARE:
        return []
    return [
        f"{100 * found.beyond.value:.0f} of 100 test {found.kind.noun} lie farther out than 99 of 100 training samples "
        "(1 is expected): they come from other machines, another hospital, or were prepared otherwise."
    ]


def _chart(found: Found) -> Chart:
    """How the distances lie: of training and test samples as curves, of the others as boxes' worth of lines."""
    levels = np.linspace(0, 1, len(found.outside.distances))
    every: dict[str, Array] = {
        "training": np.asarray(found.outside.distances),
        "test": np.quantile(found.distances, levels),
        **{each.name: np.quantile(each.distances, levels) for each in found.strangers},
    }
    frame = pd.DataFrame({"share": levels, **every})

    def draw_on(figure: Canvas) -> None:
        axes = single_axes(figure, "How far out samples lie", "Distance from the middle of training samples", "")
        names = list(reversed(every))
        for place, name in enumerate(names):
            low, first, middle, last, high = (
                np.interp(at, levels, every[name]) for at in (0.05, 0.25, 0.5, 0.75, 0.95)
            )
            colour = COLOURS[0] if name == "test" else GREY if name == "training" else COLOURS[1]
            axes.plot([low, high], [place, place], color=colour, linewidth=1.5)
            axes.plot([first, last], [place, place], color=colour, linewidth=6, solid_capstyle="butt")
            axes.plot([middle], [place], color="black", marker="|", markersize=9)
        axes.axvline(found.outside.mark, color="black", linestyle="--", linewidth=1)
        axes.text(found.outside.mark, len(names) - 0.4, " 99 of 100 training samples", fontsize=8, va="bottom")
        axes.set_yticks(range(len(names)), names, fontsize=8)
        axes.set_xscale("log")
        # The axis's own labels are powers in TeX, which our charts don't set.
        axes.set_xticks([tick for tick in TICKS if axes.get_xlim()[0] <= tick <= axes.get_xlim()[1]])
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
        axes.set_ylim(-0.6, len(names) + 0.1)

    caption = (
        "Thick: the middle half of the samples; thin: 90 of 100. Right of the dashed line one counts as another kind."
    )
    return Chart("outside", "How far out samples lie", caption, frame, draw_on)
