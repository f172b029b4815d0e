"""The measures by which two models of a target are compared, each of one model on N samples."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from components.lib.class_metrics import Area
    from components.lib.paired import Measure
    from components.lib.statistics import Bools, Floats

Classes = tuple[str, ...]
MOST = 0.999
"""Highest threshold probability that a false alarm is weighed by: from 1 on it would be endless."""


def of_two_classes(
    score: Floats, positive: Bools, threshold: float, weighed_at: float, names: Classes
) -> dict[str, Measure]:
    """AUC, net benefit, Brier score, calibration; sensitivity and specificity at the operating point.

    Args:
        score: probabilities of the positive class (N,).
        positive: (N,).
        threshold: from which a sample is called positive.
        weighed_at: the threshold probability whose odds a false alarm costs.
        names: the negative class and the positive one, for people.

    Sources: net benefit, Vickers & Elkin 2006, doi:10.1177/0272989X06295361; as a share of its largest value, the
    prevalence, Kerr et al. 2016, doi:10.1200/JCO.2015.65.5654; a Brier score as a share of that of a model that states
    the prevalence, Kattan & Gerds 2018, doi:10.1186/s41512-018-0029-2.
    """
    from components.lib.class_metrics import Area
    from components.lib.paired import Measure
    from components.lib.resampling import ratio

    called, every, share = score >= threshold, np.ones(len(score)), float(positive.mean())
    odds = min(weighed_at, MOST) / (1 - min(weighed_at, MOST))
    of = {side: ((positive == side), f"labelled {names[side]}") for side in (True, False)}
    least = {side: 1 / (int((positive == side).sum()) + 2) for side in (True, False)}
    worth = np.where(positive, 1.0, -odds) * called
    hits, left = 1.0 * (called & positive), 1.0 * (~called & ~positive)
    measures = _of_probabilities(Area(np.stack([1 - score, score], axis=1), positive.astype(np.intp)), names)
    return {
        "auc": measures["auc"],
        "sensitivity": Measure(
            "Sensitivity", ratio(hits, 1.0 * positive), (of[True],), gains=False, floor=least[True]
        ),
        "specificity": Measure(
            "Specificity", ratio(left, 1.0 * ~positive), (of[False],), gains=False, floor=least[False]
        ),
        "net_benefit": Measure(
            "Net benefit", ratio(worth, every), (of[True], of[False]), scale=share,
            floor=math.hypot(share * least[True], odds * (1 - share) * least[False]),
            note=f"a false alarm weighs {odds:.3g} of a hit",
        ),
        "brier": measures["brier"],
        "calibration": measures["calibration"],
    }  # fmt: skip


def of_several_classes(
    columns: Floats, label: NDArray[np.intp], called: NDArray[np.intp], names: Classes
) -> dict[str, Measure]:
    """The same in macro forms over the classes that occur, without net benefit, which needs a threshold.

    Args:
        columns: probabilities (N, K).
        label: (N,), 0 ... K-1.
        called: the class that each is called (N,).
        names: the classes, for people.
    """
    from components.lib.class_metrics import Area
    from components.lib.paired import Measure
    from components.lib.resampling import mean, ratio

    present = np.unique(label)
    measures = _of_probabilities(Area(columns, label), names)
    of = tuple((label == k, f"labelled {names[k]}") for k in present)
    hits = mean([ratio((called == k) & (label == k), label == k) for k in present])
    left = mean([ratio((called != k) & (label != k), label != k) for k in present])
    least = [math.hypot(*(1 / (int(member.sum()) + 2) for member in members)) / len(present)
             for members in ([label == k for k in present], [label != k for k in present])]  # fmt: skip
    return {
        "auc": measures["auc"],
        "sensitivity": Measure("Sensitivity, mean over classes", hits, of, gains=False, floor=least[0]),
        "specificity": Measure("Specificity, mean over classes", left, of, gains=False, floor=least[1]),
        "brier": measures["brier"],
        "calibration": measures["calibration"],
    }


def _of_probabilities(area: Area, names: Classes) -> dict[str, Measure]:
    """What needs no operating point."""
    from components.lib.calibration_index import calibration_index
    from components.lib.paired import Measure
    from components.lib.resampling import mean, ratio
    from components.lib.statistics import newcombe

    columns, label = area.columns, area.label
    present = np.unique(label)
    of = tuple((label == k, f"labelled {names[k]}") for k in present)
    truth = np.eye(columns.shape[1])[label]
    shares = truth.mean(axis=0)
    two = columns.shape[1] == 2
    value = float(area.statistic()(np.ones((1, len(label))))[0])
    rarest = int(min((label == k).sum() for k in present))
    useless = float((shares * (1 - shares)).sum())
    errors = ((columns - truth) ** 2).sum(axis=1)
    curves = [calibration_index(columns[:, k], label == k) for k in (present[1:] if two else present)]
    apart = float(np.mean([2 * shares[k] * (1 - shares[k]) for k in present]))
    return {
        "auc": _measure_of_area(area, of, value - newcombe(value, rarest, len(label) - rarest)[0]),
        "brier": Measure("Brier score", ratio(errors / 2 if two else errors, np.ones(len(label))), of, better="lower",
                         scale=useless / 2 if two else useless),
        "calibration": Measure("Calibration (mean distance)", mean(curves), of, better="lower", scale=apart),
    }  # fmt: skip


def _measure_of_area(area: Area, of: tuple[tuple[Bools, str], ...], spread: float) -> Measure:
    from components.lib.paired import Measure

    title = "AUC" if area.columns.shape[1] == 2 else "AUC, mean over classes"
    return Measure(title, area.statistic(), of, area=area, spread=spread)


def of_a_number(predicted: Floats, known: Floats, low: Floats, high: Floats, coverage: float) -> dict[str, Measure]:
    """Mean absolute error, R² and the score of the served interval, which weighs its width and what it misses.

    Args:
        predicted: (N,).
        known: (N,).
        low: lower ends of the intervals (N,).
        high: upper ends (N,).
        coverage: the share of cases that they promise to hold, above 0 and below 1.

    Source of the interval score, here a proper score of calibration and width together: Gneiting & Raftery 2007,
    doi:10.1198/016214506000001437, section 6.2.
    """
    from components.lib.paired import Measure
    from components.lib.regression_metrics import r2_of
    from components.lib.resampling import ratio

    missed = 1 - coverage
    every, of = np.ones(len(known)), ((np.ones(len(known), bool), "in all"),)

    def interval_score(low: Floats, high: Floats) -> Floats:
        outside = np.maximum(low - known, 0) + np.maximum(known - high, 0)
        return np.asarray(high - low + 2 / missed * outside)

    ends = np.quantile(known, [missed / 2, 1 - missed / 2])
    useless = interval_score(np.full(len(known), ends[0]), np.full(len(known), ends[1]))
    middle = float(np.abs(known - np.median(known)).mean())
    return {
        "mae": Measure("Mean absolute error", ratio(np.abs(predicted - known), every), of, better="lower",
                       scale=middle),
        "r2": Measure("R²", r2_of(predicted - known, known), of),
        "interval": Measure("Interval score", ratio(interval_score(low, high), every), of, better="lower",
                            scale=float(useless.mean())),
    }  # fmt: skip
