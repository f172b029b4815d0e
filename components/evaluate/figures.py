"""Charts as PNG."""

from __future__ import annotations

from components.lib.drawing import png
from components.lib.kinds import Chart

INCHES, DOTS_PER_INCH = (5.0, 4.2), 160


def draw(chart: Chart) -> bytes:
    """A chart as PNG; equal charts give equal bytes."""
    return png(chart.draw, INCHES, DOTS_PER_INCH, arranged=True)
