"""Charts as PNG."""

from __future__ import annotations

from functools import lru_cache

from markupsafe import Markup

from components.lib.drawing import png
from components.lib.kinds import Chart
from components.lib.page import picture

INCHES, DOTS_PER_INCH = (5.0, 4.2), 160


@lru_cache(maxsize=128)
def draw(chart: Chart) -> bytes:
    """A chart as PNG; equal numbers give equal bytes. It is drawn once, for the report and for its file."""
    return png(chart.draw, INCHES, DOTS_PER_INCH, arranged=True)


def shown(chart: Chart, target: str) -> Markup:
    """A chart of one target inside the page."""
    return picture(draw(chart), f"{chart.title} of {target}. {chart.caption}", chart.caption)
