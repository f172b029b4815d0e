"""Figures of what is decided: net benefit over threshold probabilities, and prediction sets by class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from components.lib.kinds import Chart
from components.lib.kinds._charts import COLOURS, GREY, single_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

MOST_CURVES = 6
"""Classes that are drawn, those with most samples first; all stand in the chart's table."""
LONGEST_NAME = 18
"""Characters of a class's name that are drawn."""


def decision_curves(curves: Mapping[str, pd.DataFrame]) -> Chart:
    """Net benefit of the model, of treating all and none, over the threshold probability; a line for each class.

    Args:
        curves: by class, as `lib.decisions.decision_curve` gives them.
    """
    several = len(curves) > 1
    tables = [curve.assign(**{"class": name}) if several else curve for name, curve in curves.items()]
    # At the lowest threshold, treating all is worth nearly the share of the class.
    often = sorted(curves, key=lambda name: -float(curves[name]["treat_all"].iloc[0]))[:MOST_CURVES]
    drawn = {name: curve for name, curve in curves.items() if name in often}

    def draw(figure: Canvas) -> None:
        axes = single_axes(figure, "Decision curve", "Threshold probability", "Net benefit")
        top = max(float(curve[["model", "treat_all"]].max().max()) for curve in drawn.values())
        for colour, (name, curve) in zip(COLOURS, drawn.items(), strict=False):
            told = _short(name) if several else "the model"
            axes.plot(curve["threshold"], curve["model"], color=colour, linewidth=2, label=told)
            everybody, behind = ("all as one of the class", colour) if several else ("act on everybody", GREY)
            label = everybody if name == next(iter(drawn)) else None
            axes.plot(curve["threshold"], curve["treat_all"], color=behind, linewidth=1.2, linestyle="--", label=label)
        axes.axhline(0, color="black", linewidth=1.2, linestyle=":", label="act on nobody")
        # Head room, so that the legend stands above the lines; far below 0 there is nothing to see.
        axes.set(xlim=(0, 1), ylim=(-0.12 * top - 0.01, top * (1.25 + 0.07 * len(drawn)) + 0.01))
        axes.legend(loc="upper right", frameon=True, framealpha=1, edgecolor="none", fontsize=8)

    caption = "Above both other lines, going by the model does more good than harm. Dashed: everybody is treated."
    return Chart("decision_curve", "Decision curve", caption, pd.concat(tables, ignore_index=True), draw)


def set_shares(table: pd.DataFrame, promised: float) -> Chart:
    """What prediction sets say, a bar for each class.

    Args:
        table: columns class, count, and the shares answered_right, abstained_held, empty, abstained_lost,
            answered_wrong, which add up to 1.
        promised: share of samples whose set should hold the truth.
    """
    parts = {
        "answered_right": ("answered, right", COLOURS[0]), "abstained_held": ("abstains, truth in the set", COLOURS[5]),
        "empty": ("abstains, empty set", "#c3cad1"), "abstained_lost": ("abstains, truth ruled out", COLOURS[4]),
        "answered_wrong": ("answered, wrong", COLOURS[1]),
    }  # fmt: skip

    def draw(figure: Canvas) -> None:
        axes = single_axes(figure, "Prediction sets", "Share of the class's samples", "", grid=False)
        left, places = np.zeros(len(table)), np.arange(len(table))
        for column, (label, colour) in parts.items():
            axes.barh(places, table[column], left=left, color=colour, height=0.62, label=label)
            left = left + table[column].to_numpy()
        axes.axvline(promised, color="black", linestyle="--", linewidth=1, label=f"promised: {promised:.0%}")
        names = [f"{_short(name)}\n(n = {n})" for name, n in zip(table["class"], table["count"], strict=True)]
        axes.set_yticks(places, names)
        axes.invert_yaxis()
        axes.set(xlim=(0, 1))
        axes.tick_params(axis="y", length=0, labelsize=9 if len(table) <= 7 else 6)
        figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)

    caption = "Of the samples labelled so: how many are answered rightly, left open, or answered without the truth."
    return Chart("prediction_sets", "Prediction sets", caption, table, draw)


def _short(name: str) -> str:
    """A class's name where there is little room."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
