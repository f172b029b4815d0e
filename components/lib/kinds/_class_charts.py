"""Figures of targets with classes. Matplotlib is imported only when one is drawn: serving never does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.lib.kinds._charts import COLOURS, GREY, dress, single_axes
from components.lib.kinds.base import Chart
from components.lib.numbers import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Labels = NDArray[np.intp]
Curves = Mapping[str, tuple[Floats, Bools]]
"""By class: scores (N,) and which samples are of it (N,)."""

SCORE_BINS = 20


def roc(curves: Curves, threshold: float | None = None) -> Chart:
    """Sensitivity over false positive rate, a line for each class; the operating point where there is one."""
    from components.lib.statistics import auc

    tables = {name: _roc_points(score, positive) for name, (score, positive) in curves.items()}

    def draw(figure: Canvas) -> None:
        axes = single_axes(figure, "ROC curve", "False positive rate (1 − specificity)", "Sensitivity")
        axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1, label="chance, AUC 0.5")
        for colour, (name, points) in zip(_colours(tables), tables.items(), strict=True):
            if len(points):
                axes.plot(
                    points["false_positive_rate"],
                    points["true_positive_rate"],
                    color=colour,
                    linewidth=2,
                    label=f"{name}, AUC {number(auc(*curves[name]).value)}",
                )
        if threshold is not None and len(next(iter(tables.values()))):
            score, positive = next(iter(curves.values()))
            at = (float((score[~positive] >= threshold).mean()), float((score[positive] >= threshold).mean()))
            _mark(axes, at, f"threshold {threshold:.2f}")
        _finish_curves(axes, tables, "lower right")

    caption = "How many are found against how many are called wrongly, for every threshold."
    return Chart("roc", "ROC curve", caption, _joined(tables), draw)


def precision_recall(curves: Curves, threshold: float | None = None) -> Chart:
    """Precision over recall, a line for each class; the operating point where there is one."""
    tables = {name: _precision_recall_points(score, positive) for name, (score, positive) in curves.items()}

    def draw(figure: Canvas) -> None:
        axes = single_axes(figure, "Precision and recall", "Recall (sensitivity)", "Precision (calls that are right)")
        for colour, (name, points) in zip(_colours(tables), tables.items(), strict=True):
            if len(points):
                share = float(curves[name][1].mean())
                axes.plot(points["recall"], points["precision"], color=colour, linewidth=2, label=name)
                axes.axhline(
                    share,
                    color=colour if len(tables) > 1 else GREY,
                    linestyle=":",
                    linewidth=1,
                    label=f"chance, {share:.2f}" if len(tables) == 1 else None,
                )
        score, positive = next(iter(curves.values()))
        if threshold is not None and len(next(iter(tables.values()))) and (score >= threshold).any():
            called = score >= threshold
            _mark(axes, (float(called[positive].mean()), float(positive[called].mean())), f"threshold {threshold:.2f}")
        _finish_curves(axes, tables, "lower left")

    caption = "How many calls are right against how many are found. Dotted: chance, the share of the class."
    return Chart("precision_recall", "Precision and recall", caption, _joined(tables), draw)


def confusion(classes: Sequence[str], label: Labels, called: Labels) -> Chart:
    """Samples by class and by call; the table has one row a sample, as DVC's confusion template takes it."""
    names = np.array(classes, object)
    table = pd.DataFrame({"actual": names[label], "predicted": names[called]})
    counts = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(counts, (label, called), 1)

    def draw(figure: Canvas) -> None:
        axes = single_axes(figure, "Confusion matrix", "Called", "Labelled", grid=False)
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for row, column in np.ndindex(*counts.shape):
            axes.text(
                column,
                row,
                f"{counts[row, column]}\n{shares[row, column]:.0%}",
                ha="center",
                va="center",
                color="white" if shares[row, column] > 0.6 else "black",
                fontsize=11 if len(classes) < 6 else 8,
            )
        ticks, few = range(len(classes)), len(classes) < 4
        axes.set_xticks(ticks, classes, rotation=0 if few else 30, ha="center" if few else "right")
        axes.set_yticks(ticks, classes, rotation=90 if few else 0, va="center")
        axes.tick_params(length=0)

    caption = "Counts, and the share of each row: of the samples labelled so, how many were called what."
    return Chart("confusion", "Confusion matrix", caption, table, draw)


def reliability(confidence: Floats, true: Bools, stated: str, came_true: str) -> Chart:
    """Share that came true over stated probability, with Wilson intervals, and how many samples each point rests on."""
    table = _reliability_points(confidence, true)

    def draw(figure: Canvas) -> None:
        from components.lib.statistics import wilson

        upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [4, 1], "hspace": 0.12})
        dress(upper, "Reliability", "", f"{came_true} (share)")
        dress(lower, "", stated, "Samples")
        upper.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1, label="perfectly calibrated")
        if len(table):
            intervals = [wilson(round(a * n), int(n)) for a, n in zip(table["accuracy"], table["count"], strict=True)]
            ends = np.array([[e.value - e.low, e.high - e.value] for e in intervals]).T
            upper.errorbar(
                table["confidence"],
                table["accuracy"],
                yerr=np.maximum(ends, 0),
                fmt="o",
                color=COLOURS[0],
                ecolor=COLOURS[5],
                markersize=5,
                elinewidth=1.5,
                label="95% interval",
            )
            lower.hist(confidence, bins=SCORE_BINS, range=(0, 1), color=COLOURS[5])
        upper.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        upper.legend(loc="upper left", frameon=False, fontsize=8)

    caption = "What the model states against what came true, in groups of equal size. Dotted: 70% means 70 of 100."
    return Chart("reliability", "Reliability", caption, table, draw)


def histogram(
    classes: Sequence[str], label: Labels, score: Floats, stated: str, threshold: float | None = None
) -> Chart:
    """Distribution of a score (N,) in 0..1 for each class."""
    edges = np.linspace(0, 1, SCORE_BINS + 1)
    tables = [
        pd.DataFrame(
            {"class": name, "from": edges[:-1], "to": edges[1:], "count": np.histogram(score[label == k], edges)[0]}
        )
        for k, name in enumerate(classes)
    ]

    def draw(figure: Canvas) -> None:
        axes = single_axes(figure, "Scores by class", stated, "Share of the class's samples")
        for colour, name, table in zip(_colours(classes), classes, tables, strict=True):
            count = int(table["count"].sum())
            axes.stairs(
                table["count"] / max(count, 1),
                edges,
                color=colour,
                linewidth=1.8,
                fill=len(classes) == 2,
                alpha=0.55 if len(classes) == 2 else 1,
                label=f"{name} (n = {count})",
            )
        if threshold is not None:
            axes.axvline(threshold, color="black", linestyle="--", linewidth=1, label=f"threshold {threshold:.2f}")
        # Head room, so that the legend stands above the bars.
        axes.set(xlim=(0, 1), ylim=(0, axes.get_ylim()[1] * (1.1 + 0.07 * len(classes))))
        axes.legend(loc="upper center", frameon=True, framealpha=1, edgecolor="none", fontsize=8)

    caption = "Classes that overlap are mixed up; scores near 0 and 1 are the sure ones."
    return Chart("histogram", "Scores by class", caption, pd.concat(tables, ignore_index=True), draw)


def _roc_points(score: Floats, positive: Bools) -> pd.DataFrame:
    from sklearn.metrics import roc_curve

    both = positive.any() and not positive.all()
    false, true, _ = roc_curve(positive, score) if both else (np.empty(0),) * 3
    return pd.DataFrame({"false_positive_rate": false, "true_positive_rate": true})


def _precision_recall_points(score: Floats, positive: Bools) -> pd.DataFrame:
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(positive, score) if positive.any() else (np.empty(0),) * 3
    return pd.DataFrame({"recall": recall[::-1], "precision": precision[::-1]})


def _reliability_points(confidence: Floats, true: Bools) -> pd.DataFrame:
    from components.lib.resampling import calibration_bins

    if not len(confidence):
        return pd.DataFrame({"confidence": [], "accuracy": [], "count": []})
    frame = pd.DataFrame({"confidence": confidence, "accuracy": true.astype(float)})
    groups = frame.groupby(calibration_bins(confidence))
    return groups.mean().assign(count=groups.size()).reset_index(drop=True)


def _joined(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One table; with several classes a column `class` says which line a point is on."""
    if len(tables) == 1:
        return next(iter(tables.values()))
    return pd.concat([table.assign(**{"class": name}) for name, table in tables.items()], ignore_index=True)


def _colours(names: Mapping[str, object] | Sequence[str]) -> list[str]:
    return [COLOURS[i % len(COLOURS)] for i in range(len(names))]


def _mark(axes: Axes, at: tuple[float, float], text: str) -> None:
    """The operating point."""
    axes.plot(
        *at,
        marker="o",
        markersize=8,
        color="black",
        markerfacecolor="white",
        markeredgewidth=2,
        linestyle="none",
        label=text,
        zorder=5,
    )


def _finish_curves(
    axes: Axes, tables: Mapping[str, pd.DataFrame], corner: Literal["lower left", "lower right"]
) -> None:
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    if any(len(table) for table in tables.values()):
        axes.legend(loc=corner, frameon=False, fontsize=8)
    else:
        axes.text(0.5, 0.5, "Only one class among these samples:\nthere is no curve.", ha="center", va="center")
