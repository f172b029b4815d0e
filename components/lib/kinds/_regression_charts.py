"""Figures of targets that are numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.lib.kinds._charts import COLOURS, GREY, single_axes
from components.lib.kinds.base import Chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

Floats = NDArray[np.float64]

MOST_ROWS = 500
"""Rows of a chart's table."""
MOST_POINTS = 2000
"""Points that are drawn one by one; more are counted in hexagons."""
GROUPS = 10
"""Groups of the median over predictions."""
ERROR_BINS = 30
NOTHING = "No known value among these samples."


def predicted(values: Floats, known: Floats, unit: str | None) -> Chart:
    """Predictions (N,) over known values (N,), with the line where both are equal."""
    table = _thinned(pd.DataFrame({"known": known, "predicted": values}), by="known")

    def draw(figure: Canvas) -> None:
        axes = single_axes(figure, "Predicted and known", f"Known{_in(unit)}", f"Predicted{_in(unit)}")
        if not len(known):
            _say(axes, NOTHING)
            return
        ends = _padded(float(min(known.min(), values.min())), float(max(known.max(), values.max())))
        _points(axes, known, values)
        axes.plot(ends, ends, color="black", linestyle=":", linewidth=1.5, label="equal", zorder=4)
        axes.set(xlim=ends, ylim=ends, aspect="equal")
        axes.legend(loc="upper left", frameon=False, fontsize=8)

    caption = "A point a sample; on the dotted line the prediction is right. A flat cloud says the mean to everybody."
    return Chart("predicted", "Predicted and known", caption, table, draw)


def residuals(values: Floats, known: Floats, decision: Mapping[str, float], unit: str | None) -> Chart:
    """Residuals (known minus predicted) over predictions, the served interval as a band, and medians of groups."""
    residual = known - values
    table = _thinned(pd.DataFrame({"predicted": values, "residual": residual}), by="predicted")
    medians = _medians(values, residual)

    def draw(figure: Canvas) -> None:
        axes = single_axes(figure, "Residuals", f"Predicted{_in(unit)}", f"Known minus predicted{_in(unit)}")
        if not len(known):
            _say(axes, NOTHING)
            return
        band = f"served interval ({decision['coverage']:.0%})"
        axes.axhspan(decision["low"], decision["high"], color=COLOURS[5], alpha=0.18, linewidth=0, label=band)
        for end in ("low", "high"):
            axes.axhline(decision[end], color="black", linestyle="--", linewidth=1)
        _points(axes, values, residual)
        axes.axhline(0, color="black", linestyle=":", linewidth=1.5)
        axes.plot(
            medians["predicted"], medians["residual"], color=COLOURS[1], marker="o", markersize=4, label="median",
            zorder=5,
        )  # fmt: skip
        low, high = (float(end) for end in axes.get_ylim())
        # Head room, so that the legend stands above the points.
        axes.set_ylim(low, high + 0.14 * (high - low))
        axes.legend(loc="upper center", ncols=2, frameon=False, fontsize=8)

    caption = "The median line should run along 0, and points fill the band evenly: else some are served worse."
    return Chart("residuals", "Residuals", caption, table, draw)


def quantiles(values: Floats, known: Floats, levels: Mapping[float, float]) -> Chart:
    """Share of known values below prediction plus residual quantile, over the level that was asked for.

    Args:
        values: predictions (N,).
        known: (N,).
        levels: level (0..1) to residual quantile, of validation.
    """
    from components.lib.statistics import wilson

    below = {level: wilson(int((known <= values + shift).sum()), len(known)) for level, shift in levels.items()}
    rows = [(level, each.value, each.low, each.high, len(known)) for level, each in below.items() if each.known]
    table = pd.DataFrame(rows, columns=["nominal", "observed", "low", "high", "count"])

    def draw(figure: Canvas) -> None:
        axes = single_axes(figure, "Calibration of quantiles", "Share stated", "Share found")
        axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1)
        if len(table):
            axes.fill_between(
                table["nominal"], table["low"], table["high"], color=COLOURS[5], alpha=0.25, linewidth=0,
                label="95% interval",
            )  # fmt: skip
            axes.plot(table["nominal"], table["observed"], color=COLOURS[0], marker="o", markersize=4, linewidth=2)
            axes.legend(loc="upper left", frameon=False, fontsize=8)
        else:
            _say(axes, NOTHING)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))

    caption = "How many known values lie below each quantile that validation gave. Dotted: 70% means 70 of 100."
    return Chart("quantiles", "Calibration of quantiles", caption, table, draw)


def errors(values: Floats, known: Floats, decision: Mapping[str, float], unit: str | None) -> Chart:
    """Distribution of known minus predicted, with the ends of the served interval."""
    residual = known - values
    counts, edges = np.histogram(residual, bins=ERROR_BINS) if len(known) else (np.empty(0, int), np.zeros(1))
    table = pd.DataFrame({"from": edges[:-1], "to": edges[1:], "count": counts})

    def draw(figure: Canvas) -> None:
        axes = single_axes(figure, "Distribution of errors", f"Known minus predicted{_in(unit)}", "Samples")
        if not len(known):
            _say(axes, NOTHING)
            return
        axes.stairs(counts, edges, color=COLOURS[0], fill=True, alpha=0.55)
        axes.axvline(0, color=GREY, linestyle=":", linewidth=1.5)
        for end, label in (("low", f"served interval ({decision['coverage']:.0%})"), ("high", None)):
            axes.axvline(decision[end], color="black", linestyle="--", linewidth=1, label=label)
        axes.set_ylim(0, float(axes.get_ylim()[1]) * 1.12)
        axes.legend(loc="upper left", frameon=True, framealpha=1, edgecolor="none", fontsize=8)

    caption = "Left of 0 the prediction was too high, right of it too low."
    return Chart("errors", "Distribution of errors", caption, table, draw)


def _points(axes: Axes, x: Floats, y: Floats) -> None:
    """A point a sample, or hexagons with the count where points would hide each other."""
    if len(x) > MOST_POINTS:
        from matplotlib import colormaps
        from matplotlib.colors import ListedColormap

        # Counts on a log scale, and single samples well apart from white: those far off are what one looks for.
        blues = ListedColormap(colormaps["Blues"](np.linspace(0.3, 1, 256)))
        hexagons = axes.hexbin(x, y, gridsize=45, bins="log", mincnt=1, cmap=blues, linewidths=0)
        bar = axes.figure.colorbar(hexagons, ax=axes, shrink=0.7, format="{x:.0f}")
        bar.set_label("Samples", fontsize=9)
        bar.ax.tick_params(labelsize=8)
        bar.ax.minorticks_off()
    else:
        opacity = 0.7 if len(x) <= 200 else 0.4
        axes.scatter(x, y, s=16, color=COLOURS[0], alpha=opacity, linewidths=0)


def _medians(values: Floats, residual: Floats) -> pd.DataFrame:
    """Median prediction and residual of groups of equal size, ten samples or more in each."""
    groups = int(np.clip(len(values) // 10, 1, GROUPS))
    pieces = [piece for piece in np.array_split(np.argsort(values, kind="stable"), groups) if len(piece)]
    rows = [(float(np.median(values[piece])), float(np.median(residual[piece]))) for piece in pieces]
    return pd.DataFrame(rows, columns=["predicted", "residual"])


def _thinned(table: pd.DataFrame, *, by: str) -> pd.DataFrame:
    """At most 500 rows, spread evenly over the order of a column, both ends kept."""
    ordered = table.sort_values(by, kind="stable", ignore_index=True)
    if len(ordered) <= MOST_ROWS:
        return ordered
    chosen = np.linspace(0, len(ordered) - 1, MOST_ROWS).round().astype(int)
    return ordered.iloc[chosen].reset_index(drop=True)


def _padded(low: float, high: float) -> tuple[float, float]:
    margin = 0.04 * (high - low) or max(abs(high), 1.0) * 0.04
    return low - margin, high + margin


def _in(unit: str | None) -> str:
    return f" ({unit})" if unit else ""


def _say(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes)
