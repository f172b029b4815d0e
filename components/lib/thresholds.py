"""The operating point: from which probability upwards a sample is called positive, fitted on validation.

It is fitted on few samples, often perfectly separated, so it holds back where the data say little.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from components.lib.train_settings import Threshold

Floats = NDArray[np.floating]


def fit_threshold(probability: Floats, positive: NDArray[np.bool_], settings: Threshold) -> float:
    """The operating point: a sample is called positive from this probability upwards.

    Args:
        probability: (N,), of the positive class.
        positive: (N,).
        settings: the method. Where validation lacks the class a method needs, .5 is kept.
    """
    score = np.asarray(probability, np.float64)
    method = settings.chosen(_share(positive))
    if method == "fixed":
        return settings.value
    if method == "sensitivity":
        return highest_threshold(score, positive, settings.sensitivity) if positive.any() else 0.5
    if positive.all() or not positive.any():
        return 0.5
    if method == "cost":
        return cheapest(score, positive, settings.miss_cost, settings.prevalence)
    return youden(score, positive)


def fit_thresholds(probability: Floats, positive: NDArray[np.bool_], settings: Threshold) -> dict[str, float]:
    """{"threshold"}, the operating point that was asked for; what each method chooses, "threshold_youden" …; what it
    was asked for, "asked_sensitivity" …; "prevalence", the share of positives that it was chosen on; and
    "assumed_sensitivity" where nobody named a method and that share is too small for Youden's.

    The others are for the report alone, which then shows several operating points without having looked at test.

    Args: as of `fit_threshold`.
    """
    chosen = {"threshold": fit_threshold(probability, positive, settings)}
    for method in ("youden", "sensitivity", "cost"):
        by_method = settings.model_copy(update={"method": method})
        chosen[f"threshold_{method}"] = fit_threshold(probability, positive, by_method)
    chosen |= {"asked_sensitivity": settings.sensitivity, "asked_miss_cost": settings.miss_cost}
    chosen["prevalence"] = _share(positive)
    if settings.method == "auto" and settings.chosen(_share(positive)) == "sensitivity":
        chosen["assumed_sensitivity"] = settings.sensitivity
    return chosen if settings.prevalence is None else {**chosen, "asked_prevalence": settings.prevalence}


def _share(positive: NDArray[np.bool_]) -> float:
    """Of positives (N,); half of none."""
    return float(positive.mean()) if len(positive) else 0.5


def youden(score: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Of the thresholds whose Youden index is within one standard error of the best, the one nearest to theory.

    Theory: sensitivity + specificity of calibrated probabilities is highest where they pass the share of positives; it
    decides among thresholds that the data can't tell apart. The plain best jumps with every few samples: fitted on 135
    normals it was worse than theory in 41 of 43 runs. The standard error counts two hits and two misses more in each
    class, so that it isn't 0 for a perfect separation.

    Args:
        score: (N,), probabilities.
        positive: (N,), with both classes.

    Sources: Youden 1950, doi:10.1002/1097-0142(1950)3:1<32::AID-CNCR2820030106>3.0.CO;2-3; the rule of one standard
    error: Breiman et al. 1984, Classification and Regression Trees, section 3.4.3; two hits and misses: Agresti & Coull
    1998, doi:10.1080/00031305.1998.10480550.
    """
    distinct, share = np.unique(score), float(positive.mean())
    candidates = np.append((distinct[:-1] + distinct[1:]) / 2, share)
    return _steady_best(score, positive, candidates, gains=(1.0, 1.0), nearest=share)


def cheapest(
    score: NDArray[np.float64], positive: NDArray[np.bool_], miss_cost: float, prevalence: float | None
) -> float:
    """Of the thresholds whose expected cost is within one standard error of the least, the one nearest to theory.

    Expected cost of a sample, in false alarms: miss_cost · prevalence · (1 - sensitivity) + (1 - prevalence) · (1 -
    specificity). Theory: calibrated probabilities are called positive from 1 / (1 + miss_cost) upwards, the odds
    corrected for another prevalence than that of the samples; it decides among thresholds that the data can't tell
    apart, as in `youden`.

    Args:
        score: (N,), probabilities.
        positive: (N,), with both classes.
        miss_cost: cost of a miss over cost of a false alarm, above 0.
        prevalence: share of positives where the model will be used, 0..1 without its ends; None: as in `positive`.

    Sources: Metz 1978, doi:10.1016/S0001-2998(78)80014-2; theory: Elkan 2001, "The foundations of cost-sensitive
    learning", IJCAI, theorems 1 and 2; the rule of one standard error: see `youden`.
    """
    here = float(positive.mean())
    share = here if prevalence is None else prevalence
    theory = 1 / (1 + miss_cost * (share / (1 - share)) * ((1 - here) / here))
    distinct = np.unique(score)
    everybody, nobody = distinct[0] / 2, (distinct[-1] + 1) / 2
    candidates = np.concatenate([(distinct[:-1] + distinct[1:]) / 2, [theory, everybody, nobody]])
    return _steady_best(score, positive, candidates, gains=(miss_cost * share, 1 - share), nearest=theory)


def _steady_best(
    score: NDArray[np.float64],
    positive: NDArray[np.bool_],
    candidates: NDArray[np.float64],
    *,
    gains: tuple[float, float],
    nearest: float,
) -> float:
    """Of the candidates that gain as much as the best, less one standard error, the one nearest to a given point.

    `gains` are those of sensitivity and of specificity.
    """
    of_hits, of_rejections = gains
    sensitivity = _share_from(np.sort(score[positive]), candidates)
    specificity = 1 - _share_from(np.sort(score[~positive]), candidates)
    index = of_hits * sensitivity + of_rejections * specificity - 1
    best = int(np.argmax(index))
    error = math.hypot(
        of_hits * _standard_error(sensitivity[best], int(positive.sum())),
        of_rejections * _standard_error(specificity[best], int((~positive).sum())),
    )
    allowed = candidates[index >= index[best] - error]
    return float(allowed[np.argmin(np.abs(allowed - nearest))])


def highest_threshold(score: NDArray[np.float64], positive: NDArray[np.bool_], sensitivity: float) -> float:
    """The highest threshold that still finds the stated share of positives.

    It lies halfway down to the next lower score, so that a last bit rounded otherwise doesn't lose the sample it
    rests on.

    Args:
        score: (N,), probabilities.
        positive: (N,), with at least one positive.
        sensitivity: above 0, at most 1.
    """
    needed = math.ceil(sensitivity * int(positive.sum()) - 1e-9)
    at_least = float(np.sort(score[positive])[::-1][max(needed, 1) - 1])
    lower = score[score < at_least]
    return (at_least + (float(lower.max()) if len(lower) else 0.0)) / 2


def _share_from(ascending: NDArray[np.float64], thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the sorted scores at or above each threshold."""
    return 1 - np.searchsorted(ascending, thresholds, side="left") / len(ascending)


def _standard_error(share: float, n: int) -> float:
    padded = (share * n + 2) / (n + 4)
    return math.sqrt(padded * (1 - padded) / (n + 4))
