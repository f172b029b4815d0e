"""Drawing with matplotlib into PNG bytes. Matplotlib is imported only when something is drawn: serving does so for maps
on traces and rows alone.
"""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

_lock = threading.Lock()
"""Matplotlib's settings and Python's filters of warnings belong to the process; a server draws in several threads."""


def png(draw: Callable[[Canvas], None], size: tuple[float, float], dots: int, *, arranged: bool = False) -> bytes:
    """A figure as PNG; equal drawings give equal bytes, whatever the user's own settings file says.

    Names of classes, columns and units are text: `$` starts no formula, and a sign that the font lacks is a box.

    Args:
        draw: fills the figure.
        size: width and height, inches.
        dots: per inch.
        arranged: whether matplotlib finds the margins, or `draw` has placed everything.
    """
    import matplotlib.style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with _lock, matplotlib.style.context(["default", {"text.parse_math": False}]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=size, dpi=dots, layout="constrained" if arranged else None)
        FigureCanvasAgg(figure)
        draw(figure)
        file = io.BytesIO()
        figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
