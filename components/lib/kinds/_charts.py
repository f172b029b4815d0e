"""How the charts of all target kinds look. Matplotlib is imported only when one is drawn: serving never does."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

# Okabe & Ito's colours, told apart with any colour vision: https://jfly.uni-koeln.de/color/
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREY = "#6b7682"


def single_axes(figure: Canvas, title: str, x: str, y: str, *, grid: bool = True) -> Axes:
    """The one plot of a figure, with its title and the names of its axes."""
    axes: Axes = figure.subplots()
    dress(axes, title, x, y, grid=grid)
    return axes


def dress(axes: Axes, title: str, x: str, y: str, *, grid: bool = True) -> None:
    """Title, names and lines of a plot, as all of ours have them."""
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    axes.set_xlabel(x, fontsize=9)
    axes.set_ylabel(y, fontsize=9)
    axes.tick_params(labelsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    if grid:
        axes.grid(color="#e3e7eb", linewidth=0.8)
        axes.set_axisbelow(True)
