"""Charts of calibration: smooth curves with their bands over the distribution of predictions; intervals of a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from components.lib.calibration_curve import Curve
from components.lib.kinds import Chart
from components.lib.kinds._charts import COLOURS, GREY, dress
from components.lib.resampling import calibration_bins
from components.lib.statistics import Bools, Floats, wilson

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

BARS = 30
ZOOM = 0.5
"""Where no probability lies above it, the axes end near the largest one: at 2% positives all would lie in a corner."""


@dataclass(frozen=True)
class ClassCurve:
    """A class, what was stated of it, and the curve."""

    name: str
    stated: Floats
    true: Bools
    smooth: Curve | None
    """None where none could be fitted."""


def curves(classes: Sequence[ClassCurve]) -> Chart:
    """A smooth curve a class with its 95% band; of one class also bins with Wilson's intervals; below, predictions."""
    end = _end(classes)

    def draw(figure: Canvas) -> None:
        upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [4, 1], "hspace": 0.12})
        dress(upper, "Calibration, smooth", "", "Share that came true")
        dress(lower, "", "Stated probability", "Samples")
        upper.plot([0, end], [0, end], color=GREY, linestyle=":", linewidth=1, label="perfectly calibrated")
        for place, each in enumerate(classes):
            _draw(upper, each, COLOURS[place % len(COLOURS)], alone=len(classes) == 1)
        if len(classes) == 1:
            _points(upper, classes[0])
        _predictions(lower, classes, end)
        upper.set(xlim=(-0.02 * end, 1.02 * end), ylim=(-0.02 * end, 1.02 * end))
        upper.legend(loc="upper left", frameon=False, fontsize=8)

    both = "; points: groups of equal size with their intervals" if len(classes) == 1 else ""
    caption = (
        f"Above the dotted line there are more than stated, below it fewer. Shaded: 95% band{both}. Below: how many "
        "samples were given which probability."
    )
    return Chart("calibration_curve", "Smooth calibration curve", caption, _rows(classes), draw)


def _end(classes: Sequence[ClassCurve]) -> float:
    """Where the axes end: at 1, or where stated probabilities and what came true do."""
    largest = max(float(each.stated.max(initial=0.0)) for each in classes)
    if largest > ZOOM:
        return 1.0
    found = max([float(_bins(each)["found"].max()) for each in classes])
    return float(min(1.0, 1.15 * max(largest, found, 0.01)))


def _draw(axes: Axes, each: ClassCurve, colour: str, *, alone: bool) -> None:
    if each.smooth is None:
        return
    smooth = each.smooth
    axes.fill_between(smooth.stated, smooth.low, smooth.high, color=colour, alpha=0.2 if alone else 0.1, linewidth=0)
    axes.plot(smooth.stated, smooth.found, color=colour, linewidth=2, label="as served" if alone else each.name)


def _points(axes: Axes, each: ClassCurve) -> None:
    bins = _bins(each)
    ends = np.array([bins["found"] - bins["low"], bins["high"] - bins["found"]])
    axes.errorbar(
        bins["stated"], bins["found"], yerr=np.maximum(ends, 0), fmt="o", color="black", ecolor=GREY, markersize=4,
        elinewidth=1, label="groups of equal size",
    )  # fmt: skip


def _predictions(axes: Axes, classes: Sequence[ClassCurve], end: float) -> None:
    """Of one class those that came true and the others apart, else a line a class."""
    edges = np.linspace(0, end, BARS + 1)
    if len(classes) == 1:
        (only,) = classes
        parts = [only.stated[~only.true], only.stated[only.true]]
        axes.hist(parts, bins=list(edges), stacked=True, color=[COLOURS[5], COLOURS[1]], label=["others", only.name])
        axes.legend(loc="upper center", ncols=2, frameon=False, fontsize=7)
        return
    for place, each in enumerate(classes):
        axes.stairs(np.histogram(each.stated, edges)[0], edges, color=COLOURS[place % len(COLOURS)], linewidth=1.2)


def _bins(each: ClassCurve) -> pd.DataFrame:
    bins = calibration_bins(each.stated)
    counts = np.bincount(bins)
    hits = np.bincount(bins, each.true.astype(np.float64))
    found = [wilson(round(hit), int(count)) for hit, count in zip(hits, counts, strict=True)]
    return pd.DataFrame({"stated": np.bincount(bins, each.stated) / counts, "found": hits / counts,
                         "low": [one.low for one in found], "high": [one.high for one in found],
                         "count": counts})  # fmt: skip


def _rows(classes: Sequence[ClassCurve]) -> pd.DataFrame:
    """Every point that is drawn: of the curves, and of the bins."""
    frames = []
    for each in classes:
        if each.smooth is not None:
            smooth = each.smooth
            columns = {"stated": smooth.stated, "found": smooth.found, "low": smooth.low, "high": smooth.high}
            frames.append(pd.DataFrame(columns).assign(**{"class": each.name, "of": "curve"}))
        frames.append(_bins(each).assign(**{"class": each.name, "of": "group"}))
    return pd.concat(frames, ignore_index=True)
