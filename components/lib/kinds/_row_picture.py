"""A row of a table for the report: its columns, their values, and where each lies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from components.lib.drawing import png

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

SHOWN = 30
"""Columns that one picture shows."""
NAME, VALUE = 28, 18
"""Characters of a name and of a value."""
WIDTH, DOTS_PER_INCH = 3.6, 130
LINE = 0.2
"""Inches a column is high."""
BAR = 0.24
"""Share of the width that bars take."""
GREY, BLUE, ORANGE = "#c8ced6", "#0072b2", "#e69f00"


class Line(NamedTuple):
    """One column of the row."""

    name: str
    value: str
    """As text; empty where it is missing."""
    place: float | None
    """Where the value lies in its range, 0..1; None where no range is known."""


def picture(lines: list[Line], evidence: NDArray[np.floating] | None, strongest: float) -> bytes:
    """The row as PNG; equal rows give equal bytes.

    Args:
        lines: the columns, in order.
        evidence: what each column adds to the output (columns,); None: nothing is known.
        strongest: evidence that gets the longest bar.
    """
    shown = lines[:SHOWN]
    height = LINE * (len(shown) + (len(lines) > SHOWN)) + 0.1

    def draw(figure: Canvas) -> None:
        axes: Any = figure.add_axes((0, 0.05 / height, 1, 1 - 0.1 / height))
        axes.set(xlim=(0, 1), ylim=(height / LINE - 0.5, 0))
        axes.axis("off")
        for at, line in enumerate(shown):
            _draw(axes, at, line, None if evidence is None else float(evidence[at]) / max(strongest, 1e-9))
        if len(lines) > SHOWN:
            axes.text(0.02, SHOWN + 0.5, f"and {len(lines) - SHOWN} more columns", **_STYLE, color="grey")

    return png(draw, (WIDTH, height), DOTS_PER_INCH)


_STYLE: dict[str, Any] = {"va": "center", "fontsize": 7.5}


def _draw(axes: Any, at: int, line: Line, share: float | None) -> None:
    """One line: name, value, and at the right the bar of its evidence or the place in its range."""
    if at % 2 == 0:
        axes.axhspan(at, at + 1, color="#f4f5f7", lw=0)
    middle, left = at + 0.5, 0.98 - BAR
    axes.text(0.02, middle, shortened(line.name, NAME), **_STYLE, color="#444444")
    value = shortened(line.value, VALUE) or "missing"
    axes.text(left - 0.03, middle, value, **_STYLE, ha="right", color="black" if line.value else "#b04020")
    if share is not None:
        axes.plot([left + BAR / 2] * 2, [at + 0.1, at + 0.9], color=GREY, lw=0.8)
        length = float(np.clip(share, -1, 1)) * BAR / 2
        axes.barh(middle, length, 0.55, left + BAR / 2, color=ORANGE if length > 0 else BLUE)
    elif line.place is not None:
        axes.plot([left, left + BAR], [middle] * 2, color=GREY, lw=2, solid_capstyle="butt")
        axes.plot([left + float(np.clip(line.place, 0, 1)) * BAR], [middle], "o", color=BLUE, ms=4)


def shortened(text: str, most: int) -> str:
    """Printable text of at most so many characters."""
    told = "".join(letter if letter.isprintable() else "·" for letter in text)
    return told if len(told) <= most else f"{told[: most - 1]}…"
