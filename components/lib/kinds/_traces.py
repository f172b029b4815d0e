"""Traces as a cardiologist reads them: one strip a lead on ECG paper, and the times the model looked at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from components.lib.drawing import png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

WIDTH = 6.4
"""Inches across the paper of one strip."""
LEFT, RIGHT, TOP, BOTTOM, GAP = 0.62, 0.12, 0.1, 0.5, 0.08
"""Margins and the gap between strips, inches."""
STRIP = (0.55, 2.6)
"""Lowest and highest strip, inches."""
DOTS_PER_INCH = 110
CLOSEST = 4
"""Pixels between two lines of the paper; closer ones would be a wash of colour."""
OPACITY = 0.75
"""Of the strongest evidence."""
PAPER, FINE, BOLD, INK, WARM = "#fffdfb", "#f6e3df", "#e6b9b1", "#101010", (1.0, 0.62, 0.05)


def strips(
    values: NDArray[np.floating],
    rate: float,
    leads: Sequence[str],
    evidence: NDArray[np.floating] | None,
    strongest: float,
) -> bytes:
    """Traces as PNG; equal traces give equal bytes.

    The paper is that of an electrocardiograph, .04 s by .1 mV and every fifth line bold, its squares as square as a
    strip of bearable height allows. Each lead is drawn from its own median.

    Args:
        values: (T, leads) mV.
        rate: samples a second.
        leads: their names.
        evidence: (t,), what each stretch of time adds to the output; None: the traces alone.
        strongest: evidence that gets the full colour.
    """
    centred = np.asarray(values, np.float64) - np.median(values, axis=0)
    seconds = len(centred) / rate
    limits = [_limits(centred[:, lead]) for lead in range(len(leads))]
    millimetre = WIDTH / (25 * seconds)  # inches to the millimetre of a paper that runs at 25 mm/s
    heights = [float(np.clip(10 * (high - low) * millimetre, *STRIP)) for low, high in limits]
    width, height = LEFT + WIDTH + RIGHT, TOP + sum(heights) + GAP * (len(leads) - 1) + BOTTOM

    def draw(figure: Canvas) -> None:
        bottom = height - TOP
        for lead, name in enumerate(leads):
            bottom -= heights[lead]
            axes = figure.add_axes((LEFT / width, bottom / height, WIDTH / width, heights[lead] / height))
            bottom -= GAP
            time = np.arange(len(centred)) / rate - seconds / 2
            _paper(axes, seconds, limits[lead])
            if evidence is not None:
                _warm(axes, np.asarray(evidence, np.float64), strongest, seconds, limits[lead])
            axes.plot(time, centred[:, lead], color=INK, linewidth=0.9, solid_joinstyle="round", zorder=3)
            axes.set_ylabel(f"{name}, mV", fontsize=8)
            axes.tick_params(labelsize=8, labelbottom=lead == len(leads) - 1, length=2)
        axes.set_xlabel("seconds from the window's middle", fontsize=8)

    return png(draw, (width, height), DOTS_PER_INCH)


def _limits(trace: NDArray[np.float64]) -> tuple[float, float]:
    """Lowest and highest mV of a strip: whole bold squares, at least two of them, with a little room."""
    low = math.floor((float(trace.min()) - 0.1) / 0.5) * 0.5
    high = math.ceil((float(trace.max()) + 0.1) / 0.5) * 0.5
    return min(low, -0.5), max(high, 0.5)


def _paper(axes: Axes, seconds: float, limits: tuple[float, float]) -> None:
    low, high = limits
    half = seconds / 2
    axes.set_facecolor(PAPER)
    axes.set_xlim(-half, half)
    axes.set_ylim(low, high)
    for step, colour, width in ((1, FINE, 0.5), (5, BOLD, 0.7)):
        if step * min(axes.bbox.width * 0.04 / seconds, axes.bbox.height * 0.1 / (high - low)) >= CLOSEST:
            axes.vlines(_lines(-half, half, 0.04 * step), low, high, colors=colour, linewidths=width, zorder=1)
            axes.hlines(_lines(low, high, 0.1 * step), -half, half, colors=colour, linewidths=width, zorder=1)
    tick = next((t for t in (0.2, 0.5, 1, 2, 5) if seconds / t <= 11), seconds / 5)
    axes.set_xticks(_lines(-half, half, tick))
    tick = next((t for t in (0.5, 1, 2, 5, 10) if axes.bbox.height * t / (high - low) >= 24), high - low)
    axes.set_yticks([mark for mark in _lines(low, high, tick) if low < mark < high])  # the ends meet the next strip's
    for side in axes.spines.values():
        side.set_color(BOLD)


def _lines(low: float, high: float, step: float) -> Any:
    """Multiples of a step between two bounds."""
    return np.arange(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1) * step


def _warm(
    axes: Axes, evidence: NDArray[np.float64], strongest: float, seconds: float, limits: tuple[float, float]
) -> None:
    """Colour behind the trace where a time speaks for the class; what speaks against it stays as it is."""
    places = (np.arange(512) + 0.5) / 512 * len(evidence) - 0.5
    heat = np.clip(np.interp(places, np.arange(len(evidence)), evidence) / max(strongest, 1e-9), 0, 1)
    colours = np.empty((1, len(heat), 4))
    colours[..., :3], colours[..., 3] = WARM, OPACITY * heat
    extent = (-seconds / 2, seconds / 2, *limits)
    axes.imshow(colours, extent=extent, aspect="auto", interpolation="bilinear", zorder=2)
