"""Charts of what was stated over what came true."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from components.lib.kinds import Chart
from components.lib.kinds._charts import COLOURS, GREY, single_axes
from components.lib.resampling import calibration_bins
from components.lib.statistics import Bools, Estimate, Floats

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

NAMES = ("before", "after")


def reliability(before: tuple[Floats, Bools], after: tuple[Floats, Bools]) -> Chart:
    """Share that came true over stated probability in groups of equal size, before and after calibration."""
    tables = {name: _points(*each) for name, each in zip(NAMES, (before, after), strict=True)}
    labels = {"before": "before calibration", "after": "after it, as served"}

    def draw(figure: Canvas) -> None:
        axes = single_axes(figure, "Calibration", "Stated probability", "Share that came true")
        axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1, label="perfectly calibrated")
        for colour, style, (name, points) in zip((COLOURS[1], COLOURS[0]), ("--", "-"), tables.items(), strict=True):
            axes.plot(
                points["stated"], points["found"], color=colour, linestyle=style, marker="o", markersize=4,
                linewidth=1.8, label=labels[name],
            )  # fmt: skip
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axes.legend(loc="upper left", frameon=False, fontsize=8)

    joined = pd.concat([table.assign(probabilities=name) for name, table in tables.items()], ignore_index=True)
    caption = "Groups of equal size. On the dotted line, what is said comes true: 70% means 70 of 100."
    return Chart("calibration", "Calibration before and after it was fitted", caption, joined, draw)


def quantiles(found: Mapping[float, Estimate]) -> Chart:
    """Share of known values at or below each stated quantile, with its interval."""
    caption = "How many known values lie below each stated quantile. Dotted: 70% means 70 of 100."
    return _shares("calibration", "Calibration of stated quantiles", caption, found, ("stated", "found"))


def interval_coverage(found: Mapping[float, Estimate]) -> Chart:
    """Of intervals that should hold some share of known values (0..1), the share that they hold."""
    caption = "Below the dotted line, intervals are too narrow: they hold fewer known values than they should."
    return _shares("interval_coverage", "Calibration of intervals", caption, found, ("promised", "held"))


def _shares(name: str, title: str, caption: str, found: Mapping[float, Estimate], columns: tuple[str, str]) -> Chart:
    """Shares that were found beside those that should be, and a dotted line where both are one."""
    wanted, got = columns
    rows = [(level, each.value, each.low, each.high, each.n) for level, each in found.items()]
    table = pd.DataFrame(rows, columns=[wanted, got, "low", "high", "count"])

    def draw(figure: Canvas) -> None:
        axes = single_axes(figure, title, f"Share {wanted}", f"Share {got}")
        axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1, label="perfectly calibrated")
        axes.fill_between(
            table[wanted], table["low"], table["high"], color=COLOURS[5], alpha=0.25, linewidth=0,
            label="95% interval",
        )  # fmt: skip
        axes.plot(table[wanted], table[got], color=COLOURS[0], marker="o", markersize=4, linewidth=2)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axes.legend(loc="upper left", frameon=False, fontsize=8)

    return Chart(name, title, caption, table, draw)


def _points(confidence: Floats, true: Bools) -> pd.DataFrame:
    bins = calibration_bins(confidence)
    counts = np.bincount(bins)
    stated, found = (np.bincount(bins, values) / counts for values in (confidence, true.astype(np.float64)))
    return pd.DataFrame({"stated": stated, "found": found, "count": counts})
